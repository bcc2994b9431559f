"""Picking approvals: what is frozen, what it adds up to, and what is left out and why."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import Team
from apps.approvals import selection as selections
from apps.approvals import services
from apps.approvals.filters import QueueFilter
from apps.approvals.models import OPEN_STATES, Approval, ApprovalState, Selection
from apps.approvals.queries import approvals_visible_to
from apps.approvals.selection import (
    LEFT_OUT,
    NEEDS_A_LOOK,
    LeftOut,
    Picked,
    picked_among,
    picked_of,
    with_reasons,
)
from apps.approvals.services import queue
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.errors import Conflict, Invalid, MeshError, NotAllowed, NotFound
from apps.core.ids import uuid7
from apps.core.money import Money
from tests.approvals.asking import SETUP, ask, ask_many, vote
from tests.conftest import Robot, actor, person
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]


def frozen(selection: Selection) -> list[tuple[Any, int]]:
    row = Selection.objects.get(id=selection.id)
    return list(zip(row.ids, row.versions, strict=True))


def as_shown(approvals: list[Approval]) -> list[tuple[Any, int]]:
    return [(approval.id, approval.version) for approval in approvals]


def select(username: str = "dana", query: str = "", **more: Any) -> Selection:
    return services.select(actor=actor(username), query=QueueFilter.parse(query), **more)


def test_all_that_matches_is_frozen_in_the_order_shown_with_its_sums(world: FakeErp) -> None:
    small, large = ask("10.00"), ask("250.00")
    dollars, nothing = ask("99.00", "USD"), ask(None)
    selection = select()

    assert frozen(selection) == as_shown([large, dollars, small, nothing])
    assert picked_of(selection) == Picked(
        count=4,
        sums=[Money(26000, "EUR"), Money(9900, "USD")],
        oldest=small.requested_at,
        left_out=[],
        step_up_count=0,
    )
    assert selection.expires_at - selection.made_at == dt.timedelta(hours=1)
    [entry] = AuditEntry.objects.filter(code="approval_selection.made")
    assert (entry.actor_key, entry.data["count"]) == (actor("dana").key, 4)


def test_all_that_matches_follows_the_filter_and_its_sort(world: FakeErp) -> None:
    first, second, third = ask("10.00"), ask("30.00"), ask("20.00", "USD")

    assert frozen(select(query="sort=oldest")) == as_shown([first, second, third])
    assert frozen(select(query="currency=EUR&sort=newest")) == as_shown([second, first])
    assert select(query="currency=EUR&sort=newest").query == "currency=EUR&sort=newest"


def test_these_rows_are_these_rows_in_the_order_given_each_once(world: FakeErp) -> None:
    first, second, third = ask_many(3)
    selection = select(ids=[third.id, first.id, third.id])

    assert frozen(selection) == as_shown([third, first])
    assert picked_of(selection).sums == [Money(400, "EUR")]
    assert picked_among(selection, [first.id, second.id]) == {first.id}


def test_these_rows_may_lie_outside_the_filter_by_now(world: FakeErp) -> None:
    """They were ticked on the page as it was; the filter is not asked again."""
    approval = ask("10.00")

    assert frozen(select(query="currency=USD", ids=[approval.id])) == as_shown([approval])


def test_nothing_is_a_selection_too(world: FakeErp) -> None:
    assert picked_of(select()) == picked_of(select(ids=[])) == Picked(0, [], None, [], 0)
    assert picked_of(select("otto")).count == 0


def test_what_one_may_not_see_is_left_out_like_what_is_not_there(world: FakeErp) -> None:
    approval = ask()
    hidden, missing = select("otto", ids=[approval.id]), select("otto", ids=[uuid7()])

    assert picked_of(hidden) == picked_of(missing)
    assert picked_of(hidden).left_out == [LeftOut("approval.not_found", 1)]
    assert frozen(hidden) == []


def test_a_row_that_changed_since_the_page_showed_it_is_left_out(world: FakeErp) -> None:
    same, other = ask_many(2)
    Approval.objects.filter(id=other.id).update(version=7)
    selection = select(ids=[same.id, other.id], versions=[1, 1])

    assert frozen(selection) == [(same.id, 1)]
    assert picked_of(selection).left_out == [LeftOut("changed", 1)]
    assert frozen(select(ids=[same.id, other.id], versions=[1, 7])) == [(same.id, 1), (other.id, 7)]


def _settling(approval: Approval) -> None:
    vote("felix", approval, undo_seconds=60)


def _expired(approval: Approval) -> None:
    Approval.objects.filter(id=approval.id).update(expires_at=clock.now() - dt.timedelta(seconds=1))


def _over_limit(approval: Approval) -> None:
    services.set_limit(
        actor=actor("priya"),
        process="order-to-cash",
        team="finance-approvers",
        person=None,
        currency="EUR",
        limit_minor=500,
        reason="Small things",
    )


def _state(state: str) -> Callable[[Approval], object]:
    return lambda approval: Approval.objects.filter(id=approval.id).update(
        state=state, resolved_at=None if state in OPEN_STATES else clock.now()
    )


LEFT: dict[str, tuple[dict[str, Any], Callable[[Approval], object]]] = {
    "approval.own_request": ({"barred_people": "dana"}, lambda approval: None),
    "approval.already_voted": ({}, lambda approval: vote("dana", approval)),
    "approval.with_agent": ({}, _state("changes_requested")),
    "approval.already_decided": ({}, lambda approval: vote("felix", approval)),
    "approval.settling": ({}, _settling),
    "approval.expired": ({}, _expired),
    "approval.not_your_stage": ({"team": "cfo-office"}, lambda approval: None),
    "approval.over_limit": ({}, _over_limit),
    NEEDS_A_LOOK: ({"is_reversible": False}, lambda approval: None),
}


@pytest.mark.parametrize("why", LEFT)
def test_what_one_cannot_vote_on_is_left_out_with_its_reason(world: FakeErp, why: str) -> None:
    changes, then = LEFT[why]
    if "barred_people" in changes:
        changes = {"barred_people": (person("dana").id,)}
    approval = ask("10.00", **changes)
    then(approval)
    selection = select(ids=[approval.id])

    assert picked_of(selection).left_out == [LeftOut(why, 1)]
    assert frozen(selection) == []
    assert picked_of(selection).left_out[0].words == LEFT_OUT[why]


def test_high_risk_is_left_out_of_a_yes_and_not_of_a_no(world: FakeErp) -> None:
    ask("10.00", risk="high")
    plain = ask("5.00")
    yes, no = select(), select(verdict="reject")

    assert frozen(yes) == as_shown([plain])
    assert picked_of(yes).left_out == [LeftOut(NEEDS_A_LOOK, 1)]
    assert picked_of(no).count == 2


def test_saying_no_needs_no_limit(world: FakeErp) -> None:
    approval = ask("10.00")
    _over_limit(approval)

    assert picked_of(select(ids=[approval.id])).count == 0
    assert picked_of(select(ids=[approval.id], verdict="reject")).count == 1


def test_how_many_need_a_proof_of_who_one_is_is_told_beforehand(world: FakeErp) -> None:
    services.change_rules(actor=actor("priya"), process="order-to-cash", step_up={"EUR": 1000})
    ask("10.00"), ask("10.01"), ask("99.00", "USD")

    assert picked_of(select()).step_up_count == 1
    assert picked_of(select()).count == 3


@pytest.fixture
def zoo(world: FakeErp) -> None:
    """One of every kind, in a world with limits and delegations, and with people who asked for it themselves."""
    now = clock.now()
    for team, currency, most in (("finance-approvers", "EUR", 2000), ("cfo-office", "EUR", 9000)):
        services.set_limit(
            actor=actor("priya"),
            process="order-to-cash",
            team=team,
            person=None,
            currency=currency,
            limit_minor=most,
            reason="Table of authority",
        )
    period = {"starts_at": now, "ends_at": now + dt.timedelta(days=2)}
    services.delegate(actor=actor("carla"), receiver="dana", caps={"EUR": 5000}, reason="Away", **period)
    services.delegate(actor=actor("felix"), receiver="carla", reason="Away", **period)
    dana, carla = person("dana").id, person("carla").id
    for team in ("finance-approvers", "cfo-office"):
        for amount, currency in (("10.00", "EUR"), ("40.00", "EUR"), ("80.00", "EUR"), ("5.00", "USD"), (None, "EUR")):
            ask(amount, currency, team=team)
        ask("10.00", team=team, barred_people=(dana,))
        ask("10.00", team=team, barred_people=(carla,))
        for then in (_settling if team == "finance-approvers" else _expired, _expired, _state("changes_requested")):
            then(ask("10.00", team=team))
        services.cancel_approval(approval_id=ask("10.00", team=team).id, actor=SETUP)
    vote("dana", ask("10.00"), "reject", reason_code="duplicate")
    vote("felix", ask("11.00"))
    held = ask("12.00")
    Approval.objects.filter(id=held.id).update(
        expires_at=now - dt.timedelta(minutes=1), paused_at=now - dt.timedelta(minutes=5)
    )
    escalated = ask("13.00")
    Approval.objects.filter(id=escalated.id).update(escalated_team=Team.objects.get(slug="cfo-office"))
    Approval.objects.filter(id=ask("14.00").id).update(state=ApprovalState.EXPIRED, resolved_at=now)


@pytest.mark.parametrize("verdict", ["approve", "reject"])
@pytest.mark.parametrize("username", ["dana", "felix", "carla", "omar", "chen", "alex"])
def test_the_reasons_are_those_of_the_vote_itself(zoo: None, username: str, verdict: str) -> None:
    """One rule in two tongues: Python decides the vote, SQL tells beforehand, and both give the same answer."""
    voter = actor(username)
    told, refused = {}, {}
    for approval in with_reasons(approvals_visible_to(voter), voter, verdict):
        refusal = services.refusal_of_vote(voter, approval, verdict)
        refused[approval.id] = refusal.code if refusal else ""
        told[approval.id] = approval.why  # type: ignore[attr-defined]

    assert told == refused
    assert len(told) == Approval.objects.count()
    if username in ("dana", "carla"):
        assert {"", "approval.own_request", "approval.expired", "approval.with_agent"} <= set(told.values())


def test_a_page_and_its_selection_are_the_same_rows(zoo: None) -> None:
    """Whatever waits for me in my own name can be picked, and nothing is silently missing."""
    for username in ("dana", "carla", "felix"):
        for view in ("mine", "team", "delegated", "all"):
            query = QueueFilter(view=view)
            shown = query.apply(actor(username)).order_by(*query.order())
            picked = picked_of(select(username, str(query), verdict="reject"))
            assert picked.count + sum(row.count for row in picked.left_out) == shown.count()
        assert frozen(select(username)) == as_shown(
            list(QueueFilter().apply(actor(username)).order_by(*QueueFilter().order()))
        )


def test_more_than_can_be_picked_is_refused_and_not_cut(world: FakeErp, monkeypatch: pytest.MonkeyPatch) -> None:
    approvals = ask_many(3)
    for module in (selections, queue):
        monkeypatch.setattr(module, "MOST_ROWS", 2)
    with pytest.raises(Invalid) as refused:
        select()
    with pytest.raises(Invalid):
        select(ids=[approval.id for approval in approvals])

    assert refused.value.code == "selection.too_many"
    assert not Selection.objects.exists()
    two = select(ids=[approval.id for approval in approvals[:2]])
    with pytest.raises(Invalid):
        services.change_selection(actor=actor("dana"), selection_id=two.id, add=[approvals[2].id])
    assert len(frozen(two)) == 2


def test_rows_come_in_and_fall_out_of_a_selection(world: FakeErp) -> None:
    first, second, third = ask_many(3)
    selection = select(ids=[first.id, second.id])
    changed = services.change_selection(
        actor=actor("dana"), selection_id=selection.id, add=[third.id, first.id], remove=[second.id]
    )

    assert changed.id == selection.id
    assert frozen(changed) == as_shown([first, third])
    assert picked_of(changed).sums == [Money(400, "EUR")]
    assert picked_of(changed).left_out == []


def test_what_changed_since_falls_out_when_the_selection_is_touched_and_says_so(world: FakeErp) -> None:
    first, second, third = ask_many(3)
    selection = select(ids=[first.id, second.id])
    Approval.objects.filter(id=first.id).update(version=2)
    vote("felix", third)
    changed = services.change_selection(actor=actor("dana"), selection_id=selection.id, add=[third.id, uuid7()])

    assert frozen(changed) == as_shown([second])
    assert {(row.why, row.count) for row in picked_of(changed).left_out} == {
        ("changed", 1),
        ("approval.already_decided", 1),
        ("approval.not_found", 1),
    }


def test_an_added_row_is_the_one_that_was_seen(world: FakeErp) -> None:
    first, second = ask_many(2)
    selection = select(ids=[first.id])
    Approval.objects.filter(id=second.id).update(version=2)
    changed = services.change_selection(actor=actor("dana"), selection_id=selection.id, add=[second.id], versions=[1])

    assert frozen(changed) == as_shown([first])
    assert picked_of(changed).left_out == [LeftOut("changed", 1)]


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(MeshError) as refused:
        act()
    return refused.value.code


def test_a_selection_lasts_an_hour_and_is_then_forgotten(world: FakeErp, time_passes: Callable[..., None]) -> None:
    ask()
    selection = select()
    time_passes(hours=1)

    with pytest.raises(Conflict):
        services.change_selection(actor=actor("dana"), selection_id=selection.id)
    bulk = {"actor": actor("dana"), "selection_id": selection.id, "verdict": "approve"}
    assert code_of(lambda: services.bulk_vote(**bulk)) == "selection.expired"
    again = select()
    assert list(Selection.objects.values_list("id", flat=True)) == [again.id]


def test_a_selection_is_its_owners_alone(world: FakeErp, writer: Robot, api: Api) -> None:
    ask()
    url = f"/api/v1/approval-selections/{select().id}"

    assert api("dana").get(url).status_code == 200
    for other in (api("felix"), api("otto")):
        assert other.get(url).json()["code"] == "selection.not_found"
        assert other.patch(url, {}, format="json").status_code == 404
        assert other.post(f"{url}/votes", {"verdict": "approve"}, format="json").status_code == 404
    assert writer.api().get(url).status_code == 403
    with pytest.raises(NotFound):
        services.change_selection(actor=actor("felix"), selection_id=select().id)
    with pytest.raises(NotAllowed):
        services.select(actor=writer.actor, query=QueueFilter())


def test_the_api_tells_what_was_picked(world: FakeErp, api: Api) -> None:
    approval = ask("1280.00")
    ask("80.00", risk="high")
    answer = api("dana").post("/api/v1/approval-selections", {"query": "view=mine", "ids": None}, format="json")
    body = answer.json()

    assert answer.status_code == 201
    assert (body["count"], body["sums"], body["query"]) == (1, [{"minor": 128000, "currency": "EUR"}], "")
    assert body["left_out"] == [{"why": NEEDS_A_LOOK, "count": 1, "words": LEFT_OUT[NEEDS_A_LOOK]}]
    assert body["oldest"] is not None
    read = api("dana").get(f"/api/v1/approval-selections/{body['id']}")
    assert read.json() == body
    emptied = api("dana").patch(
        f"/api/v1/approval-selections/{body['id']}", {"remove": [str(approval.id)]}, format="json"
    )
    assert (emptied.json()["count"], emptied.json()["sums"]) == (0, [])


BAD_BODIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no ids": ({"query": ""}, "input.invalid", "/ids"),
    "ids that are none": ({"query": "", "ids": ["seven"]}, "input.invalid", "/ids/0"),
    "too many ids": ({"ids": [str(uuid7())] * 10_001}, "input.invalid", "/ids"),
    "a long query": ({"query": "q=" + "x" * 1000, "ids": None}, "input.invalid", "/query"),
    "a null byte": ({"query": "q=a\0b", "ids": None}, "input.invalid", "/query"),
    "a hidden null byte": ({"query": "q=a%00b", "ids": None}, "filter.bad_value", "/q"),
    "a condition that is none": ({"query": "amount_mn=1", "ids": None}, "filter.bad_value", "/amount_mn"),
    "a verdict that is none": ({"ids": None, "verdict": "maybe"}, "input.invalid", "/verdict"),
    "versions out of step": ({"ids": [], "versions": [1]}, "selection.versions_differ", "/versions"),
    "a version beyond the database's": ({"ids": [], "versions": [2**31]}, "input.invalid", "/versions/0"),
}


@pytest.mark.parametrize(("body", "code", "pointer"), BAD_BODIES.values(), ids=list(BAD_BODIES))
def test_what_cannot_be_picked_is_refused_with_a_pointer(
    world: FakeErp, api: Api, body: dict[str, Any], code: str, pointer: str
) -> None:
    answer = api("dana").post("/api/v1/approval-selections", body, format="json")

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Selection.objects.exists()
