"""Setting and ending budgets. When `set_budget` has returned, the budget holds for every call decided afterwards, on
any node: it takes the lock that halts take, which every decision shares.
"""

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from apps.audit import services as audit
from apps.budgets.models import IN_MONEY, OF_A_RUN, REPORTED, Budget, BudgetPeriod, Measure, Scope, Window
from apps.budgets.queries import Target, budget_for, target_for
from apps.core import clock, locks
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.core.money import MAX_MINOR, Money
from apps.registry.models import Environment
from apps.registry.permissions import GOVERN
from apps.registry.queries import holds_mesh_wide, processes_where


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be capped, and by how much. Amounts are whole minor units, tokens, calls, steps or repeats."""

    scope_type: str
    scope_reference: str
    environment: str
    measure: str
    window: str
    cap: int
    currency: str = ""
    estimate: int | None = None
    reason: str = ""


def set_budget(*, actor: Actor, wanted: Wanted) -> Budget:
    """Set a budget, or another cap on the one that is in force for the same scope, measure, currency and window.

    Another cap counts from this moment for the present periods too, and what was used stays used: lowered below it, a
    budget is used up.
    """
    check_wanted(wanted)
    target = target_for(
        actor, scope_type=wanted.scope_type, reference=wanted.scope_reference, environment=wanted.environment
    )
    if not may_govern(actor, target):
        raise NotAllowed("budget.not_allowed", f"Only whoever governs {target.name} may set its budgets.")
    with transaction.atomic():
        # waits for the decisions under way to commit; those that come later read the budgets anew
        locks.take_exclusive(locks.HALTS)
        # no key lock: a report under way holds the counter and wants only that the budget stays there
        present = Budget.objects.select_for_update(no_key=True).filter(
            scope_type=target.scope_type,
            scope_id=target.scope_id,
            environment=wanted.environment,
            measure=wanted.measure,
            currency=wanted.currency,
            window=wanted.window,
            ended_at=None,
        )
        budget = present.first()
        return _change(actor, budget, wanted, target) if budget else _make(actor, wanted, target)


def end_budget(*, actor: Actor, budget_id: UUID, reason: str) -> Budget:
    """From now on no call is counted under it. What is reserved is settled or released as it would have been."""
    if not reason.strip():
        raise Invalid(
            "budget.reason_missing",
            "Say why this needs no cap any more.",
            errors=[{"pointer": "/reason", "sentence": "Missing."}],
        )
    with transaction.atomic():
        budget = budget_for(actor, budget_id, lock=True)
        target = target_of(actor, budget)
        if not may_govern(actor, target):
            raise NotAllowed("budget.not_allowed", f"Only whoever governs {target.name} may end its budgets.")
        if budget.ended_at is not None:
            raise Conflict("budget.already_ended", f"{budget.ended_by_name} has ended this budget already.")
        budget.ended_at = clock.now()
        budget.ended_by, budget.ended_by_name, budget.end_reason = actor.key, actor.name, reason
        budget.save(update_fields=["ended_at", "ended_by", "ended_by_name", "end_reason"])
        _record(actor, "budget.ended", budget, target, reason=reason, data={"cap": budget.cap})
    return budget


def may_govern(actor: Actor, target: Target) -> bool:
    """Of an agent or a process whoever governs the process; of anything wider whoever governs the whole mesh."""
    if target.process is None:
        return holds_mesh_wide(actor, GOVERN)
    return processes_where(actor, GOVERN).filter(id=target.process.id).exists()


def target_of(actor: Actor, budget: Budget) -> Target:
    """What a budget the actor may see is set on."""
    return target_for(actor, scope_type=budget.scope_type, reference=budget.scope_id, environment=budget.environment)


def _make(actor: Actor, wanted: Wanted, target: Target) -> Budget:
    budget = Budget.objects.create(
        scope_type=target.scope_type,
        scope_id=target.scope_id,
        scope_name=target.name,
        environment=wanted.environment,
        measure=wanted.measure,
        currency=wanted.currency,
        window=wanted.window,
        cap=wanted.cap,
        estimate=wanted.estimate,
        time_zone=target.time_zone,
        reason=wanted.reason,
        set_by=actor.key,
        set_by_name=actor.name,
        set_at=clock.now(),
    )
    _record(actor, "budget.set", budget, target, reason=wanted.reason, data={"cap": budget.cap})
    return budget


def _change(actor: Actor, budget: Budget, wanted: Wanted, target: Target) -> Budget:
    """Another cap on the same ledger. `ceiling` holds what stands there already where the cap falls below it."""
    if (budget.cap, budget.estimate) == (wanted.cap, wanted.estimate):
        return budget
    before = {"cap": budget.cap, "estimate": budget.estimate}
    budget.cap, budget.estimate, budget.reason = wanted.cap, wanted.estimate, wanted.reason
    budget.set_by, budget.set_by_name, budget.set_at = actor.key, actor.name, clock.now()
    budget.save(update_fields=["cap", "estimate", "reason", "set_by", "set_by_name", "set_at"])
    open_periods = BudgetPeriod.objects.filter(budget=budget).exclude(ends_at__lte=clock.now())
    open_periods.update(cap=wanted.cap, ceiling=Greatest(wanted.cap, F("settled") + F("reserved")))
    after = {"cap": budget.cap, "estimate": budget.estimate}
    _record(actor, "budget.changed", budget, target, reason=wanted.reason, data={"before": before, "after": after})
    return budget


def check_wanted(wanted: Wanted) -> None:
    """Raises Invalid with a pointer for each part that does not say clearly what to cap."""
    errors = [
        {"pointer": f"/{name}", "sentence": f"Must be one of {', '.join(choices)}."}
        for name, word, choices in (
            ("scope", wanted.scope_type, Scope.values),
            ("environment", wanted.environment, Environment.values),
            ("measure", wanted.measure, Measure.values),
            ("window", wanted.window, Window.values),
        )
        if word not in choices
    ]
    if not 0 <= wanted.cap <= MAX_MINOR:
        errors.append({"pointer": "/cap", "sentence": "Must be a whole number, none or more."})
    if wanted.measure == Measure.REPEATS and wanted.cap < 1:
        errors.append({"pointer": "/cap", "sentence": "Once must be allowed."})
    if wanted.measure in OF_A_RUN and wanted.window != Window.RUN:
        errors.append({"pointer": "/window", "sentence": "Steps and repeats are counted in a run."})
    errors += _errors_of_currency(wanted)
    if wanted.estimate is not None and not 0 < wanted.estimate <= MAX_MINOR:
        errors.append({"pointer": "/estimate", "sentence": "An estimate is more than nothing."})
    if wanted.measure in REPORTED and wanted.estimate is None:
        errors.append({"pointer": "/estimate", "sentence": "Say what a report without a number counts as."})
    if errors:
        raise Invalid("budget.invalid", "This budget does not say clearly what to cap.", errors=errors)


def _errors_of_currency(wanted: Wanted) -> list[dict[str, str]]:
    if wanted.measure not in IN_MONEY:
        return [{"pointer": "/currency", "sentence": "Only money has a currency."}] if wanted.currency else []
    try:
        Money.parse(0, wanted.currency)
    except Invalid as error:
        return [{"pointer": "/currency", "sentence": error.sentence}]
    return []


def _record(actor: Actor, code: str, budget: Budget, target: Target, *, reason: str, data: dict[str, object]) -> None:
    audit.record(
        actor,
        code,
        subject_type="budget",
        subject_id=budget.id,
        subject_name=str(budget),
        process=target.process.slug if target.process else "",
        environment=budget.environment,
        reason=reason,
        data={
            "scope_type": budget.scope_type,
            "scope_id": budget.scope_id,
            "measure": budget.measure,
            "currency": budget.currency or None,
            "window": budget.window,
            **data,
        },
    )
