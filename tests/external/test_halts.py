"""A halt reaches what happens outside: nothing new is asked, nothing is claimed, and a stop ends what waits."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core import clock, outbox
from apps.core.actor import system_actor
from apps.external import services
from apps.external.services import claiming, ending
from apps.gateway.services.clocks import keep_clocks
from apps.halts import services as halts
from apps.halts.models import Halt
from tests.conftest import Robot, actor, at_once, person
from tests.contract.database import contents
from tests.contract.problems import problem_of
from tests.external.asking import Api, approved, ask, asked, cancel, claim, poll, request_of, returned, revise, vote
from tests.external.test_revise import NEW

pytestmark = pytest.mark.django_db

SCOPES = [("agent", "writer"), ("process", "order-to-cash"), ("mesh", "")]
scopes = pytest.mark.parametrize(("scope_type", "reference"), SCOPES, ids=[scope for scope, _ in SCOPES])


def place(scope_type: str = "agent", reference: str = "writer", mode: str = "hold", **more: Any) -> Halt:
    return halts.place_halt(
        actor=actor("omar"),
        scope_type=scope_type,
        scope_reference=reference,
        environment=more.get("environment", "production"),
        mode=mode,
        reason_code="drill",
        reason="Seen by insiders",
    )


def lift(halt: Halt) -> None:
    """By the product itself: lifting a wide halt takes two people and its time."""
    halts.lift_halt(actor=system_actor("tests"), halt_id=halt.id, reason="Drill over")


def carry_out() -> None:
    """What the workers do: hear of the stop, end what is under it."""
    outbox.drain()
    for halt_id in services.stops_to_carry_out():
        services.end_requests_under(halt_id)


@scopes
@pytest.mark.parametrize("mode", ["drain", "hold", "stop"])
def test_nothing_new_is_asked_under_a_halt(writer: Robot, scope_type: str, reference: str, mode: str) -> None:
    halt = place(scope_type, reference, mode)
    before = contents()
    answer = ask(writer)

    assert problem_of(answer) == (423, "halted")
    assert answer.json()["halt"] == {"id": str(halt.id), "mode": mode, "reason_code": "drill"}
    assert "insiders" not in answer.content.decode()
    assert contents() == before


@pytest.mark.parametrize(
    ("scope_type", "reference", "environment"),
    [("agent", "triage", "production"), ("tool", "erp.write_off", "production"), ("mesh", "", "sandbox")],
)
def test_a_halt_of_something_else_reaches_nothing_here(
    writer: Robot, api: Api, scope_type: str, reference: str, environment: str
) -> None:
    if environment == "sandbox":
        halt = place("agent", "triage", "stop")
        Halt.objects.filter(id=halt.id).update(environment=environment, scope_type="mesh", scope_id=None)
    else:
        place(scope_type, reference, "stop")
    told = approved(writer, api)
    carry_out()

    assert claim(writer, told).status_code == 200


def test_the_key_is_free_when_the_halt_is_lifted(writer: Robot) -> None:
    halt = place()
    assert ask(writer).status_code == 423
    lift(halt)

    assert ask(writer).status_code == 201


def test_what_is_known_is_answered_under_a_halt_too(writer: Robot) -> None:
    told = asked(writer)
    place()

    assert (ask(writer).status_code, poll(writer, told)["state"]) == (200, "pending")
    assert cancel(writer, told).status_code == 200


def test_no_new_version_under_a_halt(writer: Robot, api: Api) -> None:
    told = returned(writer, api)
    halt = place()
    before = contents()

    assert problem_of(revise(writer, told, **NEW)) == (423, "halted")
    assert contents() == before
    lift(halt)
    assert revise(writer, told, **NEW).status_code == 201


@scopes
def test_nothing_is_claimed_under_a_hold_and_again_when_it_is_lifted(
    writer: Robot, api: Api, scope_type: str, reference: str
) -> None:
    told = approved(writer, api)
    halt = place(scope_type, reference)
    carry_out()
    before = contents()

    assert problem_of(claim(writer, told)) == (423, "halted")
    assert contents() == before
    if scope_type == "mesh":
        # whoever may lift one of the whole mesh is not in the cast
        Halt.objects.filter(id=halt.id).update(lifted_at=clock.now())
    else:
        lift(halt)
    assert claim(writer, told).status_code == 200


def test_a_drain_lets_finish_what_was_asked_before_it(writer: Robot, api: Api) -> None:
    told = approved(writer, api)
    place(mode="drain")
    carry_out()

    assert claim(writer, told).status_code == 200


@scopes
def test_a_stop_ends_what_waits(writer: Robot, scope_type: str, reference: str) -> None:
    told = asked(writer)
    halt = place(scope_type, reference, "stop")
    carry_out()

    ended = poll(writer, told)
    assert (ended["state"], ended["approval"]["state"]) == ("halted", "cancelled")
    assert ended["resolution"]["outcome"] == "halted"
    assert ended["resolution"]["halt"] == {"id": str(halt.id)}
    assert Approval.objects.get().state == "cancelled"
    entry = AuditEntry.objects.get(code="external.halted")
    assert (entry.actor_key, entry.data["halt_id"]) == ("system:halts", str(halt.id))


def test_a_stop_ends_what_was_approved_and_not_claimed_also_when_it_was_lifted_since(writer: Robot, api: Api) -> None:
    told = approved(writer, api)
    lift(place(mode="stop"))
    carry_out()

    assert poll(writer, told)["state"] == "halted"
    assert problem_of(claim(writer, told)) == (409, "external.not_approved")


def test_a_stop_ends_nothing_that_has_ended_or_came_later(
    writer: Robot, api: Api, time_passes: Callable[..., None]
) -> None:
    claimed = approved(writer, api, idempotency_key="claimed")
    claim(writer, claimed)
    cancelled = asked(writer, idempotency_key="cancelled")
    cancel(writer, cancelled)
    rejected = asked(writer, idempotency_key="rejected")
    vote(api, "dana", rejected, "reject", reason_code="other")
    halt = place(mode="stop")
    lift(halt)
    later = asked(writer, idempotency_key="later")
    carry_out()

    states = {name: poll(writer, told)["state"] for name, told in locals().items() if isinstance(told, dict)}
    assert states == {"claimed": "approved", "cancelled": "cancelled", "rejected": "rejected", "later": "pending"}


def test_carrying_out_a_stop_twice_is_carrying_it_out_once(writer: Robot) -> None:
    asked(writer)
    halt = place(mode="stop")

    assert (services.end_requests_under(halt.id), services.end_requests_under(halt.id)) == (1, 0)
    assert services.stops_to_carry_out() == []


def test_a_hold_ends_nothing(writer: Robot) -> None:
    told = asked(writer)
    halt = place()

    assert services.end_requests_under(halt.id) == 0
    assert poll(writer, told)["state"] == "pending"


def test_the_time_to_decide_stands_still_under_a_hold(
    writer: Robot, api: Api, time_passes: Callable[..., None]
) -> None:
    told = asked(writer, expires_in_seconds=60)
    halt = place()
    keep_clocks()
    time_passes(minutes=10)
    approvals.expire_due()
    assert poll(writer, told)["state"] == "pending"

    lift(halt)
    keep_clocks()
    vote(api, "dana", told)
    assert claim(writer, told).status_code == 200


def test_what_is_wrong_with_one_keeps_no_other_from_ending(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = asked(writer, idempotency_key="a"), asked(writer, idempotency_key="b")
    halt = place(mode="stop")
    cancel_approval = ending.approvals.cancel_approval

    def break_down(*, approval_id: Any, actor: Any) -> bool:
        if str(approval_id) == first["approval"]["id"]:
            raise ZeroDivisionError
        return cancel_approval(approval_id=approval_id, actor=actor)

    with monkeypatch.context() as patched:
        patched.setattr(ending.approvals, "cancel_approval", break_down)
        assert services.end_requests_under(halt.id) == 1
    assert {poll(writer, told)["state"] for told in (first,)} == {"pending"}
    assert poll(writer, second)["state"] == "halted"
    carry_out()
    assert poll(writer, first)["state"] == "halted"


@pytest.mark.django_db(transaction=True)
def test_no_claim_is_accepted_after_the_halt_answered(writer: Robot) -> None:
    dana = APIClient()
    dana.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    for number in range(10):
        told = asked(writer, idempotency_key=f"k-{number}")
        vote(lambda _: dana, "dana", told)
        claimed, halt = at_once([lambda told=told: claim(writer, told), place])  # type: ignore[misc]
        claimed_at = request_of(told).claimed_at

        assert claimed.status_code == (200 if claimed_at else 423)
        if claimed_at is None:
            assert problem_of(claim(writer, told)) == (423, "halted")
        lift(halt)


@pytest.mark.django_db(transaction=True)
def test_a_halt_answers_only_when_claims_under_way_are_committed(
    writer: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    dana = APIClient()
    dana.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    told = asked(writer)
    vote(lambda _: dana, "dana", told)
    is_claiming, may_go_on = threading.Event(), threading.Event()
    record = claiming.record_request

    def slow_record(*args: Any, **kwargs: Any) -> None:
        is_claiming.set()
        may_go_on.wait(10)
        record(*args, **kwargs)

    monkeypatch.setattr(claiming, "record_request", slow_record)
    with ThreadPoolExecutor() as threads:
        claimed = threads.submit(on_its_own_connection, lambda: claim(writer, told))
        assert is_claiming.wait(10)
        placed = threads.submit(on_its_own_connection, place)
        with pytest.raises(TimeoutError):
            placed.result(timeout=0.5)
        may_go_on.set()
        halt = placed.result(timeout=10)

        assert claimed.result(timeout=10).status_code == 200
    assert request_of(told).claimed_at is not None
    lift(halt)


def on_its_own_connection(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connections.close_all()
