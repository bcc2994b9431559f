"""A call under the budgets that cover it: what it reserves, and what each of its ends does to that.

`holds_budget` on the call says that there is a reservation somewhere, so that a call under no budget asks the ledger
nothing when it ends.
"""

import datetime as dt
from typing import Any

from apps.budgets import services as budgets
from apps.budgets.charges import Charge, Reach, budgets_over, is_reserved_by_calls
from apps.budgets.models import Budget
from apps.budgets.refusals import BudgetRefusal
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Exhausted
from apps.core.generations import Moment
from apps.core.ids import uuid7
from apps.core.money import Money
from apps.core.rows import insert
from apps.gateway.models import CallState, ToolCall
from apps.gateway.telling import add_call_span, money_of, tell_end
from apps.registry.models import Agent, Tool
from apps.runs.models import Run, SpanKind, SpanStatus

# The effect is there, or may be: what was reserved is used, or kept until a person knows.
USED = (CallState.SUCCEEDED, CallState.COMPENSATED)
KEPT = (CallState.OUTCOME_UNKNOWN, CallState.EXECUTING, CallState.AWAITING_APPROVAL, CallState.QUEUED)


def check_rate(*, agent: Agent, tool: Tool) -> None:
    """Before anything is written: raise `rate_limited` for a call that comes too soon. None where no rate is known."""
    budgets.check_rate(environment=agent.environment, agent_id=agent.id, tool_id=tool.id, process_id=agent.process_id)


def budgets_of(*, agent: Agent, tool: Tool, arguments_digest: str, run: Run, moment: Moment) -> list[Budget]:
    """The budgets over a new call, with the moment read under the shared halts lock: one that was set before is seen. A
    run that goes in circles is refused here, before anything is decided.
    """
    found = budgets_over(Reach.of(agent), moment=moment)
    if found and not run.is_implicit:
        same = ToolCall.objects.filter(
            run_id=run.id, tool_id=tool.id, arguments_digest=arguments_digest, holds_key=True
        )

        def count_since(moment: dt.datetime | None) -> int:
            return (same.filter(requested_at__gt=moment) if moment else same).count()

        budgets.check_loop(
            budgets=found,
            run_id=run.id,
            agent=agent,
            tool_name=tool.name,
            count_since=count_since,
        )
    return found


def holds_any(found: list[Budget]) -> bool:
    """Whether a call under these budgets reserves something."""
    return any(is_reserved_by_calls(budget) for budget in found)


def reserve(call: ToolCall, found: list[Budget]) -> None:
    """The last step of intake: from here to the commit the counters are locked. Raises the refusal."""
    if found:
        budgets.reserve(_charge(call), found)


def reserve_again(call: ToolCall) -> None:
    """Reserve for a waiting call as it is now, in the present periods. Raises the refusal, with nothing changed. The
    caller holds its row lock.
    """
    found = budgets_over(Reach.of(call.agent))
    if not found and not call.holds_budget:
        return
    holds_budget = budgets.reserve_again(_charge(call), found)
    if holds_budget != call.holds_budget:
        call.holds_budget = holds_budget
        call.save(update_fields=["holds_budget"])


def refusal_to_release(call: ToolCall) -> BudgetRefusal | None:
    """Reserve for the release of a call that people agreed to; why it cannot be released, None when it can."""
    try:
        reserve_again(call)
    except BudgetRefusal as refusal:
        return refusal
    return None


def close(call: ToolCall) -> None:
    """Bring the ledger to the call's state, in the transaction that set it. Nothing happens the second time."""
    if not call.holds_budget or call.state in KEPT:
        return
    if call.state in USED:
        budgets.settle(call.id)
    elif call.state == CallState.FAILED:
        budgets.release_failed(call.id)
    else:
        budgets.release(call.id)


def check_room(*, agent: Agent, tool: Tool, money: Money | None) -> None:
    """Raise the refusal a new call in a run of its own would get. Reserves nothing."""
    found = budgets_over(Reach.of(agent))
    if found:
        budgets.check_room(Charge(uuid7(), uuid7(), money, tool.has_money), found)


def record_refusal(call: ToolCall, refusal: BudgetRefusal, *, actor: Actor) -> None:
    """Write the attempt, after the transaction that was refused is gone. Its key stays free: later it may be asked for
    again.
    """
    call.holds_key = False
    call.finished_at = clock.now()
    call.error_code = refusal.code
    call.error_sentence = refusal.sentence[:500]
    insert(call)
    add_call_span(
        call,
        SpanKind.DECISION,
        SpanStatus.REFUSED,
        started_at=call.requested_at,
        note=call.error_sentence,
        attributes={"code": refusal.code, **refusal.facts},
    )
    if refusal.hold is not None and refusal.hold._state.adding:
        budgets.hold_run(refusal.hold, process=call.process, environment=call.environment)
    tell_end(call, actor=actor, data={"code": refusal.code, **refusal.facts})


def told(refusal: BudgetRefusal, resource: dict[str, Any]) -> Exhausted:
    """The refusal with the call that records it."""
    return Exhausted(
        refusal.code,
        refusal.sentence,
        retry_after_seconds=refusal.retry_after_seconds,
        **resource,
        **refusal.details,
    )


def _charge(call: ToolCall) -> Charge:
    return Charge(call.id, call.run_id, money_of(call), call.tool.has_money)
