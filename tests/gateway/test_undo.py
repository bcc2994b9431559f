"""Undoing one call, and all that a run did."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core.errors import NotAllowed
from apps.core.models import OutboxEvent
from apps.gateway import services
from apps.gateway.models import CallState, ToolCall, Unwind
from apps.gateway.services import unwinding
from apps.halts import services as halts
from apps.registry.models import Grant
from apps.runs.models import Span
from tests.conftest import Robot, actor, at_once, person
from tests.fakes.erp import FakeErp
from tests.gateway.undoing import BY_TICKET, BY_WRITE_OFF, approve, reject, run_of, states, undone_by, work

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]


def memo(writer: Robot, key: str = "k-1") -> ToolCall:
    return ToolCall.objects.get(id=writer.call("180.00", key=key).json()["id"])


def compensate(client: APIClient, call: ToolCall) -> Any:
    return client.post(f"/api/v1/tool-calls/{call.id}/compensate", {}, format="json")


def unwind(client: APIClient, run_id: str) -> Any:
    return client.post(f"/api/v1/runs/{run_id}/unwind", {}, format="json")


# --- one call ---------------------------------------------------------------------------------------------------------


def test_an_agent_undoes_its_own_call(writer: Robot, erp: FakeErp) -> None:
    undone_by(BY_TICKET)
    call = memo(writer)
    answer = compensate(writer.api(), call)

    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded"), answer.content
    assert answer.json()["compensates"] == str(call.id)
    undoing = ToolCall.objects.get(compensates=call)
    assert (undoing.agent_id, undoing.idempotency_key) == (call.agent_id, f"compensates/{call.id}")
    assert erp.requests[-1]["body"] == {"reference": "CM-1"}
    told = writer.api().get(f"/api/v1/tool-calls/{call.id}").json()
    assert (told["state"], told["result"]) == ("compensated", {"id": "CM-1"})
    assert AuditEntry.objects.filter(code="tool_call.compensated", subject_id=str(call.id)).count() == 1
    assert OutboxEvent.objects.filter(name="ToolCallCompensated").count() == 1
    for run_id, other in ((call.run_id, undoing.run_id), (undoing.run_id, call.run_id)):
        links = Span.objects.filter(run=run_id, kind="compensation").values_list("attributes__other_run_id", flat=True)
        assert set(links) == {str(other)}


def test_undone_twice_is_undone_once(writer: Robot, erp: FakeErp) -> None:
    undone_by(BY_TICKET)
    call = memo(writer)
    first, second = compensate(writer.api(), call), compensate(writer.api(), call)

    assert (second.json()["id"], second.json()["replayed"]) == (first.json()["id"], True)
    assert len(erp.ledger) == 2


@pytest.mark.django_db(transaction=True)
def test_of_many_who_undo_at_once_one_does(writer: Robot, erp: FakeErp, api: Api) -> None:
    undone_by(BY_TICKET)
    call = memo(writer)
    clients = [writer.api(), api("omar"), api("priya"), writer.api()]
    answers = at_once([lambda c=client: compensate(c, call) for client in clients])  # type: ignore[misc]

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(erp.ledger) == 2


def test_what_a_person_undoes_somebody_else_approves(writer: Robot, api: Api) -> None:
    undone_by(BY_WRITE_OFF)
    call = memo(writer)
    answer = compensate(api("omar"), call)
    assert (answer.status_code, answer.json()["state"]) == (202, "awaiting_approval")
    undoing = ToolCall.objects.get(compensates=call)
    assert (undoing.on_behalf_of, undoing.agent_id) == (person("omar").id, call.agent_id)
    assert Approval.objects.get(id=undoing.approval_id).barred_people == [person("omar").id]
    call.refresh_from_db()
    assert call.state == CallState.SUCCEEDED

    approve(undoing, "dana")
    call.refresh_from_db()
    assert call.state == CallState.COMPENSATED


def test_after_a_rejection_it_may_be_tried_again(writer: Robot, api: Api) -> None:
    undone_by(BY_WRITE_OFF)
    call = memo(writer)
    compensate(api("omar"), call)
    reject(ToolCall.objects.get(compensates=call))
    again = compensate(api("omar"), call)

    assert again.status_code == 202
    keys = ToolCall.objects.filter(compensates=call).order_by("id").values_list("idempotency_key", flat=True)
    assert list(keys) == [f"compensates/{call.id}", f"compensates/{call.id}/2"]


@pytest.mark.parametrize(
    ("obstacle", "code"),
    [
        (lambda: undone_by(None), "compensation.no_compensation"),
        (lambda: Grant.objects.filter(tool__name="erp.open_ticket").delete(), "compensation.no_grant"),
        (
            lambda: undone_by({"tool": "erp.open_ticket", "arguments": {"reference": "/result/number"}}),
            "compensation.arguments_missing",
        ),
    ],
)
def test_what_cannot_be_undone_says_why(writer: Robot, erp: FakeErp, obstacle: Callable[[], Any], code: str) -> None:
    undone_by(BY_TICKET)
    call = memo(writer)
    obstacle()
    answer = compensate(writer.api(), call)

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert len(erp.ledger) == 1


def test_what_failed_and_what_undid_cannot_be_undone(writer: Robot, erp: FakeErp) -> None:
    undone_by(BY_TICKET)
    undone_by({"tool": "erp.issue_credit_memo", "arguments": credit_pointers()}, tool="erp.open_ticket")
    erp.faults = ["400"]
    failed = memo(writer, "failed")
    assert compensate(writer.api(), failed).json()["code"] == "compensation.not_succeeded"
    done = memo(writer, "done")
    compensate(writer.api(), done)
    undoing = ToolCall.objects.get(compensates=done)
    assert compensate(writer.api(), undoing).json()["code"] == "compensation.is_compensation"


def credit_pointers() -> dict[str, str]:
    return dict.fromkeys(("invoice_id", "customer_id", "amount", "currency", "reason_code"), "/arguments/reference")


@pytest.mark.parametrize(("who", "status"), [("dana", 403), ("chen", 403), ("alex", 403), ("otto", 404)])
def test_only_who_operates_the_process_undoes(writer: Robot, api: Api, who: str, status: int) -> None:
    undone_by(BY_TICKET)
    call = memo(writer)
    assert compensate(api(who), call).status_code == status
    assert unwind(api(who), str(call.run_id)).status_code == status


def test_a_colleague_of_the_agent_does_not(writer: Robot, triage: Robot) -> None:
    undone_by(BY_TICKET)
    call = memo(writer)
    assert compensate(triage.api(), call).status_code == 404
    assert unwind(triage.api(), str(call.run_id)).json()["code"] == "unwind.not_your_run"


def test_the_meshs_own_keys_cannot_be_taken(writer: Robot) -> None:
    assert writer.call("180.00", key="compensates/x").status_code == 422


# --- a run ------------------------------------------------------------------------------------------------------------


def test_a_run_is_undone_from_its_end(writer: Robot, erp: FakeErp, api: Api) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00", "20.00", "30.00")
    told = api("omar").get(f"/api/v1/runs/{run_id}/unwind").json()
    assert [step["money"]["minor"] for step in told["will_be_undone"]] == [3000, 2000, 1000]
    assert (told["sums"], told["unwind"]) == ([{"minor": 6000, "currency": "EUR"}], None)

    begun = unwind(api("omar"), run_id)
    assert (begun.status_code, begun.json()["joined"]) == (202, False)
    work()
    assert states(run_id) == ["compensated"] * 3
    assert [entry["reference"] for entry in erp.requests_of("/tickets")] == ["CM-3", "CM-2", "CM-1"]
    told = api("omar").get(f"/api/v1/runs/{run_id}/unwind").json()["unwind"]
    assert (told["state"], [step["state"] for step in told["steps"]]) == ("done", ["undone"] * 3)
    own = Unwind.objects.get().own_run
    assert (own.state, own.tool_calls.count()) == ("succeeded", 3)
    codes = AuditEntry.objects.filter(subject_id=run_id).values_list("code", flat=True)
    assert {"run.unwind_started", "run.unwound"} <= set(codes)
    assert unwind(api("omar"), run_id).json()["code"] == "unwind.nothing_to_undo"


def test_it_waits_for_the_approval_of_each_step(writer: Robot, api: Api) -> None:
    undone_by(BY_WRITE_OFF)
    run_id = run_of(writer, "10.00", "20.00")
    unwind(api("omar"), run_id)
    work()
    assert ToolCall.objects.filter(compensates__run=run_id).count() == 1

    approve(ToolCall.objects.get(compensates__run=run_id), "dana")
    assert states(run_id) == ["succeeded", "compensated"]
    approve(ToolCall.objects.get(compensates__run=run_id, state="awaiting_approval"), "felix")
    assert states(run_id) == ["compensated"] * 2
    assert Unwind.objects.get().state == "done"


def test_it_stops_at_the_first_step_that_fails_and_goes_on_when_asked(writer: Robot, erp: FakeErp, api: Api) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00", "20.00", "30.00")
    erp.faults = ["", "400"]
    unwind(api("omar"), run_id)
    work()
    told = api("omar").get(f"/api/v1/runs/{run_id}/unwind").json()
    assert [step["state"] for step in told["unwind"]["steps"]] == ["undone", "failed", "pending"]
    assert (told["unwind"]["state"], told["unwind"]["sentence"]) == (
        "stopped",
        "Stopped at step 2: Failed. ERP refused (400).",
    )
    assert states(run_id) == ["succeeded", "succeeded", "compensated"]

    assert unwind(api("priya"), run_id).json()["joined"] is False
    work()
    assert states(run_id) == ["compensated"] * 3


def test_a_second_one_joins_the_first_and_approves_nothing(writer: Robot, api: Api) -> None:
    undone_by(BY_WRITE_OFF)
    run_id = run_of(writer, "10.00", "20.00")
    first = unwind(api("omar"), run_id).json()
    work()
    second = unwind(api("priya"), run_id).json()

    assert (second["joined"], second["id"]) == (True, first["id"])
    waiting = ToolCall.objects.get(compensates__run=run_id)
    both = sorted([person("omar").id, person("priya").id])
    assert sorted(Approval.objects.get(id=waiting.approval_id).barred_people) == both
    approve(waiting, "dana")
    following = ToolCall.objects.get(compensates__run=run_id, state="awaiting_approval")
    barred = Approval.objects.get(id=following.approval_id)
    assert sorted(barred.barred_people) == both
    with pytest.raises(NotAllowed):
        approvals.cast_vote(actor=actor("omar"), approval_id=barred.id, verdict="approve", digest=barred.digest)


@pytest.mark.django_db(transaction=True)
def test_of_two_unwinds_at_once_there_is_one(writer: Robot, erp: FakeErp, api: Api) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00", "20.00")
    clients = [api("omar"), api("priya"), writer.api()]
    answers = at_once([lambda c=client: unwind(c, run_id) for client in clients])  # type: ignore[misc]
    assert sorted(answer.json()["joined"] for answer in answers) == [False, True, True]
    unwind_id = Unwind.objects.get().id
    at_once([lambda: services.advance_unwind(unwind_id)] * 4)
    work()

    assert states(run_id) == ["compensated"] * 2
    assert len(erp.requests_of("/tickets")) == 2


def test_a_step_that_another_takes_while_it_is_looked_at_stops_nothing(
    writer: Robot, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00", "20.00")
    unwind(api("omar"), run_id)
    look = unwinding.live_compensation

    def look_late(call: ToolCall) -> ToolCall | None:
        monkeypatch.undo()
        assert compensate(writer.api(), call).json()["state"] == "succeeded"
        return look(call)

    monkeypatch.setattr(unwinding, "live_compensation", look_late)
    services.advance_unwind(Unwind.objects.get().id)
    work()

    assert states(run_id) == ["compensated"] * 2
    assert Unwind.objects.get().state == "done"


def test_what_cannot_be_undone_is_shown_before_and_left(writer: Robot, api: Api) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00")
    writer.call(key="ticket", run_id=run_id, tool="erp.open_ticket", arguments={"reference": "T-1"})
    told = api("omar").get(f"/api/v1/runs/{run_id}/unwind").json()

    assert [(one["obstacle"], one["why"]) for one in told["stays"]] == [
        ("no_compensation", "Open a ticket has no tool that undoes it.")
    ]
    unwind(api("omar"), run_id)
    work()
    assert states(run_id) == ["compensated", "succeeded"]


def halt_the_writer(mode: str) -> UUID:
    return halts.place_halt(
        actor=actor("omar"),
        scope_type="agent",
        scope_reference="writer",
        environment="production",
        mode=mode,
        reason_code="maintenance",
    ).id


def test_a_stop_stops_it_and_nothing_is_sent(writer: Robot, erp: FakeErp, api: Api) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00")
    halt_the_writer("stop")
    unwind(api("omar"), run_id)
    work()
    assert (Unwind.objects.get().state, len(erp.ledger)) == ("stopped", 1)


def test_a_hold_pauses_it_where_people_see_it_and_it_goes_on_after_the_lift(
    writer: Robot, erp: FakeErp, api: Api, sign_in: Callable[[str], Client]
) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00", "20.00")
    halt_id = halt_the_writer("hold")
    unwind(api("omar"), run_id)
    for _ in range(3):
        work()

    found = Unwind.objects.get()
    assert (found.state, len(erp.ledger)) == ("running", 2)
    turned_away = ToolCall.objects.filter(compensates__isnull=False)
    assert turned_away.count() == 1, "looking again asks nobody while the halt holds"
    page = sign_in("omar").get(f"/runs/{run_id}/unwind/").content.decode()
    assert "Paused by a halt. Hold on Order-to-cash writer" in page

    halts.lift_halt(actor=actor("omar"), halt_id=halt_id, reason="Over")
    work()
    found.refresh_from_db()
    assert (found.state, states(run_id)) == ("done", ["compensated", "compensated"])
    assert not found.steps.exclude(sentence="").exists()


def test_another_halt_pauses_it_again(writer: Robot, erp: FakeErp, api: Api) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00")
    first, second = halt_the_writer("hold"), halt_the_writer("hold")
    unwind(api("omar"), run_id)
    work()
    halts.lift_halt(actor=actor("omar"), halt_id=first, reason="Over")
    work()
    assert (Unwind.objects.get().state, len(erp.ledger)) == ("running", 1)

    halts.lift_halt(actor=actor("omar"), halt_id=second, reason="Over")
    work()
    assert (Unwind.objects.get().state, states(run_id)) == ("done", ["compensated"])


def test_lost_news_is_made_good(writer: Robot, api: Api, time_passes: Callable[..., None]) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00")
    unwind(api("omar"), run_id)
    assert services.waiting_unwinds() == []
    time_passes(minutes=1)
    assert services.waiting_unwinds() == [Unwind.objects.get().id]


def test_a_worker_that_died_after_asking_leaves_it_to_the_next(
    writer: Robot, erp: FakeErp, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00")
    unwind(api("omar"), run_id)

    def dies(*args: Any, **more: Any) -> None:
        ask(*args, **more)
        raise SystemExit

    ask = unwinding.ask_for_compensation
    monkeypatch.setattr(unwinding, "ask_for_compensation", dies)
    with pytest.raises(SystemExit):
        services.advance_unwind(Unwind.objects.get().id)
    monkeypatch.undo()
    work()
    assert (states(run_id), len(erp.requests_of("/tickets"))) == (["compensated"], 1)


def test_the_pages_show_it_and_have_the_buttons(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    undone_by(BY_TICKET)
    run_id = run_of(writer, "10.00", "20.00")
    omar = sign_in("omar")
    assert f"/runs/{run_id}/unwind/" in omar.get(f"/runs/{run_id}/").content.decode()
    shown = omar.get(f"/runs/{run_id}/unwind/").content.decode()
    assert "Undo 2 steps" in shown
    assert "€30.00" in shown
    assert "Undo 2 steps" not in sign_in("chen").get(f"/runs/{run_id}/unwind/").content.decode()

    one = ToolCall.objects.filter(run=run_id).earliest("id")
    assert "Asked for what undoes it" in omar.post(f"/runs/{run_id}/unwind/{one.id}/", follow=True).content.decode()
    assert "Undo 1 step" in omar.get(f"/runs/{run_id}/unwind/").content.decode()
    assert "Undoing has begun" in omar.post(f"/runs/{run_id}/unwind/", follow=True).content.decode()
    work()
    assert states(run_id) == ["compensated"] * 2
    assert omar.post(f"/runs/{run_id}/unwind/").status_code == 409
    timeline = omar.get(f"/runs/{run_id}/?view=timeline").content.decode()
    assert "Undone · erp.issue_credit_memo" in timeline
