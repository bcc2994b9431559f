"""The API of delegations, limits and rules: who gets what, what is refused with which code, and what is written."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.approvals import services
from apps.approvals.models import AuthorityLimit, ConsentRules, Delegation, Vote
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.clock import rfc3339
from tests.conftest import Robot, actor, parked, person
from tests.contract.problems import pointers_of, problem_of

pytestmark = pytest.mark.usefixtures("world")
Api = Callable[[str], APIClient]

DELEGATIONS = "/api/v1/delegations"
LIMITS = "/api/v1/processes/order-to-cash/authority-limits"
RULES = "/api/v1/processes/order-to-cash/approval-rules"
NOBODYS_ID = UUID(int=0)
LIMIT = {"team": "finance-approvers", "currency": "EUR", "limit_minor": 500_000, "reason": "Board, 3 May"}


def wish(**changes: Any) -> dict[str, Any]:
    """From now on for a week, for Felix; None leaves a member out."""
    now = clock.now()
    body = {"receiver": "felix", "starts_at": rfc3339(now), "ends_at": rfc3339(now + dt.timedelta(days=7)), **changes}
    return {name: value for name, value in body.items() if value is not None}


def post(client: APIClient, path: str, body: Any = None) -> Any:
    return client.post(path, {} if body is None else body, format="json")


def lend(giver: str = "dana", receiver: str = "felix", **more: Any) -> Delegation:
    now = clock.now()
    times = {"starts_at": now - dt.timedelta(hours=1), "ends_at": now + dt.timedelta(days=7)}
    return services.delegate(actor=actor(giver), receiver=receiver, **{**times, **more})


def set_limit(**changes: Any) -> AuthorityLimit:
    return services.set_limit(actor=actor("priya"), process="order-to-cash", **{**LIMIT, **changes})


def log(code: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(code=code).order_by("seq"))


def rows() -> tuple[int, ...]:
    """How many there are of everything these endpoints could write."""
    return tuple(model._default_manager.count() for model in (Delegation, AuthorityLimit, ConsentRules, AuditEntry))


@pytest.fixture
def writes_nothing() -> Any:
    """Call it before what must be refused; the fixture compares afterwards."""
    before: list[tuple[int, ...]] = []
    yield lambda: before.append(rows())
    assert [rows()] * len(before) == before


# --- who gets what ----------------------------------------------------------------------------------------------------

PEOPLE = ("dana", "carla", "omar", "chen", "priya", "alex", "otto")


def statuses(api: Api, ask: Callable[[APIClient], Any]) -> dict[str, int]:
    return {username: ask(api(username)).status_code for username in PEOPLE}


def test_everyone_lists_their_own_delegations_and_only_who_votes_makes_one(api: Api) -> None:
    assert statuses(api, lambda client: client.get(DELEGATIONS)) == dict.fromkeys(PEOPLE, 200)
    made = statuses(api, lambda client: post(client, DELEGATIONS, wish()))
    assert made == {**dict.fromkeys(PEOPLE, 403), "dana": 201, "carla": 201}


def test_who_sees_the_process_reads_limits_and_rules_and_its_owner_changes_them(api: Api) -> None:
    seen = {**dict.fromkeys(PEOPLE, 200), "otto": 404}
    assert statuses(api, lambda client: client.get(LIMITS)) == seen
    assert statuses(api, lambda client: client.get(RULES)) == seen
    refused = {**dict.fromkeys(PEOPLE, 403), "otto": 404}
    assert statuses(api, lambda client: post(client, LIMITS, LIMIT)) == {**refused, "priya": 201}
    body = {"undo_seconds": 5}
    assert statuses(api, lambda client: client.patch(RULES, body, format="json")) == {**refused, "priya": 200}
    end = f"/api/v1/authority-limits/{AuthorityLimit.objects.get().id}/end"
    assert statuses(api, lambda client: post(client, end)) == {**refused, "priya": 200}


@pytest.mark.parametrize("process", ["procure-to-pay", "nothing"])
def test_a_process_one_does_not_see_is_not_there(api: Api, process: str, writes_nothing: Any) -> None:
    priya = api("priya")
    writes_nothing()
    for path, change in (("authority-limits", LIMIT), ("approval-rules", {"undo_seconds": 5})):
        url = f"/api/v1/processes/{process}/{path}"
        act = priya.post if path == "authority-limits" else priya.patch
        assert problem_of(priya.get(url)) == (404, "process.not_found")
        assert problem_of(act(url, change, format="json")) == (404, "process.not_found")


def test_an_agent_gets_none_of_it(writer: Robot, writes_nothing: Any) -> None:
    client, limit, delegation = writer.api(), set_limit(), lend()
    writes_nothing()
    assert problem_of(client.get(DELEGATIONS)) == (403, "people.only")
    assert problem_of(post(client, DELEGATIONS, wish())) == (403, "people.only")
    assert problem_of(post(client, f"{DELEGATIONS}/{delegation.id}/end")) == (404, "delegation.not_found")
    assert problem_of(client.get(LIMITS)) == (404, "process.not_found")
    assert problem_of(post(client, LIMITS, LIMIT)) == (404, "process.not_found")
    assert problem_of(client.get(RULES)) == (404, "process.not_found")
    assert problem_of(client.patch(RULES, {"undo_seconds": 5}, format="json")) == (404, "process.not_found")
    assert problem_of(post(client, f"/api/v1/authority-limits/{limit.id}/end")) == (403, "permission.missing")


def test_a_stranger_gets_none_of_it() -> None:
    client = APIClient(raise_request_exception=False)
    for path in (DELEGATIONS, LIMITS, RULES):
        assert problem_of(client.get(path)) == (401, "token.missing")


def test_a_personal_token_is_the_person(writes_nothing: Any) -> None:
    _, secret = accounts.make_token(user=person("dana"), name="script", days=1, actor=actor("dana"))
    script = APIClient(raise_request_exception=False)
    script.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert post(script, DELEGATIONS, wish()).status_code == 201
    assert log("delegation.made")[0].data["via"] == "token"
    writes_nothing()
    assert problem_of(post(script, LIMITS, LIMIT)) == (403, "permission.missing")


# --- delegations ------------------------------------------------------------------------------------------------------


def test_a_delegation_is_made_listed_by_both_and_logged(api: Api) -> None:
    body = wish(process="order-to-cash", caps={"EUR": 500_000}, reason="Skiing")
    answer = post(api("dana"), DELEGATIONS, body)
    made = answer.json()
    assert answer.status_code == 201
    assert {name: made[name] for name in ("giver", "receiver", "process", "caps", "reason", "approval_id")} == {
        "giver": "dana",
        "receiver": "felix",
        "process": "order-to-cash",
        "caps": {"EUR": 500_000},
        "reason": "Skiing",
        "approval_id": None,
    }
    assert (made["starts_at"], made["ends_at"], made["ended_at"]) == (body["starts_at"], body["ends_at"], None)
    for username, count in (("dana", 1), ("felix", 1), ("carla", 0)):
        items = api(username).get(DELEGATIONS).json()["items"]
        assert [item["id"] for item in items] == [made["id"]] * count
    [entry] = log("delegation.made")
    assert (entry.actor_key, entry.process, entry.reason) == (actor("dana").key, "order-to-cash", "Skiing")
    assert entry.data["receiver"] == actor("felix").key


def test_one_approval_is_handed_on(api: Api, writer: Robot) -> None:
    _, approval = parked(writer)
    answer = post(api("dana"), DELEGATIONS, wish(approval_id=str(approval.id)))
    assert answer.json()["approval_id"] == str(approval.id)
    assert [entry.subject_id for entry in log("approval.delegated")] == [str(approval.id)]


@pytest.mark.parametrize(
    ("changes", "status", "code", "pointers"),
    [
        ({"receiver": "nobody"}, 422, "person.unknown", {"/person"}),
        ({"receiver": "dana"}, 422, "delegation.to_oneself", set()),
        ({"receiver": ""}, 422, "input.invalid", {"/receiver"}),
        ({"receiver": None}, 422, "input.invalid", {"/receiver"}),
        ({"starts_at": "soon"}, 422, "input.invalid", {"/starts_at"}),
        ({"ends_at": None}, 422, "input.invalid", {"/ends_at"}),
        ({"ends_at": "2020-01-01T00:00:00Z"}, 422, "delegation.bad_time", set()),
        ({"ends_at": "2999-01-01T00:00:00Z"}, 422, "delegation.too_long", set()),
        ({"process": "procure-to-pay"}, 404, "process.not_found", set()),
        ({"process": "nothing"}, 404, "process.not_found", set()),
        ({"approval_id": str(NOBODYS_ID)}, 404, "approval.not_found", set()),
        ({"approval_id": "x"}, 422, "input.invalid", {"/approval_id"}),
        ({"caps": {"EURO": 1}}, 422, "authority.bad_amount", {"/caps"}),
        ({"caps": {"EUR": 2**53 + 1}}, 422, "input.invalid", {"/caps/EUR"}),
        ({"caps": {"EUR": -1}}, 422, "input.invalid", {"/caps/EUR"}),
        ({"caps": {"EUR": "10.00"}}, 422, "input.invalid", {"/caps/EUR"}),
        ({"caps": {"EUR": 10.0}}, 422, "input.invalid", {"/caps/EUR"}),
        ({"starts_at": "2026-11-20T09:00:00"}, 422, "input.invalid", {"/starts_at"}),
        ({"starts_at": "0001-01-01T00:00:00Z"}, 422, "delegation.bad_start", set()),
        ({"caps": [1]}, 422, "input.invalid", {"/caps"}),
        ({"reason": "x" * 301}, 422, "input.invalid", {"/reason"}),
    ],
)
def test_a_delegation_that_makes_no_sense_is_refused(
    api: Api, writes_nothing: Any, changes: dict[str, Any], status: int, code: str, pointers: set[str]
) -> None:
    dana = api("dana")
    writes_nothing()
    answer = post(dana, DELEGATIONS, wish(**changes))
    assert problem_of(answer) == (status, code)
    assert pointers_of(answer) == pointers


def test_who_is_deactivated_receives_nothing(api: Api, writes_nothing: Any) -> None:
    User.objects.filter(username="felix").update(is_active=False)
    dana = api("dana")
    writes_nothing()
    assert problem_of(post(dana, DELEGATIONS, wish())) == (422, "person.unknown")


def test_who_has_nothing_lends_nothing_not_even_what_they_hold(api: Api, writes_nothing: Any) -> None:
    lend(receiver="omar")
    omar = api("omar")
    writes_nothing()
    assert problem_of(post(omar, DELEGATIONS, wish())) == (403, "delegation.nothing_to_lend")


def test_what_one_holds_on_one_approval_is_not_handed_on(api: Api, writer: Robot, writes_nothing: Any) -> None:
    _, approval = parked(writer)
    lend(receiver="carla")
    carla = api("carla")
    writes_nothing()
    answer = post(carla, DELEGATIONS, wish(receiver="felix", approval_id=str(approval.id)))
    assert problem_of(answer) == (403, "delegation.not_passed_on")


@pytest.mark.parametrize("username", ["dana", "felix"])
def test_giver_and_receiver_may_end_it_once(api: Api, username: str) -> None:
    delegation = lend()
    client, path = api(username), f"{DELEGATIONS}/{delegation.id}/end"
    answer = post(client, path)
    assert answer.status_code == 200
    assert answer.json()["ended_at"] is not None
    assert problem_of(post(client, path)) == (409, "delegation.over")
    assert [entry.actor_key for entry in log("delegation.ended")] == [actor(username).key]


def test_one_that_ran_out_is_not_ended(api: Api, time_passes: Callable[..., None]) -> None:
    delegation = lend()
    time_passes(days=8)
    assert problem_of(post(api("dana"), f"{DELEGATIONS}/{delegation.id}/end")) == (409, "delegation.over")


def test_nobody_else_may_end_it(api: Api, writes_nothing: Any) -> None:
    delegation, clients = lend(), [api(username) for username in ("carla", "priya", "otto")]
    writes_nothing()
    for client in clients:
        for wanted in (delegation.id, NOBODYS_ID):
            assert problem_of(post(client, f"{DELEGATIONS}/{wanted}/end")) == (404, "delegation.not_found")


def test_a_vote_by_delegation_counts_until_it_is_ended_and_has_both_names(api: Api, writer: Robot) -> None:
    _, first = parked(writer, key="a")
    _, second = parked(writer, key="b")
    delegation = lend(receiver="omar")
    votes = "/api/v1/approvals/{}/votes"
    body = {"verdict": "approve", "digest": first.digest}
    assert post(api("omar"), votes.format(first.id), body).status_code == 201
    vote = Vote.objects.get()
    assert (str(vote.voter), str(vote.on_behalf_of)) == ("Omar Haddad", "Dana Ruiz")
    post(api("dana"), f"{DELEGATIONS}/{delegation.id}/end")
    body = {"verdict": "approve", "digest": second.digest}
    assert problem_of(post(api("omar"), votes.format(second.id), body)) == (403, "permission.missing")


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_limit_is_set_listed_replaced_ended_and_logged(api: Api) -> None:
    priya = api("priya")
    first = post(priya, LIMITS, LIMIT).json()
    assert {name: first[name] for name in LIMIT} == LIMIT
    assert (first["process"], first["person"], first["ended_at"]) == ("order-to-cash", None, None)
    second = post(priya, LIMITS, {**LIMIT, "limit_minor": 700_000}).json()
    person_line = {"person": "dana", "currency": "USD", "limit_minor": 1, "reason": "Cover"}
    third = post(priya, LIMITS, person_line).json()
    listed = api("dana").get(LIMITS).json()["items"]
    assert [line["id"] for line in listed] == [second["id"], third["id"]]

    ended = post(priya, f"/api/v1/authority-limits/{third['id']}/end")
    assert ended.json()["ended_at"] is not None
    assert [line["id"] for line in api("dana").get(LIMITS).json()["items"]] == [second["id"]]
    assert problem_of(post(priya, f"/api/v1/authority-limits/{third['id']}/end")) == (409, "authority.over")
    entries = [*log("authority.limit_set"), *log("authority.limit_ended")]
    assert [(entry.subject_name, entry.data["limit_minor"]) for entry in entries] == [
        ("Finance approvers", 500_000),
        ("Finance approvers", 700_000),
        ("Dana Ruiz", 1),
        ("Dana Ruiz", 1),
    ]
    assert {(entry.actor_key, entry.process) for entry in entries} == {(actor("priya").key, "order-to-cash")}


@pytest.mark.parametrize(
    ("changes", "code", "pointers"),
    [
        ({"team": None}, "authority.team_or_person", set()),
        ({"person": "dana"}, "authority.team_or_person", set()),
        ({"team": "nobody"}, "team.unknown", {"/team"}),
        ({"team": "two words"}, "input.invalid", {"/team"}),
        ({"team": None, "person": "nobody"}, "person.unknown", {"/person"}),
        ({"currency": "XXY"}, "authority.bad_amount", {"/limit"}),
        ({"currency": "euro"}, "input.invalid", {"/currency"}),
        ({"limit_minor": -1}, "input.invalid", {"/limit_minor"}),
        ({"limit_minor": 2**53 + 1}, "input.invalid", {"/limit_minor"}),
        ({"limit_minor": "a lot"}, "input.invalid", {"/limit_minor"}),
        ({"limit_minor": "5000.00"}, "input.invalid", {"/limit_minor"}),
        ({"reason": ""}, "input.invalid", {"/reason"}),
        ({"reason": "x" * 301}, "input.invalid", {"/reason"}),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(
    api: Api, writes_nothing: Any, changes: dict[str, Any], code: str, pointers: set[str]
) -> None:
    priya = api("priya")
    writes_nothing()
    answer = post(priya, LIMITS, {**LIMIT, **changes})
    assert problem_of(answer) == (422, code)
    assert pointers_of(answer) == pointers


def test_a_limit_nobody_sees_is_not_there(api: Api, writes_nothing: Any) -> None:
    limit, otto, priya = set_limit(), api("otto"), api("priya")
    writes_nothing()
    assert problem_of(post(otto, f"/api/v1/authority-limits/{limit.id}/end")) == (404, "authority.not_found")
    assert problem_of(post(priya, f"/api/v1/authority-limits/{NOBODYS_ID}/end")) == (404, "authority.not_found")


def test_above_their_limit_nobody_approves(api: Api, writer: Robot) -> None:
    _, approval = parked(writer)
    set_limit(limit_minor=100_000)
    path, body = f"/api/v1/approvals/{approval.id}/votes", {"verdict": "approve", "digest": approval.digest}
    assert problem_of(post(api("dana"), path, body)) == (403, "approval.over_limit")
    set_limit(limit_minor=200_000)
    assert post(api("dana"), path, body).status_code == 201


# --- rules ------------------------------------------------------------------------------------------------------------

AS_IT_COMES = {
    "process": "order-to-cash",
    "sla_seconds": None,
    "work_days": [0, 1, 2, 3, 4],
    "work_starts": "09:00",
    "work_ends": "17:00",
    "holidays": "",
    "counts_twice": False,
    "undo_seconds": 10,
    "step_up": {},
    "votes_per_hour": None,
    "changed_at": None,
}


def test_a_process_without_rules_of_its_own_shows_the_defaults(api: Api) -> None:
    body = api("dana").get(RULES).json()
    assert {name: body[name] for name in AS_IT_COMES} == AS_IT_COMES
    assert float(body["second_look_percent"]) == 2
    assert not ConsentRules.objects.exists()


def test_what_is_named_is_changed_and_the_rest_stays(api: Api) -> None:
    priya = api("priya")
    priya.patch(RULES, {"sla_seconds": 28_800, "holidays": "DE-BY", "step_up": {"EUR": 1_000_000}}, format="json")
    answer = priya.patch(RULES, {"work_starts": "08:30", "work_days": [0, 1]}, format="json")
    body = answer.json()
    assert answer.status_code == 200
    assert (body["sla_seconds"], body["holidays"], body["step_up"]) == (28_800, "DE-BY", {"EUR": 1_000_000})
    assert (body["work_starts"], body["work_days"], body["undo_seconds"]) == ("08:30", [0, 1], 10)
    assert body["changed_at"] is not None
    assert api("dana").get(RULES).json() == body
    first, second = log("approval_rules.changed")
    assert (first.actor_key, first.process) == (actor("priya").key, "order-to-cash")
    assert second.data["changed"] == {"work_starts": ["09:00:00", "08:30:00"], "work_days": [[0, 1, 2, 3, 4], [0, 1]]}


def test_what_is_so_already_is_left_alone(api: Api) -> None:
    priya = api("priya")
    priya.patch(RULES, {"second_look_percent": "3", "second_look_team": "cfo-office"}, format="json")
    before = api("dana").get(RULES).json()
    assert before["second_look_team"] == "cfo-office"
    again = priya.patch(RULES, {"second_look_percent": "3.00", "work_days": [4, 3, 2, 1, 0, 0]}, format="json")
    assert again.json() == before
    assert len(log("approval_rules.changed")) == 1


def test_delegations_are_paged_by_cursor(api: Api) -> None:
    made = [str(lend().id) for _ in range(3)]
    dana = api("dana")
    first = dana.get(DELEGATIONS, {"limit": 2}).json()
    second = dana.get(DELEGATIONS, {"limit": 2, "cursor": first["next"]}).json()
    assert [item["id"] for page in (first, second) for item in page["items"]] == made[::-1]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("change", "code", "pointers"),
    [
        ({"sla_seconds": 59}, "input.invalid", {"/sla_seconds"}),
        ({"sla_seconds": "PT8H"}, "input.invalid", {"/sla_seconds"}),
        ({"work_days": []}, "input.invalid", {"/work_days"}),
        ({"work_days": [7]}, "input.invalid", {"/work_days/0"}),
        ({"work_ends": "09:00"}, "rules.no_working_hours", set()),
        ({"work_starts": "25:00"}, "input.invalid", {"/work_starts"}),
        ({"holidays": "XX"}, "rules.unknown_holidays", set()),
        ({"holidays": "DE-XX"}, "rules.unknown_holidays", set()),
        ({"counts_twice": "perhaps"}, "input.invalid", {"/counts_twice"}),
        ({"undo_seconds": 61}, "input.invalid", {"/undo_seconds"}),
        ({"step_up": {"EURO": 1}}, "authority.bad_amount", {"/step_up"}),
        ({"step_up": {"EUR": -1}}, "input.invalid", {"/step_up/EUR"}),
        ({"step_up": {"EUR": "1000.00"}}, "input.invalid", {"/step_up/EUR"}),
        ({"second_look_team": "nobody"}, "team.unknown", {"/second_look_team"}),
        ({}, "input.invalid", {""}),
        ({"votes_per_hour": 0}, "input.invalid", {"/votes_per_hour"}),
        ({"second_look_percent": 100.5}, "input.invalid", {"/second_look_percent"}),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    api: Api, writes_nothing: Any, change: dict[str, Any], code: str, pointers: set[str]
) -> None:
    priya = api("priya")
    writes_nothing()
    answer = priya.patch(RULES, change, format="json")
    assert problem_of(answer) == (422, code)
    assert pointers_of(answer) == pointers
