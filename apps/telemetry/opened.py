"""One reported step for whoever opens it: what its agent said of it in the open, what it cost, what is behind it."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.errors import NotFound
from apps.core.tracing import hex_of_span
from apps.registry.models import Agent
from apps.registry.permissions import REVEAL
from apps.registry.queries import holds
from apps.runs.models import Run
from apps.runs.steps import Opened
from apps.telemetry.matching import moment_of
from apps.telemetry.models import GovernedExecution, Mark, ReportedKind, ReportedSpan, ReportedStatus, Trace
from apps.telemetry.prices import Cost, Used, amount_of, price_list
from apps.telemetry.reported_rows import keys_of, row_of, ungoverned_in

# Not known is not nothing, and is said.
NOT_KNOWN = "not known"


def reported_step(run: Run, step_id: UUID) -> ReportedSpan | None:
    """The reported span that is this step of the run; None where it is another one's, or none."""
    keys = keys_of(run, step_id)
    traces, spans = {trace for trace, _span in keys}, {span for _trace, span in keys}
    return ReportedSpan.objects.filter(trace__in=traces, span_id__in=spans).first() if keys else None


def reported_step_for(run: Run, step_id: UUID) -> ReportedSpan:
    """The same. Raises NotFound."""
    span = reported_step(run, step_id)
    if span is None:
        raise NotFound("step.not_found", "There is no such step in this run.")
    return span


def opened(actor: Actor, run: Run, step_id: UUID) -> Opened | None:
    """What is known of one reported step; None where it is no reported step of the run."""
    span = reported_step(run, step_id)
    if span is None:
        return None
    agent = Agent.objects.filter(id=span.agent_id).first()
    trace = Trace.objects.get(id=span.trace)
    key = (span.trace, span.span_id)
    is_tool = span.kind == ReportedKind.TOOL
    action = ungoverned_in([span.trace]).get(key) if is_tool else None
    governed = GovernedExecution.objects.filter(trace=span.trace, span_id=span.span_id).first() if is_tool else None
    row = row_of(span, span.agent_name or (agent.name if agent else ""), {key: action} if action else {})
    cost = _cost(span)
    may_reveal = bool(span.payload) and actor.is_person and holds(actor, REVEAL, run.process)
    return Opened(
        row=row,
        facts=[fact for fact in _facts(span, trace, agent, cost) if fact[1]],
        attributes=_attributes(span),
        remarks=[*_remarks(span), *_behind(is_tool, governed, is_ungoverned=action is not None)],
        links=_links(governed, action),
        has_payload=bool(span.payload),
        masked=[_("prompts, answers, arguments, results")] if span.payload else [],
        reveal_url=reverse("reported-reveal", args=[run.id, step_id]) if may_reveal else "",
        data=_data(span, trace, agent, cost, governed),
    )


def _cost(span: ReportedSpan) -> Cost | None:
    if span.kind != ReportedKind.MODEL:
        return None
    counts = (span.input_tokens, span.output_tokens, span.cached_tokens)
    return price_list().cost_of(Used(span.provider, span.model, moment_of(span.started_ns), *counts))


def _facts(span: ReportedSpan, trace: Trace, agent: Agent | None, cost: Cost | None) -> Iterator[tuple[str, str]]:
    """What it is about; "" is left out."""
    status = ReportedStatus(span.status)
    yield _("What kind"), str(ReportedKind(span.kind).label)
    yield _("Result"), _("Not said, so not failed") if status == ReportedStatus.UNSET else str(status.label)
    yield _("Error"), span.error_type
    yield _("Agent"), agent.name if agent else ""
    yield _("Called itself"), span.agent_name
    yield _("Service"), span.service
    yield _("Tool"), span.tool_name
    yield _("The model's name for the call"), span.tool_call_ref
    yield _("Model"), span.model
    yield _("Provider"), span.provider
    if span.kind == ReportedKind.MODEL:
        yield _("Input tokens"), _count(span.input_tokens)
        yield _("of them cached"), _count(span.cached_tokens)
        yield _("Output tokens"), _count(span.output_tokens)
        yield _("of them reasoning"), _count(span.reasoning_tokens)
        yield _("Cost"), cost.told(get_language() or "en") if cost else _(NOT_KNOWN)
    yield _("Span"), f"{trace.trace_id.hex} · {hex_of_span(span.span_id)}"


def _count(tokens: int | None) -> str:
    return _(NOT_KNOWN) if tokens is None else f"{tokens:,}"


def _attributes(span: ReportedSpan) -> list[tuple[str, str]]:
    """Name and value of what stands in the open, as it was told."""
    told: dict[str, Any] = json.loads(span.attributes or "{}")
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in sorted(told.items())]


def _remarks(span: ReportedSpan) -> list[str]:
    """What the door did to it, in sentences."""
    words = {
        Mark.TRUNCATED: _("Some of it was longer than is kept, and was cut."),
        Mark.MASKED: _("A secret was in it and was taken out before anything was stored."),
        Mark.CLOCK_AHEAD: _("It was told with a time ahead of ours."),
        Mark.OWN_PARENT: _("It named itself as its own parent."),
    }
    return [sentence for mark, sentence in words.items() if span.marks & mark]


def _behind(is_tool: bool, governed: GovernedExecution | None, *, is_ungoverned: bool) -> list[str]:
    if is_ungoverned:
        return [_("No call that the mesh decided is behind it: an ungoverned action.")]
    if governed is None:
        return [_("Which call is behind it is not known yet.")] if is_tool else []
    if governed.by_likeness:
        return [_("The call behind it was found by likeness: the same tool of the same agent at the same time.")]
    return [_("The call behind it named this step as where it came from.")]


def _links(governed: GovernedExecution | None, action: UUID | None) -> list[tuple[str, str]]:
    if governed is not None:
        return [(_("How policy decided it"), reverse("call-decisions", args=[governed.tool_call_id]))]
    return [(_("The ungoverned action"), reverse("ungoverned-action", args=[action]))] if action else []


def _data(
    span: ReportedSpan, trace: Trace, agent: Agent | None, cost: Cost | None, governed: GovernedExecution | None
) -> dict[str, Any]:
    """The same for programs. Tokens and cost are null where they are not known."""
    return {
        "trace_id": trace.trace_id.hex,
        "span_id": hex_of_span(span.span_id),
        "agent": agent.slug if agent else None,
        "agent_name": span.agent_name,
        "service": span.service,
        "status": span.status,
        "error_type": span.error_type,
        "model": span.model,
        "provider": span.provider,
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "cached_tokens": span.cached_tokens,
        "reasoning_tokens": span.reasoning_tokens,
        "cost": {"amount": amount_of(cost.micro), "currency": cost.currency} if cost else None,
        "tool": span.tool_name,
        "tool_call_id": str(governed.tool_call_id) if governed else None,
        "received_at": rfc3339(span.received_at),
        "attributes": json.loads(span.attributes or "{}"),
    }
