"""How a call would be undone: by which tool, with which arguments, or why not. Reads, and decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import prefetch_related_objects

from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.core.once import read_once
from apps.core.pointers import resolve
from apps.gateway.arguments import check_arguments, sentence_for
from apps.gateway.models import EFFECTIVE_STATES, CallState, ToolCall
from apps.gateway.seen import arguments_for, hidden_from, result_for
from apps.gateway.serializers import OWN_PREFIX
from apps.gateway.services.execution import downstream_key
from apps.gateway.telling import money_of
from apps.registry.models import Effect, Grant, Tool
from apps.registry.shields import shield_of
from apps.runs.models import Run
from apps.vault import services as vault

# What a call did that can still be undone, or was.
DID_SOMETHING = (CallState.SUCCEEDED, CallState.COMPENSATED, CallState.OUTCOME_UNKNOWN, CallState.EXECUTING)


@dataclass(frozen=True, slots=True)
class Plan:
    """One call and what would undo it. `obstacle` is a code, "" where nothing stands in the way; `why` its sentence."""

    call: ToolCall
    what: str
    tool: Tool | None = None
    arguments: dict[str, Any] | None = None
    shown: dict[str, Any] | None = None
    obstacle: str = ""
    why: str = ""

    @property
    def can_be_undone(self) -> bool:
        return not self.obstacle

    @property
    def money(self) -> Money | None:
        return money_of(self.call)


def calls_to_undo(run: Run) -> list[ToolCall]:
    """Every write of the run that had an effect or may have, the one that was completed last first."""
    calls = ToolCall.objects.filter(run=run, state__in=DID_SOMETHING, tool__effect=Effect.WRITE, compensates=None)
    found = calls.select_related("tool", "agent__process", "agent__owner_team", "process", "run", "credential")
    return sorted(found, key=lambda call: (call.finished_at or clock.now(), call.id), reverse=True)


@read_once()
def plans_for(calls: Sequence[ToolCall], *, seen_by: Actor | None = None) -> list[Plan]:
    """Each call with what would undo it, in a fixed number of queries. The words are those that `seen_by` may read, the
    arguments what the undoing needs.
    """
    if seen_by is not None and seen_by.is_agent:
        prefetch_related_objects(calls, "decisions")  # which say what of a result its agent may read
    bodies = vault.read_many([one for call in calls for one in (call.request_id, call.result_id)])
    names = {call.tool.compensation["tool"] for call in calls if call.tool.compensation}
    tools = {tool.name: tool for tool in Tool.objects.filter(name__in=names).select_related("connector")}
    grants = Grant.objects.in_force(clock.now()).filter(agent__in={call.agent_id for call in calls})
    granted = set(grants.filter(tool__name__in=names).values_list("agent_id", "tool__name"))
    live = _live_compensations(calls)
    return [_plan(call, bodies, tools, granted, call.id in live, seen_by) for call in calls]


def _live_compensations(calls: Sequence[ToolCall]) -> set[UUID | None]:
    live = ToolCall.objects.filter(compensates__in=calls, state__in=EFFECTIVE_STATES)
    return set(live.exclude(state=CallState.SUCCEEDED).values_list("compensates_id", flat=True))


def _plan(
    call: ToolCall,
    bodies: dict[UUID, Any],
    tools: dict[str, Tool],
    granted: set[tuple[UUID, str]],
    is_live: bool,
    seen_by: Actor | None,
) -> Plan:
    body = bodies.get(call.request_id)
    seen = arguments_for(seen_by, call, body["arguments"]) if body else {}
    what = sentence_for(call.tool, seen, money_of(call)) if body else call.tool.title
    if obstacle := _obstacle(call, tools, granted, is_live):
        return Plan(call, what, obstacle=obstacle[0], why=obstacle[1])
    definition = call.tool.compensation or {}
    tool = tools[definition["tool"]]
    if body is None:
        return Plan(call, what, tool, obstacle="erased", why="The content of this call was erased.")
    result = bodies.get(call.result_id) if call.result_id else None
    arguments = _arguments(call, definition, body["arguments"], result)
    try:
        # why it cannot be is kept, and read by everyone
        check_arguments(tool, arguments, quotes=not (shield_of(tool).classes or shield_of(call.tool).classes))
    except Invalid as error:
        missing = "; ".join(one["sentence"] for one in error.details["errors"])
        why = f"{tool.title} needs more than is known of this call: {missing}"
        return Plan(call, what, tool, obstacle="arguments_missing", why=why[:500])
    shown = _arguments(call, definition, seen, result_for(seen_by, call, result))
    shown = shield_of(tool).arguments_without(hidden_from(seen_by, call, tool=tool), shown)
    return Plan(call, what, tool, arguments, shown)


def _obstacle(
    call: ToolCall, tools: dict[str, Tool], granted: set[tuple[UUID, str]], is_live: bool
) -> tuple[str, str] | None:
    if call.compensates_id is not None:
        return "is_compensation", "This call undid another one; undoing it is a new decision of its agent."
    if call.state == CallState.COMPENSATED:
        return "already_undone", "This was undone already."
    if is_live:
        return "under_way", "This is being undone already."
    if call.state == CallState.OUTCOME_UNKNOWN:
        return "outcome_unknown", "Nobody knows whether this happened. Find that out first."
    if call.state != CallState.SUCCEEDED:
        return "not_succeeded", f"This call is {call.get_state_display().lower()}: there is nothing to undo."
    name = (call.tool.compensation or {}).get("tool", "")
    if call.tool.is_read:
        return "reads_only", "This call changed nothing."
    if name not in tools:
        return "no_compensation", f"{call.tool.title} has no tool that undoes it."
    if (call.agent_id, name) not in granted:
        return "no_grant", f"{call.agent.name} holds no grant for {name}."
    return None


def _arguments(call: ToolCall, definition: dict[str, Any], arguments: dict[str, Any], result: Any) -> dict[str, Any]:
    """As the tool's definition maps them. What the pointers do not find stays away, and is missed by the schema."""
    document = {"arguments": arguments, "result": result, "idempotency_key": downstream_key(call)}
    found = {name: resolve(document, pointer) for name, pointer in definition["arguments"].items()}
    return {name: value for name, value in found.items() if value is not None}


def key_for(call: ToolCall) -> str:
    """The key under which what undoes the call is asked for: one for each try, and a new try only after one that
    certainly had no effect.
    """
    spent = ToolCall.objects.filter(compensates=call, holds_key=True).exclude(state__in=EFFECTIVE_STATES).count()
    return f"{OWN_PREFIX}{call.id}" + (f"/{spent + 1}" if spent else "")


def sums_of(plans: Sequence[Plan]) -> list[Money]:
    """The money of these calls, one sum for each currency."""
    totals: dict[str, int] = {}
    for plan in plans:
        if plan.money is not None:
            totals[plan.money.currency] = totals.get(plan.money.currency, 0) + plan.money.minor
    return [Money(minor, currency) for currency, minor in sorted(totals.items())]
