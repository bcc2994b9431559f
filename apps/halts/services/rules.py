"""Rules that place halts by themselves: the same object, through the same service and lock. They never lift one."""

import datetime as dt
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import structlog
from django.db import transaction

from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor, ActorKind
from apps.core.errors import Invalid, NotAllowed, NotFound
from apps.halts.above import Watch, above
from apps.halts.events import HaltRuleFired
from apps.halts.models import Condition, Halt, HaltRule, Mode, ReasonCode, Scope
from apps.halts.services.placing import place_halt
from apps.halts.targets import Target, target_for, target_of_rule
from apps.registry.models import Environment
from apps.registry.permissions import GOVERN
from apps.registry.queries import holds_mesh_wide, processes_visible_to, processes_where

log = structlog.get_logger(__name__)

WATCHED = (Scope.PROCESS, Scope.AGENT, Scope.TOOL)
LONGEST_WINDOW_SECONDS = 24 * 3600
MINUTE_SECONDS = 60
# What has a window of its own: a budget counts in its periods, and is asked about within a few seconds.
WINDOWS: dict[str, int] = {
    Condition.DENIED_PER_MINUTE: MINUTE_SECONDS,
    Condition.BUDGET_USED_UP: LONGEST_WINDOW_SECONDS,
}
WHOLE = 100
# A budget is set on a process or an agent, never on a tool.
WITH_BUDGETS = (Scope.PROCESS, Scope.AGENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleText:
    """What a rule says."""

    scope_type: str
    scope_reference: str
    environment: str
    condition: str
    threshold: int
    window_seconds: int
    least_calls: int = 10
    mode: str = Mode.HOLD
    is_dry: bool = True


def set_rule(*, actor: Actor, slug: str, text: RuleText) -> HaltRule:
    """Make a rule, or a new version of it. Whoever governs every process it touches may: it acts without asking."""
    _check(text)
    target = target_for(actor, scope_type=text.scope_type, reference=text.scope_reference, environment=text.environment)
    _require(actor, target)
    with transaction.atomic():
        earlier = HaltRule.objects.select_for_update().filter(slug=slug).order_by("-version").first()
        if earlier is not None and earlier.retired_at is None:
            _require(actor, target_of_rule(earlier))
            earlier.retired_at = clock.now()
            earlier.save(update_fields=["retired_at"])
        rule = HaltRule.objects.create(
            slug=slug,
            version=earlier.version + 1 if earlier else 1,
            scope_type=target.scope_type,
            scope_id=cast(UUID, target.scope_id),
            scope_name=target.name,
            environment=text.environment,
            condition=text.condition,
            threshold=WHOLE if text.condition == Condition.BUDGET_USED_UP else text.threshold,
            window_seconds=WINDOWS.get(text.condition, text.window_seconds),
            least_calls=text.least_calls,
            mode=text.mode,
            is_dry=text.is_dry,
            made_by=actor.key,
            made_by_name=actor.name,
            made_at=clock.now(),
        )
        _record(actor, "halt_rule.set", rule, target)
    return rule


def retire_rule(*, actor: Actor, slug: str) -> HaltRule:
    """Take a rule out of force. Halts it placed stay until a person lifts them or they expire."""
    with transaction.atomic():
        rule = HaltRule.objects.select_for_update().filter(slug=slug, retired_at=None).first()
        target = target_of_rule(rule) if rule else None
        if rule is None or target is None or not _sees(actor, target):
            raise NotFound("halt_rule.not_found", "There is no such rule.")
        _require(actor, target)
        rule.retired_at = clock.now()
        rule.save(update_fields=["retired_at"])
        _record(actor, "halt_rule.retired", rule, target)
    return rule


def watch_rules() -> int:
    """Look at every rule in force; returns how many found their condition true. What is wrong with one keeps no other
    from being looked at.
    """
    fired = 0
    for rule_id in list(HaltRule.objects.filter(retired_at=None).values_list("id", flat=True)):
        try:
            fired += _watch(rule_id)
        except Exception:
            log.exception("halt_rule.failed", rule_id=str(rule_id))
    return fired


def _watch(rule_id: UUID) -> bool:
    """Under the rule's row lock, so that two workers place one halt."""
    with transaction.atomic():
        rule = HaltRule.objects.select_for_update(skip_locked=True).filter(id=rule_id, retired_at=None).first()
        if rule is None or _holds_already(rule):
            return False
        found = above().measured(Watch(rule, rule.environment, rule.condition, _looks_since(rule), rule.least_calls))
        if found < rule.threshold:
            return False
        rule.fired_at = clock.now()
        rule.save(update_fields=["fired_at"])
        words = f"{rule}: {Condition(rule.condition).label.lower()}: {found}, at most {rule.threshold - 1}"
        halt = None if rule.is_dry else _place(rule, words)
        code = "halt_rule.would_have_placed" if halt is None else "halt_rule.placed"
        _record(actor_of_rule(rule), code, rule, target_of_rule(rule), reason=words)
        outbox.add(HaltRuleFired(rule=str(rule), halt_id=str(halt.id) if halt else ""))
    return True


def _place(rule: HaltRule, words: str) -> Halt:
    return place_halt(
        actor=actor_of_rule(rule),
        scope_type=rule.scope_type,
        scope_reference=str(rule.scope_id),
        environment=rule.environment,
        mode=rule.mode,
        reason_code=ReasonCode.BUDGET if rule.condition == Condition.BUDGET_USED_UP else ReasonCode.MALFUNCTION,
        reason=words[:500],
    )


def actor_of_rule(rule: HaltRule) -> Actor:
    """A rule acts in its own name."""
    return Actor(kind=ActorKind.SYSTEM, key=f"rule:{rule}", name=f"Rule {rule}")


def _holds_already(rule: HaltRule) -> bool:
    """By whatever version of it."""
    return Halt.objects.in_force().filter(placed_by__startswith=f"rule:{rule.slug}@").exists()


def _looks_since(rule: HaltRule) -> dt.datetime:
    """Never further back than the rule is old, nor than what it has acted on: who lifts its halt is not overruled by
    the same failures.
    """
    placed = Halt.objects.filter(placed_by__startswith=f"rule:{rule.slug}@").order_by("-id").first()
    ended = min(placed.lifted_at or placed.expires_at, placed.expires_at) if placed else None
    since = [clock.now() - dt.timedelta(seconds=rule.window_seconds), rule.made_at, ended, rule.fired_at]
    return max(moment for moment in since if moment is not None)


def _check(text: RuleText) -> None:
    choices = {
        "scope_type": (text.scope_type, WITH_BUDGETS if text.condition == Condition.BUDGET_USED_UP else WATCHED),
        "environment": (text.environment, Environment.values),
        "condition": (text.condition, Condition.values),
        "mode": (text.mode, Mode.values),
    }
    errors = [
        {"pointer": f"/{name}", "sentence": f"Must be one of {', '.join(allowed)}."}
        for name, (word, allowed) in choices.items()
        if word not in allowed
    ]
    most = 100 if text.condition == Condition.ERROR_RATE else 100_000
    limits = {
        "threshold": (text.threshold, 1, most),
        "window_seconds": (text.window_seconds, 1, LONGEST_WINDOW_SECONDS),
        "least_calls": (text.least_calls, 1, 100_000),
    }
    errors += [
        {"pointer": f"/{name}", "sentence": f"Must be from {least} to {greatest}."}
        for name, (number, least, greatest) in limits.items()
        if not least <= number <= greatest
    ]
    if errors:
        raise Invalid("halt_rule.invalid", "This rule does not say clearly when to stop what.", errors=errors)


def _require(actor: Actor, target: Target) -> None:
    governed = processes_where(actor, GOVERN).filter(id__in=target.processes).count()
    if holds_mesh_wide(actor, GOVERN) or (target.processes and governed == len(target.processes)):
        return
    raise NotAllowed("halt_rule.not_allowed", f"Setting this needs an owner of every process {target.name} touches.")


def _sees(actor: Actor, target: Target) -> bool:
    return processes_visible_to(actor).filter(id__in=target.processes).exists()


def _record(actor: Actor, code: str, rule: HaltRule, target: Target, *, reason: str = "") -> None:
    audit.record(
        actor,
        code,
        subject_type="halt_rule",
        subject_id=rule.id,
        subject_name=str(rule),
        process=target.process_slug,
        environment=rule.environment,
        reason=reason,
        outcome="dry" if rule.is_dry else rule.mode,
        data={
            "scope_type": rule.scope_type,
            "scope_id": str(rule.scope_id),
            "condition": rule.condition,
            "threshold": rule.threshold,
            "window_seconds": rule.window_seconds,
            "least_calls": rule.least_calls,
        },
    )
