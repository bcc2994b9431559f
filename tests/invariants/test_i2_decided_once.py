"""I2: decision, state, audit entry, span and news commit together or not at all."""

import pytest

from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core.models import OutboxEvent
from apps.gateway.models import Decision, ToolCall
from apps.runs.models import Run, Span
from apps.vault.models import Payload
from tests.conftest import Robot
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

TABLES = (ToolCall, Decision, Approval, AuditEntry, OutboxEvent, Run, Span, Payload)
STEPS = (
    "apps.gateway.services.intake.record_decision",
    "apps.gateway.telling.audit.record",
    "apps.gateway.telling.runs.add_span",
    "apps.gateway.telling.outbox.add",
    "apps.gateway.services.intake.approvals.request_consent",
)


@pytest.mark.parametrize("step", STEPS)
def test_whatever_step_breaks_nothing_is_left(
    writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = {table: table.objects.count() for table in TABLES}  # type: ignore[attr-defined]

    def break_down(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(step, break_down)
    answer = writer.call("1280.00")

    assert answer.status_code == 500
    assert {table: table.objects.count() for table in TABLES} == before  # type: ignore[attr-defined]
    assert erp.requests == []


def test_what_the_agent_is_told_is_what_was_committed(writer: Robot) -> None:
    told = writer.call("1280.00").json()
    call = ToolCall.objects.get(id=told["id"])

    assert told["decision"]["outcome"] == call.decisions.get().outcome
    assert told["state"] == call.state
