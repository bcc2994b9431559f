"""A person asks to see what a reported step carries, for a reason that stays in the log."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.audit import services as audit
from apps.core import outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict
from apps.core.tracing import hex_of_span
from apps.gateway.models import ToolCall
from apps.gateway.quoted import without_secrets
from apps.gateway.services.revealing import people_only, reason_given
from apps.registry.permissions import REVEAL
from apps.registry.queries import require
from apps.runs.models import Run
from apps.runs.queries import run_for
from apps.telemetry.events import ReportedPayloadRevealed
from apps.telemetry.models import ReportedSpan, Trace
from apps.telemetry.opened import reported_step_for

# What the payload of a span is called where classes of data are named: nobody has said what is in it.
CLASS = "reported"


@dataclass(frozen=True, slots=True)
class RevealedStep:
    """What one reported step carried, for this answer only. What is secret in a call is masked here as everywhere."""

    run: Run
    step_id: UUID
    name: str
    payload: dict[str, Any]

    @property
    def parts(self) -> list[tuple[str, str]]:
        """As people read it: each attribute by its name, then the rest, as (label, text)."""
        told = [*self.payload.get("attributes", {}).items()]
        told += [(name, value) for name, value in self.payload.items() if name != "attributes"]
        return [(str(name), _text(value)) for name, value in told]


def _text(value: Any) -> str:
    """A text that holds JSON is laid out as such."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value[:1] in ("{", "[") else value
        except ValueError:
            return str(value)
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def reveal_reported_payload(*, actor: Actor, run_id: UUID, step_id: UUID, reason: str) -> RevealedStep:
    """Prompts, completions, arguments and results of one reported step. Each time it is asked for is a line in the log;
    nothing is remembered. Raises Conflict where it carries nothing.
    """
    run, span = revealable_step(actor, run_id, step_id)
    if not span.payload:
        raise Conflict("reveal.nothing_masked", "Nothing of this step is masked.")
    why = reason_given(reason)
    trace = Trace.objects.get(id=span.trace)
    with transaction.atomic():
        audit.record(
            actor,
            "payload.revealed",
            subject_type="reported_step",
            subject_id=step_id,
            subject_name=span.name,
            process=run.process.slug,
            environment=run.environment,
            run_id=run.id,
            outcome="revealed",
            reason=why,
            data={"trace_id": trace.trace_id.hex, "span_id": hex_of_span(span.span_id), "classes": [CLASS]},
        )
        outbox.add(ReportedPayloadRevealed(step_id=str(step_id), run_id=str(run.id), by=actor.key))
    return RevealedStep(run, step_id, span.name, _without_secrets(run, trace, json.loads(span.payload)))


def revealable_step(actor: Actor, run_id: UUID, step_id: UUID) -> tuple[Run, ReportedSpan]:
    """The step, for a person who may reveal what belongs to the process of its run."""
    people_only(actor)
    run = run_for(actor, run_id)
    span = reported_step_for(run, step_id)
    require(actor, REVEAL, run.process)
    return run, span


def _without_secrets(run: Run, trace: Trace, payload: dict[str, Any]) -> dict[str, Any]:
    """Agents repeat what they send: what a tool marks as secret in its calls is not shown by this way either."""
    of_trace = Q(trace_id=trace.trace_id, process_id=trace.process_id, environment=trace.environment)
    calls = ToolCall.objects.filter(Q(run_id=run.id) | of_trace).select_related("tool")
    told: dict[str, Any] = without_secrets(calls, payload)
    return told
