"""The settings: who votes for me while I am away; who may approve how much, and how a process wants to be asked."""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Team, User
from apps.approvals import services
from apps.approvals.models import AuthorityLimit, ConsentRules, Delegation
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.registry.models import Process
from tests.conftest import actor, person

pytestmark = pytest.mark.usefixtures("world")
SignIn = Callable[[str], Client]

INDEX, ABSENCE = "/settings/", "/settings/absence/"
PROCESS = "/settings/approvals/order-to-cash/"
LIMITS = f"{PROCESS}limits/"


def text(answer: Any) -> str:
    """The page in words, its markup gone."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def said(client: Client, answer: Any) -> str:
    """Where a successful act leads, and what is said there."""
    assert answer.status_code == 303, answer.content.decode()
    return text(client.get(answer["Location"]))


def errors_of(answer: Any) -> dict[str, str]:
    """Sentence by field, as the page shows them beside their fields."""
    assert answer.status_code == 422
    found = r'class="field__error" id="(?:id_|rules_|limit_)?([\w-]+?)(?:_error|-error)">.*?<span>(.*?)</span>'
    return dict(re.findall(found, answer.content.decode(), re.DOTALL))


def log(code: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(code=code).order_by("seq"))


# --- the index --------------------------------------------------------------------------------------------------------


def test_the_index_leads_to_what_one_can_set(sign_in: SignIn) -> None:
    for username, word in (("priya", "You keep it"), ("dana", "Read only")):
        page = sign_in(username).get(INDEX)
        assert "Absence and delegation" in text(page)
        assert (
            f"Approvals in Order to cash Who may approve how much, and how the process wants to be asked. {word}"
            in (text(page))
        )
        assert PROCESS in page.content.decode()
        assert "Procure to pay" not in text(page)


def test_the_index_says_who_stands_in_for_me(sign_in: SignIn) -> None:
    dana = sign_in("dana")
    assert "Nobody does now" in text(dana.get(INDEX))
    lend(receiver="felix")
    assert "Felix Braun votes for you until" in text(dana.get(INDEX))


def test_who_has_no_role_sees_no_process(sign_in: SignIn) -> None:
    page = text(sign_in("otto").get(INDEX))
    assert "You hold a role in no process" in page
    assert "Order to cash" not in page


def test_the_rail_leads_there_with_its_key(sign_in: SignIn) -> None:
    page = sign_in("dana").get(ABSENCE).content.decode()
    assert 'href="/settings/" title="Settings" aria-current="page" data-key="g s"' in page


# --- absence ----------------------------------------------------------------------------------------------------------


def lend(giver: str = "dana", receiver: str = "felix", **more: Any) -> Delegation:
    now = clock.now()
    times = {"starts_at": now - dt.timedelta(hours=1), "ends_at": now + dt.timedelta(days=7)}
    return services.delegate(actor=actor(giver), receiver=receiver, **{**times, **more})


def wish(**changes: str) -> dict[str, str]:
    """What the form sends: from now on for a week, in UTC."""
    now = clock.now()
    return {
        "receiver": "felix",
        "process": "",
        "starts_at": f"{now:%Y-%m-%dT%H:%M}",
        "ends_at": f"{now + dt.timedelta(days=7):%Y-%m-%dT%H:%M}",
        "cap_EUR": "",
        "cap_USD": "",
        "reason": "",
        **changes,
    }


def test_the_page_says_what_a_delegation_is(sign_in: SignIn) -> None:
    page = text(sign_in("dana").get(ABSENCE))
    assert "Both names stand on every vote" in page
    assert "They cannot pass it on" in page
    assert "What your stand-in asked for, neither of you can approve" in page
    assert "Nobody votes for you" in page


def test_a_person_lets_a_colleague_vote_for_them(sign_in: SignIn) -> None:
    dana = sign_in("dana")
    sent = wish(process="order-to-cash", cap_EUR="5000", cap_USD=" 1 000.50 ", reason="Skiing")
    page = said(dana, dana.post(ABSENCE, sent))

    made = Delegation.objects.get()
    assert (made.giver, made.receiver) == (person("dana"), person("felix"))
    assert made.process is not None
    assert (made.process.slug, made.caps, made.reason) == ("order-to-cash", {"EUR": 500_000, "USD": 100_050}, "Skiing")
    assert "Felix Braun can vote for you." in page
    assert "Felix Braun for you Order to cash · Skiing" in page
    assert "€5,000.00" in page
    assert "$1,000.50" in page
    assert "In force" in page
    assert [entry.actor_key for entry in log("delegation.made")] == [actor("dana").key]


def test_times_are_read_and_shown_in_the_persons_own_zone(sign_in: SignIn) -> None:
    User.objects.filter(username="dana").update(time_zone="Asia/Kolkata")
    dana, kolkata = sign_in("dana"), ZoneInfo("Asia/Kolkata")
    start = (clock.now() + dt.timedelta(days=2)).astimezone(kolkata).replace(hour=9, minute=0, second=0, microsecond=0)
    sent = wish(starts_at=f"{start:%Y-%m-%dT%H:%M}", ends_at=f"{start + dt.timedelta(days=1):%Y-%m-%dT%H:%M}")
    page = said(dana, dana.post(ABSENCE, sent))

    assert Delegation.objects.get().starts_at == start
    assert "09:00 IST" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "Times are in your zone: IST" in page


def test_the_form_offers_colleagues_processes_and_currencies_of_where_one_votes(sign_in: SignIn) -> None:
    page = sign_in("dana").get(ABSENCE).content.decode()
    people = set(re.findall(r'<option value="([^"]+)"', page))
    assert {"felix", "carla", "priya", "order-to-cash"} <= people
    assert not {"dana", "otto", "procure-to-pay"} & people
    assert set(re.findall(r'name="cap_(\w+)"', page)) == {"EUR", "USD"}


def test_who_has_nothing_to_lend_gets_no_form_and_no_delegation(sign_in: SignIn) -> None:
    for username in ("omar", "otto"):
        client = sign_in(username)
        page = client.get(ABSENCE)
        assert "nothing you could delegate" in text(page)
        assert "Felix" not in text(page)
        assert client.post(ABSENCE, wish()).status_code == 403
    assert not Delegation.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"receiver": ""}, "receiver", "Choose who."),
        ({"receiver": "dana"}, "receiver", "not one of the available choices"),
        ({"receiver": "otto"}, "receiver", "not one of the available choices"),
        ({"process": "procure-to-pay"}, "process", "not one of the available choices"),
        ({"starts_at": ""}, "starts_at", "required"),
        ({"starts_at": "soon"}, "starts_at", "valid date/time"),
        ({"cap_EUR": "5,000.00"}, "cap_EUR", "Write it without separators, as 5000.00."),
        ({"cap_EUR": "10.001"}, "cap_EUR", "Write it without separators"),
        ({"cap_EUR": "-1"}, "cap_EUR", "less than nothing"),
        ({"cap_USD": "9" * 29}, "cap_USD", "Write it without separators"),
        ({"reason": "x" * 301}, "reason", "at most 300 characters"),
    ],
)
def test_what_makes_no_sense_is_told_beside_its_field_and_nothing_is_lost(
    sign_in: SignIn, changes: dict[str, str], field: str, sentence: str
) -> None:
    answer = sign_in("dana").post(ABSENCE, wish(**{"reason": "Skiing & more", **changes}))

    assert sentence in errors_of(answer)[field]
    assert "Not saved." in text(answer)
    if "reason" not in changes:
        assert 'value="Skiing &amp; more"' in answer.content.decode()
    assert not Delegation.objects.exists()
    assert log("delegation.made") == []


@pytest.mark.parametrize(("days", "sentence"), [(-0.5, "ends after it starts"), (91, "90 days at most")])
def test_it_ends_in_the_future_and_within_ninety_days(sign_in: SignIn, days: float, sentence: str) -> None:
    ends_at = f"{clock.now() + dt.timedelta(days=days):%Y-%m-%dT%H:%M}"
    assert sentence in errors_of(sign_in("dana").post(ABSENCE, wish(ends_at=ends_at)))["ends_at"]
    assert not Delegation.objects.exists()


@pytest.mark.parametrize("time_zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_ends_of_time_are_refused_on_both_sides_of_the_date_line(sign_in: SignIn, time_zone: str) -> None:
    User.objects.filter(username="dana").update(time_zone=time_zone)
    dana = sign_in("dana")
    assert "That day is gone" in errors_of(dana.post(ABSENCE, wish(starts_at="0001-01-01T00:00")))["starts_at"]
    assert "90 days at most" in errors_of(dana.post(ABSENCE, wish(ends_at="9999-12-31T23:59")))["ends_at"]


def test_the_hour_that_the_clocks_skip_is_refused(sign_in: SignIn) -> None:
    User.objects.filter(username="dana").update(time_zone="Europe/Berlin")
    answer = sign_in("dana").post(ABSENCE, wish(ends_at="2027-03-28T02:30"))
    assert "Europe/Berlin" in errors_of(answer)["ends_at"]


def test_both_see_it_and_both_may_end_it(sign_in: SignIn) -> None:
    dana, felix = sign_in("dana"), sign_in("felix")
    for ends in (dana, felix):
        delegation = lend(process="order-to-cash")
        assert "Felix Braun for you" in text(dana.get(ABSENCE))
        assert "You for Dana Ruiz" in text(felix.get(ABSENCE))
        page = said(ends, ends.post(f"{ABSENCE}{delegation.id}/end/"))
        assert "Felix Braun no longer votes for Dana Ruiz." in page
        delegation.refresh_from_db()
        assert delegation.ended_at is not None
        assert ends.post(f"{ABSENCE}{delegation.id}/end/").status_code == 409
    assert "Ended" in text(dana.get(ABSENCE))


def test_nobody_else_sees_or_ends_it(sign_in: SignIn) -> None:
    delegation = lend(reason="Skiing")
    for username in ("carla", "priya", "otto"):
        client = sign_in(username)
        assert "Skiing" not in text(client.get(ABSENCE))
        assert client.post(f"{ABSENCE}{delegation.id}/end/").status_code == 404
    delegation.refresh_from_db()
    assert delegation.ended_at is None


def test_each_delegation_shows_its_state(sign_in: SignIn, time_passes: Callable[..., None]) -> None:
    lend(starts_at=clock.now() + dt.timedelta(days=2), ends_at=clock.now() + dt.timedelta(days=3))
    dana = sign_in("dana")
    for passed, state, ends in ((0, "Upcoming", True), (2.5, "In force", True), (4, "Over", False)):
        time_passes(days=passed)
        page = dana.get(ABSENCE)
        assert state in text(page)
        assert ("/end/" in page.content.decode()) == ends


def test_the_list_is_paged(sign_in: SignIn) -> None:
    for number in range(51):
        lend(reason=f"Trip {number:02}")
    dana = sign_in("dana")
    first = dana.get(ABSENCE).content.decode()
    older = re.findall(r'href="(\?after=[^"]+)"', first)
    assert "Trip 50" in first
    assert "Trip 00" not in first
    assert "Trip 00" in text(dana.get(ABSENCE + older[0]))


def set_limit(**whose: str) -> AuthorityLimit:
    return services.set_limit(
        actor=actor("priya"), process="order-to-cash", currency="USD", limit_minor=1, reason="Cover", **whose
    )


# --- limits -----------------------------------------------------------------------------------------------------------


def line(**changes: str) -> dict[str, str]:
    sent = {"who": "team:finance-approvers", "amount": "5000", "currency": "EUR", "reason": "Board, 3 May"}
    return {**sent, **changes}


def test_an_owner_sets_a_limit_for_a_team_and_one_for_a_person(sign_in: SignIn) -> None:
    priya = sign_in("priya")
    assert "There are no limits." in text(priya.get(PROCESS))
    page = said(priya, priya.post(LIMITS, line()))
    assert "Finance approvers may approve up to €5,000.00." in page
    assert "When the last line is ended, there are no limits any more." in page
    page = said(priya, priya.post(LIMITS, line(who="person:dana", amount="12000.50", currency="USD")))

    lines = AuthorityLimit.objects.order_by("set_at")
    assert [(str(found.team or found.person), found.currency, found.limit_minor) for found in lines] == [
        ("Finance approvers", "EUR", 500_000),
        ("Dana Ruiz", "USD", 1_200_050),
    ]
    assert "Dana Ruiz person" in page
    assert "Priya Nair" in page
    assert "Board, 3 May" in page
    assert "the last line" not in page
    assert {entry.actor_key for entry in log("authority.limit_set")} == {actor("priya").key}


def test_a_second_line_about_the_same_replaces_the_first(sign_in: SignIn) -> None:
    priya = sign_in("priya")
    priya.post(LIMITS, line())
    said(priya, priya.post(LIMITS, line(amount="7000")))
    page = text(priya.get(PROCESS))
    assert "€7,000.00" in page
    assert "€5,000.00" not in page
    assert AuthorityLimit.objects.filter(ended_at=None).count() == 1


def test_an_owner_ends_a_limit(sign_in: SignIn) -> None:
    priya = sign_in("priya")
    priya.post(LIMITS, line())
    found = AuthorityLimit.objects.get()
    page = said(priya, priya.post(f"/settings/limits/{found.id}/end/"))
    assert "Ended the limit of Finance approvers in EUR." in page
    assert "There are no limits." in page
    assert len(log("authority.limit_ended")) == 1
    assert priya.post(f"/settings/limits/{found.id}/end/").status_code == 409


def test_the_form_offers_who_has_to_do_with_the_process(sign_in: SignIn) -> None:
    Team.objects.create(slug="strangers", name="Strangers")
    User.objects.filter(username="felix").update(is_active=False)
    page = sign_in("priya").get(PROCESS).content.decode()
    offered = set(re.findall(r'<option value="((?:team|person):[^"]+)"', page))
    assert offered == {
        *("team:finance-approvers", "team:cfo-office", "team:o2c-builders", "team:o2c-oncall"),
        *("person:dana", "person:carla", "person:omar", "person:chen", "person:priya", "person:alex"),
    }


def test_a_process_without_currencies_offers_no_limit(sign_in: SignIn) -> None:
    Process.objects.filter(slug="order-to-cash").update(currencies=[])
    page = sign_in("priya").get(PROCESS)
    assert "names no currency" in text(page)
    assert "limits/" not in page.content.decode()


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"who": ""}, "who", "Choose a team or a person."),
        ({"who": "team:nobody"}, "who", "not one of the available choices"),
        ({"who": "person:otto"}, "who", "not one of the available choices"),
        ({"who": "agent:writer"}, "who", "not one of the available choices"),
        ({"currency": "JPY"}, "currency", "not one of the available choices"),
        ({"amount": ""}, "amount", "required"),
        ({"amount": "5.000,00"}, "amount", "Write it without separators, as 5000.00."),
        ({"amount": "-5"}, "amount", "less than nothing"),
        ({"reason": " "}, "reason", "Say why"),
    ],
)
def test_a_line_that_makes_no_sense_is_told_beside_its_field(
    sign_in: SignIn, changes: dict[str, str], field: str, sentence: str
) -> None:
    answer = sign_in("priya").post(LIMITS, line(**changes))
    assert sentence in errors_of(answer)[field]
    assert not AuthorityLimit.objects.exists()
    assert log("authority.limit_set") == []


# --- rules ------------------------------------------------------------------------------------------------------------

AS_IT_COMES: dict[str, Any] = {
    "sla_hours": "",
    "work_days": ["0", "1", "2", "3", "4"],
    "work_starts": "09:00",
    "work_ends": "17:00",
    "holidays": "",
    "undo_seconds": "10",
    "votes_per_hour": "",
    "step_up_EUR": "",
    "step_up_USD": "",
    "second_look_percent": "2",
    "second_look_team": "",
}


def rules() -> ConsentRules:
    return ConsentRules.objects.get(process__slug="order-to-cash")


def test_an_owner_changes_every_rule(sign_in: SignIn) -> None:
    priya = sign_in("priya")
    sent = {
        "sla_hours": "7.5",
        "work_days": ["1", "5"],
        "work_starts": "08:30",
        "work_ends": "18:00",
        "holidays": "DE-BY",
        "counts_twice": "on",
        "undo_seconds": "0",
        "votes_per_hour": "40",
        "step_up_EUR": "10000",
        "step_up_USD": "",
        "second_look_percent": "12.5",
        "second_look_team": "cfo-office",
    }
    page = said(priya, priya.post(PROCESS, sent))

    found = rules()
    assert found.sla_seconds == 7.5 * 3600
    assert (found.work_days, found.work_starts, found.work_ends) == ([1, 5], dt.time(8, 30), dt.time(18))
    assert (found.holidays, found.counts_twice, found.undo_seconds) == ("DE-BY", True, 0)
    assert (found.votes_per_hour, found.step_up) == (40, {"EUR": 1_000_000})
    assert found.second_look_percent == Decimal("12.5")
    assert found.second_look_team is not None
    assert found.second_look_team.slug == "cfo-office"
    assert "Saved." in page
    assert "changed by Priya Nair" in page
    [entry] = log("approval_rules.changed")
    assert entry.actor_key == actor("priya").key
    assert entry.data["changed"]["undo_seconds"] == [10, 0]

    assert "Nothing was changed." in said(priya, priya.post(PROCESS, sent))
    assert len(log("approval_rules.changed")) == 1


def test_saving_what_is_shown_changes_nothing(sign_in: SignIn) -> None:
    """Also what the form cannot show exactly, and what it offers no longer."""
    services.change_rules(
        actor=actor("priya"),
        process="order-to-cash",
        sla_seconds=100,
        step_up={"JPY": 5_000},
        second_look_team=Team.objects.create(slug="gone", name="Gone"),
    )
    before = ConsentRules.objects.values().get()
    priya = sign_in("priya")
    page = priya.get(PROCESS).content.decode()
    assert 'name="sla_hours" value="0.03"' in page
    sent = {**AS_IT_COMES, "sla_hours": "0.03", "step_up_JPY": "5000", "second_look_team": "gone"}
    assert "Nothing was changed." in said(priya, priya.post(PROCESS, sent))
    assert "Saved." in said(priya, priya.post(PROCESS, {**sent, "undo_seconds": "5"}))
    after = ConsentRules.objects.values().get()
    assert {name for name in after if after[name] != before[name]} == {"undo_seconds", "changed_at"}


def test_the_defaults_are_shown_and_write_nothing(sign_in: SignIn) -> None:
    priya = sign_in("priya")
    assert "never changed" in text(priya.get(PROCESS))
    assert "Nothing was changed." in said(priya, priya.post(PROCESS, AS_IT_COMES))
    assert not ConsentRules.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"sla_hours": "0"}, "sla_hours", "At least 0.02."),
        ({"sla_hours": "9000"}, "sla_hours", "At most 8784."),
        ({"sla_hours": "a day"}, "sla_hours", "Write a number."),
        ({"work_days": []}, "work-days", "Name at least one working day."),
        ({"work_days": ["7"]}, "work-days", "not one of the available choices"),
        ({"work_starts": "25:00"}, "work_starts", "valid time"),
        ({"work_starts": "17:00"}, "work_ends", "Work has to end after it starts"),
        ({"holidays": "Bavaria"}, "holidays", "No public holidays are known for Bavaria."),
        ({"holidays": "DE-XX"}, "holidays", "No public holidays are known for DE-XX."),
        ({"undo_seconds": "61"}, "undo_seconds", "At most 60."),
        ({"undo_seconds": ""}, "undo_seconds", "required"),
        ({"votes_per_hour": "0"}, "votes_per_hour", "At least 1."),
        ({"step_up_EUR": "1,000"}, "step_up_EUR", "Write it without separators"),
        ({"second_look_percent": "101"}, "second_look_percent", "At most 100."),
        ({"second_look_percent": "1.234"}, "second_look_percent", "2 decimal places"),
        ({"second_look_team": "nobody"}, "second_look_team", "not one of the available choices"),
    ],
)
def test_a_rule_that_makes_no_sense_is_told_beside_its_field(
    sign_in: SignIn, changes: dict[str, Any], field: str, sentence: str
) -> None:
    answer = sign_in("priya").post(PROCESS, {**AS_IT_COMES, **changes})
    assert sentence in errors_of(answer)[field]
    assert "Not saved." in text(answer)
    assert not ConsentRules.objects.exists()
    assert log("approval_rules.changed") == []


def test_an_empty_form_changes_nothing(sign_in: SignIn) -> None:
    priya, dana = sign_in("priya"), sign_in("dana")
    for client, path in ((priya, PROCESS), (priya, LIMITS), (dana, ABSENCE)):
        assert client.post(path, {}).status_code == 422


def test_the_number_of_queries_does_not_grow_with_the_lines(sign_in: SignIn) -> None:
    priya, dana = sign_in("priya"), sign_in("dana")
    counts: list[tuple[int, int]] = []
    for size in (2, 12):
        for number in range(size):
            lend(caps={"EUR": number}, process="order-to-cash")
            set_limit(team=Team.objects.create(slug=f"t-{size}-{number}", name=f"Team {number}").slug)
        asked = []
        for client, path in ((dana, ABSENCE), (priya, PROCESS)):
            client.get(path)  # fills what the process remembers
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path).status_code == 200
            asked.append(len(queries))
        counts.append((asked[0], asked[1]))
    assert counts[0] == counts[1]


# --- who may ----------------------------------------------------------------------------------------------------------


def test_who_sees_the_process_reads_and_changes_nothing(sign_in: SignIn) -> None:
    found = set_limit(person="dana")
    services.change_rules(actor=actor("priya"), process="order-to-cash", sla_seconds=3600 * 8, step_up={"EUR": 100})
    for username in ("dana", "omar", "chen", "alex"):
        client = sign_in(username)
        page = client.get(PROCESS)
        assert "Read only" in text(page)
        assert "$0.01" in text(page)
        assert "above €1.00" in text(page)
        assert '<form method="post" action="/settings/' not in page.content.decode()
        assert client.post(PROCESS, AS_IT_COMES).status_code == 403
        assert client.post(LIMITS, line()).status_code == 403
        assert client.post(f"/settings/limits/{found.id}/end/").status_code == 403
    assert AuthorityLimit.objects.filter(ended_at=None).count() == 1


def test_who_does_not_see_it_learns_nothing(sign_in: SignIn) -> None:
    found = set_limit(person="dana")
    otto, priya = sign_in("otto"), sign_in("priya")
    assert otto.get(PROCESS).status_code == 404
    assert otto.post(PROCESS, AS_IT_COMES).status_code == 404
    assert otto.post(LIMITS, line()).status_code == 404
    assert otto.post(f"/settings/limits/{found.id}/end/").status_code == 404
    for path in ("/settings/approvals/procure-to-pay/", "/settings/approvals/nothing/"):
        assert priya.get(path).status_code == 404
        assert priya.post(path, AS_IT_COMES).status_code == 404


def test_what_the_product_set_itself_is_the_products(sign_in: SignIn) -> None:
    AuthorityLimit.objects.create(
        process=Process.objects.get(slug="order-to-cash"),
        person=person("dana"),
        currency="EUR",
        limit_minor=100,
        reason="From the file",
        set_by="system:bootstrap",
        set_at=clock.now(),
    )
    page = text(sign_in("priya").get(PROCESS))
    assert "Mesh Console, " in page
    assert "From the file" in page
