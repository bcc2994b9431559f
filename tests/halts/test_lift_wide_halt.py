"""Lifting a wide halt in production: a reason, a second person, a ramp, and one act that stops it."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db.models import F
from django.test import Client
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core import outbox
from apps.core.actor import Actor
from apps.core.models import OutboxEvent
from apps.gateway import services as gateway
from apps.gateway.covered import calls_held
from apps.gateway.models import CallState, ToolCall
from apps.halts import services as halts
from apps.halts.models import RAMP, Halt, LiftRequest, LiftState, ramp_bucket
from apps.halts.queries import is_in_force
from apps.registry.models import Agent
from tests.approvals.test_cast_vote import vote
from tests.conftest import Robot, actor, at_once, parked
from tests.fakes.erp import FakeErp
from tests.halts.test_place_halt import halt, lift

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]


def held(api: Api, scope: str = "process", reference: str = "order-to-cash", **more: Any) -> Halt:
    placed = halt(api("omar"), scope, reference, **more)
    assert placed.status_code == 201, placed.json()
    return Halt.objects.get(id=placed.json()["id"])


def asked(api: Api, placed: Halt, who: str = "priya") -> Approval:
    answer = lift(api(who), str(placed.id))
    assert answer.status_code == 202, answer.json()
    return Approval.objects.get(id=answer.json()["lift"]["approval"]["id"])


def agreed(api: Api, approval: Approval, who: str = "dana") -> None:
    answer = vote(api(who), approval)
    assert answer.status_code == 201, answer.json()
    approvals.settle_due()
    carry_on()


def carry_on() -> None:
    """What the worker does: hear of the answer, begin or end the ramp."""
    outbox.drain()
    halts.finish_ramps()


def ramp_began(placed: Halt, ago: dt.timedelta) -> None:
    Halt.objects.filter(id=placed.id).update(ramp_started_at=F("placed_at") - ago)


def ramping(api: Api) -> Halt:
    placed = held(api)
    agreed(api, asked(api, placed))
    placed.refresh_from_db()
    assert placed.ramp_started_at is not None
    return placed


def test_nothing_starts_before_a_second_person_agrees(writer: Robot, api: Api, erp: FakeErp) -> None:
    placed = held(api)
    approval = asked(api, placed)
    carry_on()

    placed.refresh_from_db()
    assert (placed.lifted_at, placed.ramp_started_at) == (None, None)
    assert writer.call("10.00").status_code == 423
    assert (approval.subject_type, approval.open_team.slug) == ("halt_lift", "finance-approvers")  # type: ignore[union-attr]
    card = api("dana").get(f"/api/v1/approvals/{approval.id}").json()
    assert "Lift the hold on Order to cash" in str(card)


def test_the_card_opens_in_the_inbox(writer: Robot, api: Api, sign_in: Callable[[str], Client]) -> None:
    approval = asked(api, held(api))
    page = sign_in("dana").get(f"/inbox/{approval.id}/")
    assert page.status_code == 200
    assert "Lift the hold on Order to cash in production" in page.content.decode()
    assert "Why it is safe" in page.content.decode()
    assert sign_in("dana").get("/inbox/").status_code == 200


def test_the_ramp_begins_when_they_agree_and_ends_by_the_clock(writer: Robot, api: Api, erp: FakeErp) -> None:
    placed = ramping(api)
    assert is_in_force(placed)
    ramp_began(placed, dt.timedelta(minutes=11))
    assert not is_in_force(placed)
    assert writer.call("10.00").status_code == 200  # whether or not a job has written it down

    halts.finish_ramps()
    placed.refresh_from_db()
    assert (placed.lifted_by, LiftRequest.objects.get().state) == ("system:halt-ramp", LiftState.DONE)
    codes = AuditEntry.objects.filter(subject_type="halt").order_by("seq").values_list("code", flat=True)
    assert list(codes) == ["halt.placed", "halt.lift_requested", "halt.ramp_started", "halt.lifted"]
    assert OutboxEvent.objects.filter(name="HaltRampStarted").count() == 1


@pytest.mark.parametrize(("minutes", "percent"), [(0, 10), (4, 10), (5, 50), (9, 50)])
def test_a_part_of_the_runs_is_let_through(writer: Robot, api: Api, erp: FakeErp, minutes: int, percent: int) -> None:
    """A run is in or out by a hash of its own, and stays in."""
    runs = [writer.api().post("/api/v1/runs", {"title": f"R{n}"}, format="json").json()["id"] for n in range(30)]
    placed = ramping(api)
    ramp_began(placed, dt.timedelta(minutes=minutes, seconds=1))
    inside = {run for run in runs if ramp_bucket(placed.id, UUID(run)) < percent}
    answers = {run: writer.call("10.00", key=run, run_id=run).status_code for run in runs}

    assert {run for run, status in answers.items() if status == 200} == inside
    assert set(answers.values()) <= {200, 423}


def test_the_database_puts_every_run_on_the_same_side(writer: Robot, api: Api, erp: FakeErp) -> None:
    for number in range(40):
        writer.call("10.00", key=f"k-{number}")
    placed = ramping(api)
    ramp_began(placed, dt.timedelta(minutes=6))
    placed = Halt.objects.in_force().get(id=placed.id)
    held_ones = set(ToolCall.objects.filter(calls_held([placed])).values_list("id", flat=True))

    at = placed.seen_at
    assert held_ones == {call.id for call in ToolCall.objects.all() if not placed.lets_through(call.run_id, at)}
    assert 0 < len(held_ones) < 40


def test_what_waited_runs_when_the_ramp_has_come_to_its_run(
    writer: Robot, api: Api, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    waiting = [parked(writer, key=f"k-{number}")[0] for number in range(12)]
    placed = held(api)
    for call in waiting:
        assert call.approval is not None
        vote(api("dana"), call.approval)
    approvals.settle_due()
    for call in waiting:
        gateway.release_tool_call(call.id)
    agreed(api, asked(api, placed), "felix")
    ramp_began(placed, dt.timedelta(minutes=6))
    time_passes(seconds=5)
    inside = {call.id for call in waiting if ramp_bucket(placed.id, call.run_id) < 50}

    assert set(gateway.resolved_but_parked_calls()) == inside
    for call in waiting:
        gateway.release_tool_call(call.id)
    done = set(ToolCall.objects.filter(state=CallState.SUCCEEDED).values_list("id", flat=True))
    assert done == inside


def test_one_act_holds_everything_again(writer: Robot, api: Api, erp: FakeErp) -> None:
    placed = ramping(api)
    ramp_began(placed, dt.timedelta(minutes=9))
    answer = api("omar").post(f"/api/v1/halts/{placed.id}/hold", {"reason": "It does it again"}, format="json")

    assert answer.status_code == 200, answer.json()
    assert {writer.call("10.00", key=f"k-{number}").status_code for number in range(12)} == {423}
    carry_on()
    assert LiftRequest.objects.get().state == LiftState.STOPPED
    assert AuditEntry.objects.filter(code="halt.held_again", reason="It does it again").exists()
    assert asked(api, placed)  # and the way to lift it begins anew


def test_a_wish_that_was_taken_back_cannot_be_agreed_to(writer: Robot, api: Api) -> None:
    placed = held(api)
    approval = asked(api, placed)
    halts.hold_again(actor=actor("omar"), halt_id=placed.id)

    assert vote(api("dana"), approval).json()["code"] == "approval.already_decided"
    carry_on()
    placed.refresh_from_db()
    assert placed.ramp_started_at is None
    again = api("omar").post(f"/api/v1/halts/{placed.id}/hold", {}, format="json")
    assert again.json()["code"] == "halt.not_being_lifted"


@pytest.mark.parametrize("scope", [("mesh", ""), ("business_unit", "emea"), ("connector", "erp")])
def test_the_widest_take_an_operator_of_everything_and_then_two(
    writer: Robot, api: Api, scope: tuple[str, str]
) -> None:
    placed = held(api, *scope)
    assert lift(api("omar"), str(placed.id)).json()["code"] == "halt.lift_not_allowed"
    Agent.objects.filter(slug="payer").update(environment="sandbox")
    if scope[0] != "business_unit":
        assert lift(api("omar"), str(placed.id)).status_code == 202
    else:
        Agent.objects.filter(slug="payer").delete()
        assert lift(api("omar"), str(placed.id)).status_code == 202


def test_a_wide_one_outside_production_takes_one(writer: Robot, api: Api) -> None:
    Agent.objects.filter(slug="triage").update(environment="staging")
    placed = held(api, environment="staging")
    assert lift(api("omar"), str(placed.id)).status_code == 200


def test_neither_who_asks_nor_who_placed_it_nor_who_built_it_may_agree(writer: Robot, api: Api) -> None:
    placed = held(api)
    approval = asked(api, placed, "priya")
    barred = {str(person) for person in approval.barred_people}
    assert {str(actor(name).id) for name in ("priya", "omar", "alex")} <= barred


def test_where_nobody_could_agree_it_says_so(writer: Robot, api: Api) -> None:
    from apps.accounts.models import Membership

    placed = held(api)
    Membership.objects.filter(user__username__in=("dana", "felix", "carla")).delete()
    answer = lift(api("omar"), str(placed.id))
    assert (answer.status_code, answer.json()["code"]) == (409, "halt.nobody_to_ask")
    assert not LiftRequest.objects.exists()


def test_a_no_leaves_the_halt(writer: Robot, api: Api) -> None:
    placed = held(api)
    approval = asked(api, placed)
    vote(api("dana"), approval, "reject", reason_code="not_justified")
    carry_on()

    assert LiftRequest.objects.get().state == LiftState.REFUSED
    assert writer.call("10.00").status_code == 423
    assert AuditEntry.objects.filter(code="halt.lift_refused").exists()


def test_no_answer_is_no_consent(writer: Robot, api: Api, time_passes: Callable[..., None]) -> None:
    placed = held(api, expires_at=_in(days=2))
    asked(api, placed)
    time_passes(hours=5)
    approvals.expire_due()
    carry_on()
    time_passes(hours=0)

    assert LiftRequest.objects.get().state == LiftState.REFUSED
    assert writer.call("10.00").status_code == 423


def _in(**amount: float) -> str:
    from apps.core import clock

    return (clock.now() + dt.timedelta(**amount)).isoformat()


def test_whoever_lost_the_right_meanwhile_lifts_nothing(writer: Robot, api: Api) -> None:
    from apps.registry.models import ProcessUserPermission

    placed = held(api)
    approval = asked(api, placed)
    ProcessUserPermission.objects.filter(user__username="priya").delete()
    agreed(api, approval)

    placed.refresh_from_db()
    assert (placed.ramp_started_at, LiftRequest.objects.get().state) == (None, LiftState.REFUSED)


def test_another_digest_is_no_consent_to_this(writer: Robot, api: Api) -> None:
    placed = held(api)
    approval = asked(api, placed)
    LiftRequest.objects.update(reason="Something else")
    agreed(api, approval)

    placed.refresh_from_db()
    assert placed.ramp_started_at is None


def test_it_is_asked_for_once(writer: Robot, api: Api) -> None:
    placed = held(api)
    asked(api, placed)
    assert lift(api("omar"), str(placed.id)).json()["code"] == "halt.lift_under_way"


def test_lost_news_of_the_answer_is_found(writer: Robot, api: Api) -> None:
    placed = held(api)
    approval = asked(api, placed)
    vote(api("dana"), approval)
    approvals.settle_due()
    OutboxEvent.objects.all().delete()
    halts.finish_ramps()

    placed.refresh_from_db()
    assert placed.ramp_started_at is not None


def test_answering_it_twice_begins_one_ramp(writer: Robot, api: Api) -> None:
    placed = ramping(api)
    began = placed.ramp_started_at
    halts.answer_lift_request(LiftRequest.objects.get().id)
    placed.refresh_from_db()
    assert placed.ramp_started_at == began
    assert AuditEntry.objects.filter(code="halt.ramp_started").count() == 1


def test_lifting_one_of_several_says_what_still_holds(writer: Robot, api: Api) -> None:
    first = held(api, "agent", "writer")
    held(api, "tool", "erp.write_off")
    held(api, "agent", "triage")
    held(api, "counterparty", "invoice:INV-9")
    answer = lift(api("omar"), str(first.id)).json()

    assert [other["name"] for other in answer["still_holding"]] == ["erp.write_off", "invoice INV-9"]


def test_the_preview_of_a_lift_counts_what_restarts(writer: Robot, api: Api) -> None:
    run = writer.api().post("/api/v1/runs", {"title": "R"}, format="json").json()
    parked(writer, run_id=run["id"])
    placed = held(api)
    gateway.keep_clocks()
    told = api("omar").get(f"/api/v1/halts/{placed.id}").json()["restarts"]

    assert told == {"calls_queued": 0, "open_runs": 1, "approvals_whose_clocks_stand": 1}


def test_an_agent_or_an_outsider_holds_nothing_again(writer: Robot, api: Api) -> None:
    placed = ramping(api)
    assert writer.api().post(f"/api/v1/halts/{placed.id}/hold", {}, format="json").status_code == 403
    assert api("dana").post(f"/api/v1/halts/{placed.id}/hold", {}, format="json").status_code == 403
    assert api("otto").post(f"/api/v1/halts/{placed.id}/hold", {}, format="json").status_code == 404


def test_buckets_are_even_and_steps_grow() -> None:
    halt_id = uuid4()
    counts = [0] * 100
    for _ in range(5000):
        counts[ramp_bucket(halt_id, uuid4())] += 1
    assert 350 < sum(counts[:10]) < 650
    assert [percent for _, percent in RAMP] == sorted(percent for _, percent in RAMP)


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_at_once_make_one_request(writer: Robot, api: Api) -> None:
    placed = held(api)

    def ask(who: Actor) -> Callable[[], str]:
        def asking() -> str:
            try:
                halts.lift_halt(actor=who, halt_id=placed.id, reason="Fixed")
            except Exception as error:
                return getattr(error, "code", repr(error))
            return "asked"

        return asking

    told = at_once([ask(actor("omar")), ask(actor("priya"))])
    assert sorted(told) == ["asked", "halt.lift_under_way"]
    assert LiftRequest.objects.count() == 1
