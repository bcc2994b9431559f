"""The blind second look: who is drawn, who may look, and that the page does not say how it was decided."""

import re
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Team
from apps.approvals import services
from apps.approvals.models import Approval, ApprovalState, ConsentRules, SecondLook
from apps.approvals.services.oversight import is_drawn
from apps.audit.models import AuditEntry
from apps.core.errors import MeshError
from apps.core.ids import uuid7
from apps.registry.models import Process
from apps.vault import services as vault
from tests.approvals.questions import vote
from tests.approvals.waiting import asked, fresh, told
from tests.conftest import Robot, actor, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]
SignIn = Callable[[str], Client]


@pytest.fixture
def rules() -> ConsentRules:
    """Everything that is approved gets a second look, by its own team."""
    return ConsentRules.objects.create(process=Process.objects.get(slug="order-to-cash"), second_look_percent=100)


def look_at(approval: Approval) -> SecondLook:
    return SecondLook.objects.get(approval=approval)


def opinion(username: str, look: SecondLook, opinion: str = "agree", reason: str = "") -> SecondLook:
    return services.give_second_opinion(actor=actor(username), look_id=look.id, opinion=opinion, reason=reason)


def refusal(username: str, look: SecondLook, given: str = "agree", reason: str = "") -> str:
    with pytest.raises(MeshError) as refused:
        opinion(username, look, given, reason)
    return refused.value.code


# --- the sample -------------------------------------------------------------------------------------------------------


def test_the_sample_is_as_large_as_the_rules_say() -> None:
    ids = [uuid7() for _ in range(20_000)]
    share = sum(is_drawn(each, percent=Decimal("2.00")) for each in ids) / len(ids)
    assert share == pytest.approx(0.02, abs=0.006)
    assert not any(is_drawn(each, percent=0) for each in ids)
    assert all(is_drawn(each, percent=100) for each in ids)


def test_who_has_the_key_can_recompute_it_and_nobody_else_can_foresee_it() -> None:
    ids = [uuid7() for _ in range(2_000)]
    drawn = [is_drawn(each, percent=50, key="one") for each in ids]
    assert drawn == [is_drawn(each, percent=50, key="one") for each in ids]
    same = sum(one == is_drawn(each, percent=50, key="another") for one, each in zip(drawn, ids, strict=True))
    assert 800 < same < 1200


@pytest.mark.usefixtures("rules")
def test_what_people_approve_may_be_looked_at_again() -> None:
    approval = asked()
    assert not SecondLook.objects.exists()
    vote("dana", approval)
    look = look_at(approval)
    assert (look.team.slug, look.looked_at, look.opinion) == ("finance-approvers", None, "")


@pytest.mark.usefixtures("rules")
def test_nothing_is_drawn_before_it_has_settled(time_passes: Callable[..., None]) -> None:
    approval = asked(reversible=True)
    vote("dana", approval, undo_seconds=30)
    assert not SecondLook.objects.exists()
    time_passes(seconds=31)
    services.settle_due()
    assert look_at(approval).team.slug == "finance-approvers"


@pytest.mark.usefixtures("rules")
def test_what_is_not_approved_by_people_is_not_looked_at(time_passes: Callable[..., None]) -> None:
    rejected, _ = asked(), asked(hours=1)
    vote("dana", rejected, "reject")
    time_passes(hours=2)
    services.expire_due()
    assert not SecondLook.objects.exists()


def test_the_rules_name_another_team_and_a_smaller_sample(rules: ConsentRules) -> None:
    ConsentRules.objects.update(second_look_team=Team.objects.get(slug="cfo-office"))
    approval = asked()
    vote("dana", approval)
    assert look_at(approval).team.slug == "cfo-office"

    ConsentRules.objects.update(second_look_percent=0)
    vote("dana", asked())
    assert SecondLook.objects.count() == 1


@pytest.mark.usefixtures("rules")
def test_many_are_drawn_in_three_statements(django_assert_max_num_queries: Callable[..., object]) -> None:
    approvals = [asked() for _ in range(10)]
    with django_assert_max_num_queries(3):  # type: ignore[attr-defined]
        assert len(services.draw_second_looks(approvals)) == 10


# --- who may look -----------------------------------------------------------------------------------------------------


@pytest.fixture
def look(rules: ConsentRules) -> SecondLook:
    """At something Dana approved."""
    approval = asked()
    vote("dana", approval)
    return look_at(approval)


def test_a_colleague_who_did_not_vote_looks(look: SecondLook) -> None:
    assert list(services.open_second_looks(actor("felix"))) == [look]
    given = opinion("felix", look)
    assert (given.opinion, given.looker, given.reason) == ("agree", person("felix"), None)
    entry = AuditEntry.objects.get(subject_id=str(look.approval_id), code="approval.second_look")
    assert (entry.actor_name, entry.outcome) == ("Felix Braun", "agree")
    assert list(services.open_second_looks(actor("felix"))) == []
    assert fresh(look.approval).state == ApprovalState.APPROVED


def test_disagreement_needs_words_and_keeps_them_in_the_vault(look: SecondLook) -> None:
    assert refusal("felix", look, "disagree", "  ") == "approval.reason_missing"
    given = opinion("felix", look, "disagree", "The list price is 64.00")
    assert vault.read(given.reason_id) == "The list price is 64.00"
    entry = AuditEntry.objects.get(subject_id=str(look.approval_id), code="approval.second_look")
    assert "64.00" not in f"{entry.reason}{entry.data}"


def test_it_is_taken_once(look: SecondLook) -> None:
    opinion("felix", look)
    assert refusal("felix", look) == "second_look.taken"
    assert told(look.approval).count("approval.second_look") == 1


@pytest.mark.parametrize(
    ("username", "code"),
    [
        ("dana", "second_look.own_vote"),
        ("carla", "second_look.not_your_team"),
        ("priya", "second_look.not_your_team"),
        ("otto", "second_look.not_found"),
    ],
)
def test_who_voted_or_is_not_of_the_team_does_not_look(look: SecondLook, username: str, code: str) -> None:
    assert list(services.open_second_looks(actor(username))) == []
    assert refusal(username, look) == code
    assert look_at(look.approval).looked_at is None


@pytest.mark.usefixtures("rules")
def test_who_took_a_vote_back_has_seen_too_much() -> None:
    approval = asked(reversible=True)
    vote("felix", approval, undo_seconds=30)
    services.withdraw_vote(actor=actor("felix"), approval_id=approval.id)
    vote("dana", approval)
    assert list(services.open_second_looks(actor("felix"))) == []
    assert refusal("felix", look_at(approval)) == "second_look.own_vote"


@pytest.mark.usefixtures("rules")
def test_who_asked_for_it_does_not_look() -> None:
    approval = asked(barred=("felix",))
    vote("dana", approval)
    assert list(services.open_second_looks(actor("felix"))) == []
    assert refusal("felix", look_at(approval)) == "approval.own_request"


def test_an_agent_does_not_look(look: SecondLook, writer: Robot) -> None:
    assert list(services.open_second_looks(writer.actor)) == []
    with pytest.raises(MeshError) as refused:
        services.give_second_opinion(actor=writer.actor, look_id=look.id, opinion="agree")
    assert refused.value.code == "second_look.not_found"


@pytest.mark.parametrize("given", ["", "approve", "AGREE"])
def test_an_opinion_is_one_of_two(look: SecondLook, given: str) -> None:
    assert refusal("felix", look, given) == "second_look.bad_opinion"


# --- the page ---------------------------------------------------------------------------------------------------------


def shown(client: Client, look_id: UUID) -> str:
    response = client.get(f"/inbox/second-looks/{look_id}/")
    assert response.status_code == 200
    [page] = re.findall(r"<main.*</main>", response.content.decode(), re.DOTALL)
    return str(page)


def card_on(page: str) -> str:
    """The open card, with whatever differs between any two requests taken out."""
    [card] = re.findall(r"<article.*</article>", page, re.DOTALL)
    card = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", card)
    return re.sub(r'csrfmiddlewaretoken" value="\w+"|<time.*?</time>', "", card)


@pytest.mark.usefixtures("rules")
def test_the_page_shows_the_card_as_it_was_and_nothing_of_the_decision(sign_in: SignIn) -> None:
    """However many voted, in whichever stages, with whatever words: the page is the same."""
    simple = asked()
    vote("dana", simple)
    thorough = asked("finance-approvers:1, cfo-office:1")
    vote("dana", thorough, comment="As agreed with the customer")
    vote("carla", fresh(thorough), comment="Fine")
    client = sign_in("felix")
    first, second = (shown(client, look_at(approval).id) for approval in (simple, thorough))

    assert "Larger credit memos need one finance approver" in first
    assert "I would have approved it" in first
    assert card_on(first) == card_on(second)
    for page, approval in ((first, simple), (second, thorough)):
        assert str(approval.id) not in page
        for telling in ("Dana Ruiz", "Carla Meyer", "As agreed", "Votes", 'data-state="done"', "/runs/"):
            assert telling not in page
        assert "approved" not in page.replace("would have approved", "").replace("would not have approved", "")


def test_an_opinion_is_given_on_the_page_and_the_next_one_opens(look: SecondLook, sign_in: SignIn) -> None:
    following = asked(sentence="Credit €700.50 to C-205")
    vote("dana", following)
    client = sign_in("felix")
    answer = client.post(f"/inbox/second-looks/{look.id}/opinion/", {"opinion": "agree"}, follow=True)
    assert look_at(look.approval).opinion == "agree"
    assert answer.redirect_chain == [("/inbox/second-looks/", 302)]
    page = answer.content.decode()
    assert "Credit €700.50 to C-205" in page
    assert "Dana Ruiz" not in page


def test_disagreeing_without_words_is_asked_for_them_and_loses_nothing(look: SecondLook, sign_in: SignIn) -> None:
    answer = sign_in("felix").post(f"/inbox/second-looks/{look.id}/opinion/", {"opinion": "disagree", "reason": " "})
    assert answer.status_code == 422
    assert "Say what speaks against it." in answer.content.decode()
    assert look_at(look.approval).looked_at is None


def test_what_somebody_else_has_looked_at_meanwhile_says_so(look: SecondLook, sign_in: SignIn) -> None:
    client = sign_in("felix")
    opinion("felix", look)
    answer = client.post(f"/inbox/second-looks/{look.id}/opinion/", {"opinion": "disagree", "reason": "No"})
    assert answer.status_code == 409
    assert look_at(look.approval).opinion == "agree"


def test_without_looks_the_page_says_that_there_are_none(sign_in: SignIn) -> None:
    page = sign_in("felix").get("/inbox/second-looks/").content.decode()
    assert "Nothing to look at" in page


def test_many_looks_take_as_many_queries_as_two(look: SecondLook, sign_in: SignIn) -> None:
    vote("dana", asked())
    client, counts = sign_in("felix"), []
    client.get("/inbox/second-looks/")  # fills what the process remembers
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            client.get("/inbox/second-looks/")
        counts.append(len(captured))
        for _ in range(5):
            vote("dana", asked())
    assert counts[0] == counts[1]


def test_who_voted_gets_no_look_on_the_page(look: SecondLook, sign_in: SignIn) -> None:
    assert "INV-1042" not in sign_in("dana").get("/inbox/second-looks/").content.decode()
    assert sign_in("dana").get(f"/inbox/second-looks/{look.id}/").status_code == 403
    assert sign_in("otto").get(f"/inbox/second-looks/{look.id}/").status_code == 404
