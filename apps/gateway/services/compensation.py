"""Undoing one call: what undoes it is a governed call like any other, in the name of the agent that made the first."""

from uuid import UUID

from django.db import IntegrityError

from apps.accounts.models import User
from apps.core.actor import Actor
from apps.core.errors import Conflict
from apps.gateway.compensated import tell_attempt
from apps.gateway.compensation import Plan, key_for, plans_for
from apps.gateway.models import EFFECTIVE_STATES, ToolCall
from apps.gateway.queries import call_for
from apps.gateway.requests import CallRequest
from apps.gateway.services.intake import Intake, request_tool_call
from apps.registry.permissions import OPERATE
from apps.registry.queries import require

COMPENSATED_ONCE = "compensated_once"


def compensate_tool_call(*, actor: Actor, call_id: UUID) -> Intake:
    """Ask for what undoes the call. Asked for again while that is under way it is the same compensating call.

    An agent undoes its own calls, a person those of processes they operate. The person stands in the compensating call
    as the one it is made for, and so does not approve it (I5).
    """
    call = call_for(actor, call_id)
    if not actor.is_agent:
        require(actor, OPERATE, call.process)
    person = User.objects.get(pk=actor.known_id).username if actor.is_person else ""
    return ask_for_compensation(whole(call.id), actor=actor, on_behalf_of=person, run_id=None)


def whole(call_id: UUID) -> ToolCall:
    """The call with all that asking on its behalf needs."""
    return ToolCall.objects.select_related(
        "tool", "agent__process", "agent__owner_team", "process", "run", "credential"
    ).get(id=call_id)


def ask_for_compensation(call: ToolCall, *, actor: Actor, on_behalf_of: str, run_id: UUID | None) -> Intake:
    """Through the same intake as every call: grant, halts, policy, approval, exactly once. Raises Conflict where the
    call cannot be undone.
    """
    if (known := _under_way(call)) is not None:
        return known
    [plan] = plans_for([call])
    if plan.tool is None or plan.obstacle:
        if (meanwhile := _under_way(call)) is not None:
            return meanwhile
        raise Conflict(f"compensation.{plan.obstacle}", plan.why, tool_call_id=str(call.id))
    try:
        intake = request_tool_call(
            agent=call.agent, credential=call.credential, actor=actor, request=_request(plan, on_behalf_of, run_id)
        )
    except IntegrityError as error:
        if COMPENSATED_ONCE not in str(error):
            raise
        # somebody else asked at the same instant
        meanwhile = _under_way(call)
        if meanwhile is None:
            raise
        return meanwhile
    if intake.call.compensates_id != call.id:
        raise Conflict("compensation.key_taken", "The key under which this is undone belongs to another call.")
    tell_attempt(call, intake.call, by=actor.name)
    return intake


def _under_way(call: ToolCall) -> Intake | None:
    """Whoever asked first, asked for this one too."""
    live = live_compensation(call)
    return None if live is None else Intake(call=live, approval=live.approval, replayed=True)


def live_compensation(call: ToolCall) -> ToolCall | None:
    """The call that undoes this one, may have, or may still."""
    calls = ToolCall.objects.filter(compensates=call, state__in=EFFECTIVE_STATES)
    return calls.select_related("tool", "approval", "request", "result", "run").first()


def _request(plan: Plan, on_behalf_of: str, run_id: UUID | None) -> CallRequest:
    if plan.tool is None or plan.arguments is None:
        raise AssertionError("a plan without an obstacle has a tool and its arguments")
    return CallRequest(
        tool=plan.tool.name,
        arguments=plan.arguments,
        idempotency_key=key_for(plan.call),
        run_id=run_id,
        rationale=f"Undoes: {plan.what}",
        on_behalf_of=on_behalf_of,
        compensates=plan.call.id,
    )
