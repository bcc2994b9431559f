"""What agents report of their model calls: counted under the budgets of model cost, tokens and steps. It has been used
already, so it is never refused for want of room; what goes beyond a cap is its overrun, and closes it.
"""

from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.budgets import ledger
from apps.budgets.charges import Reach, budgets_over
from apps.budgets.models import Budget, Measure, Usage
from apps.budgets.periods import period_at
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Conflict
from apps.core.money import Money
from apps.registry.models import Agent


def record_usage(
    *,
    actor: Actor,
    agent: Agent,
    key: str,
    run_id: UUID | None = None,
    model: str = "",
    tokens: int | None = None,
    cost: Money | None = None,
) -> Usage:
    """Count one model call. A number that is not known counts as the budget's estimate, never as nothing. The same key
    again is the same report; with other numbers it is a conflict.
    """
    now = clock.now()
    with transaction.atomic():
        usage, is_new = Usage.objects.get_or_create(
            agent_id=agent.id,
            key=key,
            defaults={
                "run_id": run_id,
                "model": model,
                "tokens": tokens,
                "cost_minor": cost.minor if cost else None,
                "currency": cost.currency if cost else "",
                "reported_at": now,
            },
        )
        if not is_new:
            _check_same(usage, tokens, cost)
            return usage
        _record(actor, agent, usage)
        for budget in budgets_over(Reach.of(agent)):
            amount = _amount(budget, tokens, cost)
            period = period_at(budget, now, run_id)
            if amount is not None and period is not None:
                ledger.report(budget, period, usage.id, amount)
    return usage


def _amount(budget: Budget, tokens: int | None, cost: Money | None) -> int | None:
    if budget.measure == Measure.STEPS:
        return 1
    if budget.measure == Measure.TOKENS:
        return budget.estimate if tokens is None else tokens
    if budget.measure != Measure.MODEL_COST:
        return None
    if cost is None:
        return budget.estimate
    return cost.minor if cost.currency == budget.currency else None


def _record(actor: Actor, agent: Agent, usage: Usage) -> None:
    cost = {"minor": usage.cost_minor, "currency": usage.currency} if usage.cost_minor is not None else None
    audit.record(
        actor,
        "usage.reported",
        subject_type="usage",
        subject_id=usage.id,
        subject_name=usage.model,
        process=agent.process.slug,
        environment=agent.environment,
        run_id=usage.run_id,
        data={"tokens": usage.tokens, "cost": cost},
    )


def _check_same(usage: Usage, tokens: int | None, cost: Money | None) -> None:
    said = (usage.tokens, usage.cost_minor, usage.currency)
    if said != (tokens, cost.minor if cost else None, cost.currency if cost else ""):
        raise Conflict("usage.conflict", "This key was reported before with other numbers.")
