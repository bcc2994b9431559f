"""Which team is asked to agree: the person chooses among those that can, and where none can, it is said what helps."""

import pytest

from apps.accounts.models import Team
from apps.accounts.services import add_member
from apps.approvals.second_person import team_that_can_agree
from apps.core.actor import system_actor
from apps.core.errors import MeshError
from apps.policies.consent import what_to_do, who_can_agree
from apps.policies.models import PolicySet, ReleaseRequest
from apps.registry.models import Process
from apps.registry.services import assign_role, withdraw_role
from tests.conftest import person
from tests.policies.reviewing import SET, raised, sent, voted

pytestmark = pytest.mark.django_db
MESH = system_actor("tests")


def refused(**more) -> MeshError:
    with pytest.raises(MeshError) as error:
        sent(raised(), **more)
    return error.value


def join(who: str, team: str) -> None:
    add_member(team=Team.objects.get(slug=team), user=person(who), actor=MESH)


def asked_team(request: ReleaseRequest) -> str:
    assert request.approval is not None
    return str(request.approval.stages.get().team.slug)


def test_the_team_of_which_most_may_vote_is_asked_unless_another_is_chosen(world):
    policy_set = PolicySet.objects.get(slug=SET)
    found = who_can_agree(policy_set, {person("priya").id})
    assert [(each.team.slug, each.able_count) for each in found] == [("finance-approvers", 2), ("cfo-office", 1)]
    assert asked_team(sent(raised())) == "finance-approvers"


def test_another_team_can_be_chosen_and_is_the_one_that_decides(world):
    request = sent(raised(), team="cfo-office")
    assert asked_team(request) == "cfo-office"
    with pytest.raises(MeshError) as error:
        voted(request, "dana")
    assert error.value.code.startswith("approval.")
    assert voted(request, "carla").state == "done"


@pytest.mark.parametrize("team", ["o2c-builders", "o2c-oncall", "nobody", "x" * 50, "'; --"])
def test_a_team_that_cannot_agree_is_not_asked(world, team):
    error = refused(team=team)
    assert (error.code, error.status) == ("policy.team_cannot_agree", 409)
    assert error.sentence.endswith("Ask finance-approvers or cfo-office.")
    assert not ReleaseRequest.objects.exists()


def test_whoever_shares_a_team_with_a_maker_does_not_count(world):
    join("priya", "finance-approvers")
    policy_set = PolicySet.objects.get(slug=SET)
    assert [each.team.slug for each in who_can_agree(policy_set, {person("priya").id})] == ["cfo-office"]


def test_who_is_deactivated_does_not_count(world):
    felix = person("felix")
    felix.is_active = False
    felix.save(update_fields=["is_active"])
    counts = [each.able_count for each in who_can_agree(PolicySet.objects.get(slug=SET), {person("priya").id})]
    assert counts == [1, 1]


def test_everybody_in_one_team_is_told_why_and_what_helps(world):
    for who in ("dana", "felix", "carla"):
        join(who, "o2c-builders")
    error = refused()
    assert error.code == "policy.nobody_to_ask"
    ways = error.details["ways_out"]
    assert ways == what_to_do(PolicySet.objects.get(slug=SET), {person("priya").id})
    assert "Dana Ruiz may approve, and shares the team Order-to-cash automation with who wrote it" in ways[1]
    assert "gives the role “approver” in Order to cash to a person of another team" in ways[3]
    assign_role(user=person("omar"), role="approver", process=Process.objects.get(slug=SET), actor=MESH)
    assert asked_team(sent(raised("760.00"))) == "o2c-oncall"


def test_without_any_approver_it_says_so(world):
    process = Process.objects.get(slug=SET)
    for who in ("dana", "felix", "carla"):
        withdraw_role(user=person(who), role="approver", process=process, actor=MESH)
    assert refused().details["ways_out"][0] == "Nobody may approve in Order to cash."


def test_an_approver_in_no_team_is_named(world):
    process = Process.objects.get(slug=SET)
    for who in ("dana", "felix", "carla"):
        withdraw_role(user=person(who), role="approver", process=process, actor=MESH)
    assign_role(user=person("chen"), role="approver", process=process, actor=MESH)
    assert refused().details["ways_out"][0] == "Chen Wei may approve, and is in no team that could be asked."


def test_the_page_offers_the_teams_and_says_what_helps_before_anyone_presses(world, sign_in):
    draft = raised()
    client = sign_in("priya")
    page = client.get(f"/policies/drafts/{draft.id}/").content.decode()
    assert "Finance approvers (2 can agree)" in page
    assert "CFO office (1 can agree)" in page
    form = {"version": draft.version, "environment": "production", "in_flight": "recheck", "team": "cfo-office"}
    assert client.post(f"/policies/drafts/{draft.id}/send/", form).status_code == 302
    assert asked_team(ReleaseRequest.objects.get()) == "cfo-office"
    for who in ("dana", "felix", "carla"):
        join(who, "o2c-builders")
    draft = raised("800.00")
    page = client.get(f"/policies/drafts/{draft.id}/").content.decode()
    assert "Nobody could agree to this yet." in page
    assert "Dana Ruiz may approve, and shares the team" in page


def test_a_rollback_asks_the_chosen_team_too(world, sign_in):
    voted(sent(raised()))
    form = {"environment": "production", "in_flight": "recheck", "message": "Too many", "team": "cfo-office"}
    assert sign_in("priya").post(f"/policies/{SET}/versions/1/roll-back/", form).status_code == 302
    assert asked_team(ReleaseRequest.objects.filter(kind="rollback").get()) == "cfo-office"


def test_where_nobody_chooses_owners_and_on_call_come_first(world):
    """Lifting a halt asks them, as before."""
    process = Process.objects.select_related("owner_team", "oncall_team").get(slug=SET)
    assert team_that_can_agree(process, {person("priya").id}) == Team.objects.get(slug="finance-approvers")
    assign_role(user=person("omar"), role="approver", process=process, actor=MESH)
    assert team_that_can_agree(process, {person("priya").id}) == process.oncall_team
