"""A system that does not answer is left alone: what can wait for it waits in order, the rest fails at once, and one
call every cooldown finds out whether it is back.
"""

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils.html import strip_tags
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.audit.models import AuditEntry
from apps.breakers import counting
from apps.breakers.models import Breaker, BreakerState
from apps.core import outbox
from apps.gateway import services
from apps.gateway.models import CallState, ToolCall
from apps.halts import services as halts
from apps.policies.services import publish_release
from apps.registry.models import ConnectorEndpoint, Process
from tests.conftest import Robot, actor, credit, parked
from tests.fakes.erp import FakeErp
from tests.world import PARAMETERS

pytestmark = pytest.mark.django_db
FIND = {"tool": "erp.find", "arguments": {"reference": "CM-1"}}
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def rules(world: FakeErp) -> None:
    ConnectorEndpoint.objects.update(breaker={"consecutive_failures": 3, "cooldown_seconds": 60, "most_queued": 5})


def break_it(writer: Robot) -> None:
    """Three calls in a row, those before it included, find nobody there."""
    ConnectorEndpoint.objects.update(base_url=NOWHERE)
    for number in range(3):
        if state() == BreakerState.CLOSED:
            assert writer.call(key=f"breaks-{number}").status_code == 502
    assert state() == BreakerState.OPEN


def mend(erp: FakeErp) -> None:
    """The system is back, and the cooldown is over."""
    ConnectorEndpoint.objects.update(base_url=erp.url)
    cool_down()


def cool_down() -> None:
    past = Breaker.objects.get().probe_at
    assert past is not None
    Breaker.objects.update(probe_at=past - dt.timedelta(hours=1))


def state() -> str:
    return Breaker.objects.values_list("state", flat=True).first() or BreakerState.CLOSED


def sweep() -> None:
    """One turn of the job that lets waiting calls go."""
    outbox.drain()
    for call_id in services.calls_to_let_go():
        behind: Any = call_id
        while behind is not None:
            behind = services.release_tool_call(behind)


def states() -> list[str]:
    return list(ToolCall.objects.filter(idempotency_key__startswith="q").order_by("id").values_list("state", flat=True))


def sent(erp: FakeErp) -> list[str]:
    """The keys of the writes the system saw, without what our side adds."""
    return [request["key"].rpartition("/")[2] for request in erp.requests if request["method"] == "POST"]


def test_failures_in_a_row_open_it_and_nothing_more_is_sent(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    ConnectorEndpoint.objects.update(base_url=erp.url)
    answer = writer.call(key="q-1")

    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert erp.requests == []
    assert AuditEntry.objects.filter(code="breaker.opened", reason="connector.unreachable").count() == 1


def test_what_cannot_wait_is_answered_at_once_and_may_be_asked_again(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    answer = writer.call(key="r-1", **FIND)

    assert (answer.status_code, answer.json()["code"]) == (503, "connector.breaker_open")
    assert 1 <= int(answer["Retry-After"]) <= 60
    mend(erp)
    again = writer.call(key="r-1", **FIND)
    assert (again.status_code, again.json()["replayed"]) == (200, False)


def test_a_share_of_failures_opens_it_too(writer: Robot, erp: FakeErp) -> None:
    rule = {"consecutive_failures": 99, "min_calls": 4, "error_rate": 0.5, "cooldown_seconds": 60}
    ConnectorEndpoint.objects.update(breaker=rule)
    for number, fault in enumerate(("", "garbage", "", "garbage")):
        erp.faults = [fault] if fault else []
        writer.call(key=f"k-{number}")

    assert state() == BreakerState.OPEN


def test_a_refusal_is_an_answer(writer: Robot, erp: FakeErp) -> None:
    erp.always = "400"
    for number in range(6):
        assert writer.call(key=f"k-{number}").status_code == 502

    assert not Breaker.objects.exists()


def test_other_processes_know_at_once(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    counting.forget()

    assert writer.call(key="q-1").status_code == 202
    assert erp.requests == []


def test_one_call_tries_when_the_cooldown_is_over(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    cool_down()
    answers = [writer.call(key=f"r-{number}", **FIND) for number in range(3)]

    # the first tried and failed; the others did not even try
    assert [answer.json()["code"] for answer in answers] == ["connector.unreachable", *["connector.breaker_open"] * 2]
    assert (state(), Breaker.objects.get().probe_count) == (BreakerState.OPEN, 1)


def test_what_could_overtake_others_does_not_try(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    writer.call(key="q-0")
    mend(erp)
    assert writer.call(key="q-1").json()["state"] == "queued"
    sweep()

    assert sent(erp) == ["q-0", "q-1"]


def test_what_waits_does_not_try_before_one_whose_outcome_is_open(writer: Robot, erp: FakeErp) -> None:
    """The ERP took the first and its answer was lost; those behind it wait until it is known."""
    erp.faults = ["lost"]
    writer.call(key="q-0")
    break_it(writer)
    writer.call(key="q-1")
    mend(erp)
    sweep()

    assert (states(), sent(erp)) == ([CallState.EXECUTING, CallState.QUEUED], ["q-0"])


def test_when_it_is_back_what_waited_goes_first_and_in_order(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    for number in range(4):
        writer.call(key=f"q-{number}")
    mend(erp)
    sweep()
    assert (state(), sent(erp)) == (BreakerState.DRAINING, ["q-0", "q-1", "q-2", "q-3"])
    sweep()

    assert states() == [CallState.SUCCEEDED] * 4
    assert state() == BreakerState.CLOSED
    assert writer.call(key="q-4").status_code == 200


def test_while_others_wait_a_new_call_stands_behind_them(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    for number in range(2):
        writer.call(key=f"q-{number}")
    mend(erp)
    services.release_tool_call(services.calls_to_let_go()[0])
    assert (state(), writer.call(key="q-2").json()["state"]) == (BreakerState.DRAINING, "queued")
    assert writer.call(key="r-1", **FIND).status_code == 200
    sweep()

    assert sent(erp) == ["q-0", "q-1", "q-2"]


def test_records_do_not_wait_for_each_other(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    for number, invoice in enumerate(("INV-1", "INV-2", "INV-3", "INV-2")):
        writer.call(key=f"q-{number}", arguments=credit(invoice=invoice))
    mend(erp)
    sweep()
    erp.faults = ["lost"]
    sweep()

    assert states() == [CallState.SUCCEEDED, CallState.EXECUTING, CallState.SUCCEEDED, CallState.QUEUED]


def test_a_call_whose_outcome_is_open_holds_back_those_behind_it(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    for number in range(3):
        writer.call(key=f"q-{number}")
    mend(erp)
    erp.faults = ["", "lost"]
    sweep()
    sweep()

    assert states() == [CallState.SUCCEEDED, CallState.EXECUTING, CallState.QUEUED]


def test_only_so_many_wait(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    answers = [writer.call(key=f"q-{number}").status_code for number in range(6)]

    assert answers == [202] * 5 + [503]


def test_a_halt_holds_what_waits(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    writer.call(key="q-0")
    halt = place_halt("hold")
    mend(erp)
    sweep()
    assert (states(), erp.requests) == ([CallState.QUEUED], [])
    halts.lift_halt(actor=actor("omar"), halt_id=halt, reason="It was a drill")
    sweep()

    assert states() == [CallState.SUCCEEDED]


def test_a_stop_ends_what_waits(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    writer.call(key="q-0")
    services.end_calls_under(place_halt("stop"))

    assert states() == [CallState.HALTED]


def place_halt(mode: str) -> Any:
    return halts.place_halt(
        actor=actor("omar"),
        scope_type="agent",
        scope_reference="writer",
        environment="production",
        mode=mode,
        reason_code="drill",
    ).id


def test_policy_is_asked_again_before_it_runs(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    writer.call(key="q-0")
    publish_release(
        policy_set="order-to-cash",
        process=Process.objects.get(slug="order-to-cash"),
        text='@id("none") @says("No credit at all") forbid (principal, action, resource);\n',
        parameters=PARAMETERS,
        environments=["production"],
        actor=actor("priya"),
    )
    mend(erp)
    sweep()

    assert (states(), erp.ledger) == ([CallState.INVALIDATED], [])


def test_the_agent_may_take_back_what_waits(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    call = writer.call(key="q-0").json()
    assert writer.api().post(f"/api/v1/tool-calls/{call['id']}/cancel").status_code == 200
    mend(erp)
    sweep()

    assert (states(), erp.ledger) == ([CallState.CANCELLED], [])


def test_an_approved_call_waits_too(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer, key="q-0")
    break_it(writer)
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    outbox.drain()
    services.release_tool_call(call.id)
    assert (states(), erp.requests) == ([CallState.QUEUED], [])
    mend(erp)
    sweep()

    assert states() == [CallState.SUCCEEDED]


def test_while_it_is_away_nobody_asks_it_what_happened(writer: Robot, erp: FakeErp, time_passes: Any) -> None:
    erp.faults = ["lost"]
    call_id = writer.call(key="q-0", tool="erp.open_ticket", arguments={"reference": "T-1"}).json()["id"]
    break_it(writer)
    ConnectorEndpoint.objects.update(base_url=erp.url)
    asked = len(erp.requests)
    for minutes in (1, 2, 3):
        time_passes(minutes=minutes)
        services.recover_tool_call(call_id)
    assert (len(erp.requests), states()) == (asked, [CallState.EXECUTING])
    cool_down()
    time_passes(minutes=9)
    services.recover_tool_call(call_id)

    assert (states(), state()) == ([CallState.SUCCEEDED], BreakerState.DRAINING)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_tries(writer: Robot, erp: FakeErp) -> None:
    break_it(writer)
    mend(erp)
    erp.always = "500"
    start = threading.Barrier(6)

    def ask(number: int) -> None:
        start.wait(10)
        writer.call(key=f"r-{number}", **FIND)
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(erp.requests) == 1


# --- what people see and do -------------------------------------------------------------------------------------------


def test_an_operator_sees_what_does_not_answer_and_says_that_it_is_back(
    writer: Robot, erp: FakeErp, sign_in: Callable[[str], Client]
) -> None:
    break_it(writer)
    writer.call(key="q-0")
    omar = sign_in("omar")
    page = " ".join(strip_tags(omar.get("/connectors/").content.decode()).split())
    assert "Does not answer since" in page
    assert "it cannot be reached" in page
    ConnectorEndpoint.objects.update(base_url=erp.url)
    endpoint = ConnectorEndpoint.objects.get()
    assert omar.post(f"/connectors/{endpoint.id}/reset/", {"reason": ""}).status_code == 302
    assert state() == BreakerState.OPEN
    omar.post(f"/connectors/{endpoint.id}/reset/", {"reason": "The ERP team says so"})
    assert state() == BreakerState.DRAINING
    sweep()

    assert states() == [CallState.SUCCEEDED]
    entry = AuditEntry.objects.get(code="breaker.recovered")
    assert (entry.actor_key, entry.reason) == (actor("omar").key, "The ERP team says so")


def test_what_waits_is_counted_as_far_as_one_sees_it(
    writer: Robot, erp: FakeErp, api: Callable[[str], APIClient]
) -> None:
    break_it(writer)
    writer.call(key="q-0")

    [seen] = api("omar").get("/api/v1/connectors").json()["items"]
    assert (seen["breaker"], seen["waiting_count"]) == ("open", 1)


def reset(client: APIClient) -> tuple[int, str]:
    path = f"/api/v1/connectors/{ConnectorEndpoint.objects.get().id}/reset"
    answer = client.post(path, {"reason": "It answers again"}, format="json")
    return answer.status_code, answer.json()["code"]


def test_an_approver_does_not_reset(writer: Robot, api: Callable[[str], APIClient]) -> None:
    break_it(writer)

    assert reset(api("dana")) == (403, "breaker.reset_not_allowed")


def test_a_breaker_that_is_not_open_is_not_reset(world: FakeErp, api: Callable[[str], APIClient]) -> None:
    assert reset(api("omar")) == (409, "breaker.not_open")
