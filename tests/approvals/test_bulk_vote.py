"""Voting on a selection: what each row gets, what is never done in bulk, and what becomes of it when things break."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.approvals import services, tasks
from apps.approvals.bulk import BulkResult, outcomes_of
from apps.approvals.filters import QueueFilter
from apps.approvals.models import (
    Approval,
    ApprovalState,
    BulkOutcome,
    BulkState,
    BulkVote,
    Selection,
    Verdict,
    Vote,
)
from apps.approvals.selection import NEEDS_A_LOOK
from apps.approvals.services import bulk as bulk_service
from apps.audit.models import AuditEntry
from apps.core import clock, outbox
from apps.core.errors import MeshError
from apps.core.models import OutboxEvent
from tests.approvals.asking import SETUP, ask, ask_many, vote
from tests.conftest import Robot, actor, at_once, parked, person, settle_news
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]


def select(approvals: list[Approval], username: str = "dana", verdict: str = "approve") -> Selection:
    ids = [approval.id for approval in approvals]
    return services.select(actor=actor(username), query=QueueFilter(), ids=ids, verdict=verdict)


def bulk_vote(selection: Selection, verdict: str = "approve", username: str = "dana", **more: Any) -> BulkVote:
    return services.bulk_vote(actor=actor(username), selection_id=selection.id, verdict=verdict, **more)


def result_of(bulk: BulkVote) -> BulkResult:
    return outcomes_of(actor("dana"), bulk.id)


def states(approvals: list[Approval]) -> list[str]:
    by_id = dict(Approval.objects.values_list("id", "state"))
    return [by_id[approval.id] for approval in approvals]


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(MeshError) as refused:
        act()
    return refused.value.code


def test_everything_selected_is_voted_on_and_every_row_answers(world: FakeErp) -> None:
    approvals = ask_many(3)
    bulk = bulk_vote(select(approvals))
    result = result_of(bulk)

    assert states(approvals) == [ApprovalState.APPROVED] * 3
    assert (bulk.state, bulk.done_count, result.count, result.counts) == (BulkState.DONE, 3, 3, {"done": 3})
    assert result.not_done == []
    assert Vote.objects.filter(voter=person("dana"), via="session").count() == 3
    [entry] = AuditEntry.objects.filter(code="approval_bulk.started")
    assert (entry.outcome, entry.data["count"], entry.data["selection_id"]) == ("approve", 3, str(bulk.selection_id))
    assert AuditEntry.objects.filter(code="approval.voted", actor_key=actor("dana").key).count() == 3


def test_calls_that_were_approved_in_bulk_are_carried_out_once(writer: Robot, erp: FakeErp) -> None:
    approvals = [parked(writer, f"{600 + number}.00", key=f"k-{number}")[1] for number in range(3)]
    bulk_vote(select(approvals))
    settle_news()
    settle_news()

    assert sorted(entry["amount"] for entry in erp.ledger) == ["600.00", "601.00", "602.00"]


def test_of_500_selected_the_7_that_changed_meanwhile_are_explained(world: FakeErp) -> None:
    """493 done, 7 explained. The two seconds it may take are for the benchmark to hold: here, beside other work, it is
    the number of statements, which does not grow with the rows.
    """
    approvals = ask_many(500)
    selection = select(approvals)
    voted, rejected, cancelled, superseded, expired, dear, moved = approvals[::70][:7]
    vote("felix", voted)
    vote("felix", rejected, "reject", reason_code="duplicate")
    services.cancel_approval(approval_id=cancelled.id, actor=SETUP)
    Approval.objects.filter(id=superseded.id).update(
        state=ApprovalState.SUPERSEDED, resolved_at=clock.now(), open_team=None, version=2
    )
    Approval.objects.filter(id=expired.id).update(expires_at=clock.now())
    Approval.objects.filter(id=moved.id).update(version=2)
    services.set_limit(
        actor=actor("priya"),
        process="order-to-cash",
        team=None,
        person="dana",
        currency="EUR",
        limit_minor=50_000,
        reason="Up to 500",
    )
    Approval.objects.filter(id=dear.id).update(money_minor=50_001)
    started = time.perf_counter()
    with CaptureQueriesContext(connection) as captured:
        bulk = bulk_vote(selection)
    seconds = time.perf_counter() - started
    result = result_of(bulk)
    told = {row.approval_id: (row.code, row.sentence) for row in result.not_done}

    print(f"bulk vote on 500: {seconds:.2f} s, {len(captured)} statements")
    assert seconds < 10
    assert len(captured) < 60
    assert (result.count, result.handled_count, result.done_count) == (500, 500, 493)
    assert told == {
        voted.id: ("approval.already_decided", "This was approved by Felix Braun already."),
        rejected.id: ("approval.already_decided", "This was rejected by Felix Braun already."),
        cancelled.id: ("approval.already_decided", "This was cancelled already."),
        superseded.id: ("approval.already_decided", "This was replaced already."),
        expired.id: (
            "approval.expired",
            "The time to decide this has run out. Nothing was done; the agent may ask again.",
        ),
        dear.id: ("approval.over_limit", "You may approve up to €500.00 here; this is more."),
        moved.id: ("changed", "This has changed since you selected it."),
    }
    assert all(row.what == f"Credit {approvals.index(row.approval) + 1}.00 EUR to C-204" for row in result.not_done)
    assert Vote.objects.filter(voter=person("dana")).count() == 493


def test_high_risk_is_refused_row_by_row_even_where_it_was_selected(world: FakeErp) -> None:
    """Selected for a no, voted on with a yes."""
    plain, high, final = ask("1.00"), ask("2.00", risk="high"), ask("3.00", is_reversible=False)
    bulk = bulk_vote(select([plain, high, final], verdict="reject"))
    result = result_of(bulk)

    assert states([plain, high, final]) == ["approved", "pending", "pending"]
    assert result.counts == {"done": 1, NEEDS_A_LOOK: 2}
    assert {row.approval_id for row in result.not_done} == {high.id, final.id}


def test_what_could_not_be_voted_on_anyway_says_so_and_not_that_it_needs_a_look(world: FakeErp) -> None:
    rows = [ask("1.00", risk="high") for _ in range(4)]
    hidden = ask("1.00", risk="high", process="procure-to-pay")
    decided, voted, moved, plain = rows
    selection = select(rows, verdict="reject")
    Selection.objects.filter(id=selection.id).update(
        ids=[*(row.id for row in rows), hidden.id], versions=[1] * 5, summary={**selection.summary, "count": 5}
    )
    vote("felix", decided)
    vote("dana", voted)
    Approval.objects.filter(id=moved.id).update(version=2)
    told = {row.approval_id: row.code for row in result_of(bulk_vote(selection)).not_done}

    assert told == {
        decided.id: "approval.already_decided",
        voted.id: "approval.already_voted",
        moved.id: "changed",
        plain.id: NEEDS_A_LOOK,
        hidden.id: "approval.not_found",
    }


def test_saying_no_to_many_takes_a_reason_and_includes_high_risk(world: FakeErp) -> None:
    approvals = [ask("1.00"), ask("2.00", risk="high")]
    selection = select(approvals, verdict="reject")

    assert code_of(lambda: bulk_vote(selection, "reject")) == "approval.reason_missing"
    assert code_of(lambda: bulk_vote(selection, "request_changes")) == "approval.reason_missing"
    assert code_of(lambda: bulk_vote(selection, "maybe")) == "approval.bad_verdict"
    assert not BulkVote.objects.exists()
    bulk_vote(selection, "reject", reason_code="duplicate", comment="Sent twice\u2026")
    assert states(approvals) == ["rejected", "rejected"]
    assert set(Vote.objects.values_list("reason_code", flat=True)) == {"duplicate"}
    assert all(row.comment is not None for row in Vote.objects.all())


def test_who_asked_for_changes_of_many_is_told_which_cannot_change(writer: Robot, world: FakeErp) -> None:
    approvals = [parked(writer)[1], ask()]
    bulk = bulk_vote(select(approvals, verdict="request_changes"), "request_changes", reason_code="wrong_amount")

    assert result_of(bulk).counts == {"done": 1, "approval.cannot_change": 1}
    assert states(approvals) == ["changes_requested", "pending"]


def test_an_amount_above_the_step_up_needs_a_fresh_proof(world: FakeErp) -> None:
    services.change_rules(actor=actor("priya"), process="order-to-cash", step_up={"EUR": 500})
    approvals = [ask("1.00"), ask("9.00"), ask("8.00"), ask("7.00")]
    stale = clock.now() - dt.timedelta(hours=1)
    without = bulk_vote(select(approvals[:2]), confirmed_at=stale)
    proven = bulk_vote(select(approvals[2:]), confirmed_at=clock.now())

    assert result_of(without).counts == {"done": 1, "approval.step_up_needed": 1}
    assert result_of(proven).counts == {"done": 2}


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_service, "PORTION", 2)


def test_a_proof_holds_for_the_last_portion_as_for_the_first(
    world: FakeErp, small_portions: None, time_passes: Callable[..., None]
) -> None:
    services.change_rules(actor=actor("priya"), process="order-to-cash", step_up={"EUR": 0})
    bulk = bulk_vote(select(ask_many(4)), confirmed_at=clock.now())
    time_passes(minutes=30)
    services.run_bulk_vote(bulk.id)

    assert result_of(bulk).counts == {"done": 4}


def test_a_selection_is_voted_on_once(world: FakeErp) -> None:
    approvals = ask_many(2)
    selection = select(approvals)
    first = bulk_vote(selection)
    second = bulk_vote(selection)

    assert (second.id, second.done_count) == (first.id, 2)
    assert Vote.objects.count() == 2
    assert AuditEntry.objects.filter(code="approval_bulk.started").count() == 1
    assert code_of(lambda: bulk_vote(selection, "reject", reason_code="other")) == "selection.voted"
    change = {"actor": actor("dana"), "selection_id": selection.id, "add": [ask().id]}
    assert code_of(lambda: services.change_selection(**change)) == "selection.voted"


def test_an_empty_selection_is_no_decision(world: FakeErp) -> None:
    assert code_of(lambda: bulk_vote(select([]))) == "selection.empty"
    assert not BulkVote.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_submits_at_once_vote_once(world: FakeErp) -> None:
    for _ in range(5):
        approvals = ask_many(20)
        selection = select(approvals)
        done = at_once([lambda selection=selection: bulk_vote(selection) for _ in range(4)])  # type: ignore[misc]

        assert len({bulk.id for bulk in done}) == 1
        assert all((bulk.state, bulk.done_count) == (BulkState.DONE, 20) for bulk in done)
        assert Vote.objects.filter(approval__in=approvals).count() == 20
        assert set(states(approvals)) == {"approved"}


@pytest.mark.django_db(transaction=True)
def test_two_people_who_vote_on_the_same_rows_at_once_share_them_out(world: FakeErp) -> None:
    """Locks are taken in one order, so neither waits for the other for ever; each row has one answer for each."""
    approvals = ask_many(40)
    works = [
        (select(approvals, "dana"), "dana"),
        (select(approvals[::-1], "felix"), "felix"),
    ]
    done = at_once([lambda work=work: bulk_vote(work[0], username=work[1]) for work in works])  # type: ignore[misc]

    assert set(states(approvals)) == {"approved"}
    assert Vote.objects.count() == 40
    assert BulkOutcome.objects.filter(code="done").count() == 40
    assert BulkOutcome.objects.count() == 80
    assert {bulk.state for bulk in done} == {BulkState.DONE}


def test_the_first_portion_is_done_at_once_and_the_rest_by_a_worker(world: FakeErp, small_portions: None) -> None:
    approvals = ask_many(5)
    bulk = bulk_vote(select(approvals))

    assert (bulk.state, bulk.done_count) == (BulkState.RUNNING, 2)
    assert states(approvals).count("approved") == 2
    tasks.run_bulk_vote(str(bulk.id))
    bulk.refresh_from_db()
    assert (bulk.state, bulk.done_count) == (BulkState.DONE, 5)
    assert bulk.finished_at is not None
    assert set(states(approvals)) == {"approved"}


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_in_the_middle_leaves_whole_portions_and_another_goes_on(
    world: FakeErp, small_portions: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each portion is there with its outcomes or not at all, wherever it dies."""
    approvals = ask_many(9)
    bulk = bulk_vote(select(approvals))
    for victim in ("_outcomes_of", "_next_papers"):
        _die_after(monkeypatch, victim, calls=2)
        with pytest.raises(SystemExit):
            services.run_bulk_vote(bulk.id)
        monkeypatch.undo()
        monkeypatch.setattr(bulk_service, "PORTION", 2)
        bulk.refresh_from_db()
        assert bulk.state == BulkState.RUNNING
        assert bulk.done_count == BulkOutcome.objects.count() == Vote.objects.count()
        assert services.interrupted_bulk_votes() == [bulk.id]
    services.run_bulk_vote(bulk.id)
    services.run_bulk_vote(bulk.id)

    assert result_of(bulk).counts == {"done": 9}
    assert Vote.objects.count() == 9
    assert services.interrupted_bulk_votes() == []


def _die_after(monkeypatch: pytest.MonkeyPatch, name: str, *, calls: int) -> None:
    """The process ends when this function has done its work for the last time."""
    real, left = getattr(bulk_service, name), [calls]

    def dying(*args: Any) -> Any:
        result = list(real(*args))
        left[0] -= 1
        if not left[0]:
            raise SystemExit
        return result

    monkeypatch.setattr(bulk_service, name, dying)


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_bulk_vote_do_each_row_once(world: FakeErp, small_portions: None) -> None:
    approvals = ask_many(15)
    bulk = bulk_vote(select(approvals))
    at_once([lambda: services.run_bulk_vote(bulk.id)] * 4)
    services.run_bulk_vote(bulk.id)

    assert result_of(bulk).counts == {"done": 15}
    assert Vote.objects.count() == 15


def test_what_was_interrupted_is_taken_up_again_by_beat(
    world: FakeErp, small_portions: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk = bulk_vote(select(ask_many(5)))
    asked: list[str] = []
    monkeypatch.setattr(tasks.run_bulk_vote, "delay", asked.append)
    tasks.resume_bulk_votes()

    assert asked == [str(bulk.id)]


def test_what_is_left_is_news_that_a_worker_goes_on_with(
    world: FakeErp, small_portions: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request asks no broker: one that is down or hangs holds nobody up, and beat finds what was never begun."""
    bulk = bulk_vote(select(ask_many(3)))
    asked: list[str] = []
    monkeypatch.setattr(tasks.run_bulk_vote, "delay", asked.append)

    assert (bulk.state, bulk.done_count) == (BulkState.RUNNING, 2)
    assert services.interrupted_bulk_votes() == [bulk.id]
    outbox.drain()
    assert asked == [str(bulk.id)]


def test_a_vote_that_is_done_at_once_asks_no_worker(world: FakeErp) -> None:
    bulk_vote(select(ask_many(2)))

    assert not OutboxEvent.objects.filter(name="BulkVoteStarted").exists()


def test_who_cancels_votes_on_no_more(world: FakeErp, small_portions: None) -> None:
    approvals = ask_many(5)
    bulk = bulk_vote(select(approvals))
    services.cancel_bulk_vote(actor=actor("dana"), bulk_id=bulk.id)
    services.run_bulk_vote(bulk.id)

    bulk.refresh_from_db()
    assert (bulk.state, bulk.done_count) == (BulkState.CANCELLED, 2)
    assert states(approvals).count("pending") == 3
    assert code_of(lambda: services.cancel_bulk_vote(actor=actor("dana"), bulk_id=bulk.id)) == "bulk_vote.not_running"
    assert code_of(lambda: services.cancel_bulk_vote(actor=actor("felix"), bulk_id=bulk.id)) == "bulk_vote.not_found"
    assert AuditEntry.objects.filter(code="approval_bulk.cancelled").count() == 1


def test_who_loses_the_right_midway_votes_on_no_more(world: FakeErp, small_portions: None) -> None:
    approvals = ask_many(4)
    bulk = bulk_vote(select(approvals))
    person("dana").teams.clear()
    services.run_bulk_vote(bulk.id)

    assert result_of(bulk).counts == {"done": 2, "approval.not_your_stage": 2}


def test_votes_that_are_held_back_can_be_taken_back_together(world: FakeErp, small_portions: None) -> None:
    approvals = ask_many(5)
    bulk = bulk_vote(select(approvals), undo_seconds=10)
    assert Approval.objects.filter(settles_at__gt=clock.now()).count() == 2
    after = services.withdraw_bulk_vote(actor=actor("dana"), bulk_id=bulk.id)

    assert after.state == BulkState.CANCELLED
    assert result_of(bulk).counts == {"withdrawn": 2}
    assert set(states(approvals)) == {"pending"}
    assert not Approval.objects.filter(settles_at__isnull=False).exists()
    again = bulk_vote(select(approvals))
    assert again.done_count == 2


def test_what_is_released_stays_as_it_is(world: FakeErp, time_passes: Callable[..., None]) -> None:
    approvals = [*ask_many(2), ask("9.00", team="finance-approvers")]
    bulk = bulk_vote(select(approvals), undo_seconds=10)
    time_passes(seconds=11)
    services.settle_due()
    services.withdraw_bulk_vote(actor=actor("dana"), bulk_id=bulk.id)

    assert result_of(bulk).counts == {"done": 3}
    assert set(states(approvals)) == {"approved"}


def test_somebody_elses_bulk_vote_is_not_there(world: FakeErp, writer: Robot, api: Api) -> None:
    url = f"/api/v1/bulk-votes/{bulk_vote(select(ask_many(1))).id}"

    assert api("dana").get(url).status_code == 200
    for other in (api("felix"), api("otto")):
        assert other.get(url).json()["code"] == "bulk_vote.not_found"
        assert other.post(f"{url}/cancel").status_code == other.post(f"{url}/withdraw").status_code == 404
    assert writer.api().get(url).status_code == 403


def test_the_api_votes_on_a_selection_and_tells_row_by_row(world: FakeErp, api: Api) -> None:
    approvals = ask_many(3)
    dana = api("dana")
    made = dana.post("/api/v1/approval-selections", {"query": "", "ids": None}, format="json").json()
    vote("felix", approvals[1])
    answer = dana.post(
        f"/api/v1/approval-selections/{made['id']}/votes", {"verdict": "approve", "comment": "Fine"}, format="json"
    )
    body = answer.json()

    assert answer.status_code == 200
    assert (body["state"], body["count"], body["done_count"]) == ("done", 3, 2)
    assert body["counts"] == {"done": 2, "approval.already_decided": 1}
    assert body["not_done"] == [
        {
            "approval_id": str(approvals[1].id),
            "what": "Credit 2.00 EUR to C-204",
            "code": "approval.already_decided",
            "sentence": "This was approved by Felix Braun already.",
        }
    ]
    assert dana.get(f"/api/v1/bulk-votes/{body['id']}").json() == body


def test_the_api_says_202_while_there_is_more_to_do(world: FakeErp, api: Api, small_portions: None) -> None:
    selection = select(ask_many(5))
    dana = api("dana")
    answer = dana.post(f"/api/v1/approval-selections/{selection.id}/votes", {"verdict": "approve"}, format="json")
    url = f"/api/v1/bulk-votes/{answer.json()['id']}"

    assert (answer.status_code, answer.json()["handled_count"]) == (202, 2)
    assert dana.get(url).status_code == 202
    cancelled = dana.post(f"{url}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (dana.post(f"{url}/cancel").status_code, dana.get(url).status_code) == (409, 200)


def test_the_rows_that_were_not_done_come_in_pages(world: FakeErp, api: Api) -> None:
    approvals = ask_many(5)
    selection = select(approvals)
    for approval in approvals:
        vote("felix", approval)
    bulk = bulk_vote(selection)
    found, cursor = [], ""
    while cursor is not None:
        page = api("dana").get(f"/api/v1/bulk-votes/{bulk.id}?limit=2&cursor={cursor}").json()
        found += [row["approval_id"] for row in page["not_done"]]
        cursor = page["next"]

    assert found == [str(approval.id) for approval in approvals]


def test_a_row_that_one_may_not_see_any_more_tells_nothing(world: FakeErp) -> None:
    approvals = ask_many(2)
    selection = select(approvals)
    person("dana").roles.all().delete()
    person("dana").processuserpermission_set.all().delete()
    result = result_of(bulk_vote(selection))

    assert result.counts == {"approval.not_found": 2}
    assert [(row.approval, row.what) for row in result.not_done] == [(None, None)] * 2


@pytest.mark.parametrize("verdict", Verdict.values)
def test_one_request_for_every_verdict_counts_every_row_once(world: FakeErp, verdict: str) -> None:
    approvals = ask_many(2)
    bulk = bulk_vote(select(approvals, verdict=verdict), verdict, reason_code="other")

    assert sum(result_of(bulk).counts.values()) == 2
