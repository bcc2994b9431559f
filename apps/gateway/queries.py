"""Reading tool calls."""

from uuid import UUID

from django.db.models import QuerySet

from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.gateway.models import ToolCall
from apps.registry.queries import processes_visible_to


def calls_visible_to(actor: Actor) -> QuerySet[ToolCall]:
    """An agent sees its own calls; a person those of the processes they see."""
    calls = ToolCall.objects.select_related("tool", "approval", "result", "agent", "process", "run")
    if actor.is_agent:
        return calls.filter(agent_id=actor.known_id)
    return calls.filter(process__in=processes_visible_to(actor))


def call_for(actor: Actor, call_id: UUID) -> ToolCall:
    """One call this actor may see. Raises NotFound."""
    call = calls_visible_to(actor).filter(id=call_id).first()
    if call is None:
        raise NotFound("tool_call.not_found", "There is no such tool call.")
    return call
