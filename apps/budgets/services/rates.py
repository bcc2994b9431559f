"""Rates: how often calls may come. A call that comes too soon is answered before anything is written but the bucket
itself, so that a flood stays cheap.

The bucket is a row of PostgreSQL and nothing else: no cache that can be lost. Which rates there are every process
remembers for `RATES_REMEMBERED_SECONDS`; that is safe because a rate spares systems and promises nothing about money.
"""

import math
import time
from dataclasses import dataclass
from types import EllipsisType
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from apps.audit import services as audit
from apps.budgets.models import Rate, RateScope
from apps.budgets.queries import rates_visible_to
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Conflict, Exhausted, Invalid, NotAllowed, NotFound
from apps.core.ids import parse_uuid
from apps.registry.models import Agent, Environment, Process, Tool
from apps.registry.permissions import GOVERN
from apps.registry.queries import (
    agents_visible_to,
    holds_mesh_wide,
    processes_visible_to,
    processes_where,
    tools_visible_to,
)

MOST_CAPACITY = 100_000
ONE_RATE = "rate_once"
# Judged by the database's clock, which all nodes share. What is there now: what was, and what has flowed in since. It
# is filled up to when the statement began: counted up to when it ended, what flows in while many wait would be lost.
DRAW = """
UPDATE budgets_rate SET
  level = CASE WHEN {there} >= 1 THEN {there} - 1 ELSE {there} END,
  is_admitted = {there} >= 1,
  filled_at = GREATEST(filled_at, statement_timestamp()),
  refused_count = refused_count + CASE WHEN {there} >= 1 THEN 0 ELSE 1 END,
  refused_at = CASE WHEN {there} >= 1 THEN refused_at ELSE statement_timestamp() END
WHERE id = %s AND ended_at IS NULL
RETURNING is_admitted, level
""".format(
    there=(
        "LEAST(capacity, level + refill_per_second"
        " * GREATEST(EXTRACT(EPOCH FROM statement_timestamp() - filled_at), 0))"
    )
)

_remembered: tuple[float, dict[tuple[str, UUID], Rate]] | None = None


@dataclass(frozen=True, slots=True)
class WantedRate:
    """How often calls may come to what."""

    scope_type: str
    scope_reference: str
    environment: str
    capacity: int
    refill_per_second: float
    reason: str = ""


def check_rate(*, environment: str, agent_id: UUID, tool_id: UUID, process_id: UUID) -> None:
    """Draw one call from every bucket over it. Raises `rate_limited` with the time until the next call. What was drawn
    from one bucket before another refused is not put back.
    """
    rates = _rates()
    if not rates:
        return
    for scope_id in (agent_id, tool_id, process_id):
        rate = rates.get((environment, scope_id))
        if rate is not None:
            _draw(rate)


def set_rate(*, actor: Actor, wanted: WantedRate, instead_of: UUID | EllipsisType | None = ...) -> Rate:
    """Set how often calls may come; another rate on the same scope takes its place. The bucket begins full.

    `instead_of` is the rate that whoever asks has seen there, None for none: where another stands there by now it is a
    Conflict. Of two at the same instant one is, too.
    """
    check_wanted_rate(wanted)
    found = rate_target_for(actor, wanted)
    if not _may_govern(actor, found):
        raise NotAllowed("rate.not_allowed", f"Only whoever governs {found.name} may set its rate.")
    try:
        rate = _replace(actor, wanted, found, instead_of)
    except IntegrityError as error:
        if ONE_RATE not in str(error):
            raise
        raise _stale() from None
    forget_rates()
    return rate


def _replace(
    actor: Actor, wanted: WantedRate, found: Agent | Process | Tool, instead_of: UUID | EllipsisType | None
) -> Rate:
    with transaction.atomic():
        in_force = Rate.objects.select_for_update().filter(
            scope_id=found.id, environment=wanted.environment, ended_at=None
        )
        present = in_force.first()
        if instead_of is not ... and instead_of != (present.id if present else None):
            raise _stale(present)
        if present is not None:
            present.ended_at, present.ended_by_name = clock.now(), actor.name
            present.save(update_fields=["ended_at", "ended_by_name"])
        rate = Rate(
            scope_type=wanted.scope_type,
            scope_id=found.id,
            scope_name=found.name,
            environment=wanted.environment,
            capacity=wanted.capacity,
            refill_per_second=wanted.refill_per_second,
            level=wanted.capacity,
            set_by=actor.key,
            set_by_name=actor.name,
            set_at=clock.now(),
        )
        rate.save(force_insert=True)
        _record(actor, "rate.set", rate, reason=wanted.reason)
        transaction.on_commit(forget_rates)
    return rate


def _stale(present: Rate | None = None) -> Conflict:
    if present is None:
        return Conflict("rate.stale", "Somebody has set or ended this rate since. Look at it again.")
    return Conflict("rate.stale", f"{present.set_by_name} has set another rate since: {present}. Look at it again.")


def end_rate(*, actor: Actor, rate_id: UUID, reason: str) -> Rate:
    """From now on calls may come as often as they like."""
    if not reason.strip():
        raise Invalid("rate.reason_missing", "Say why this needs no rate any more.")
    with transaction.atomic():
        rate = rates_visible_to(actor).select_for_update().filter(id=rate_id).first()
        if rate is None:
            raise NotFound("rate.not_found", "There is no such rate.")
        found = _scope_of(rate)
        if not _may_govern(actor, found):
            raise NotAllowed("rate.not_allowed", f"Only whoever governs {found.name} may end its rate.")
        if rate.ended_at is not None:
            raise Conflict("rate.already_ended", f"{rate.ended_by_name} has ended this rate already.")
        rate.ended_at, rate.ended_by_name = clock.now(), actor.name
        rate.save(update_fields=["ended_at", "ended_by_name"])
        _record(actor, "rate.ended", rate, reason=reason)
    forget_rates()
    return rate


def forget_rates() -> None:
    """Let this process read anew which rates there are; others do so by themselves."""
    global _remembered
    _remembered = None


def _rates() -> dict[tuple[str, UUID], Rate]:
    """The rates in force by environment and what they are on; ids are unique across what a rate can name."""
    global _remembered
    now = time.monotonic()
    if _remembered is None or now - _remembered[0] > settings.RATES_REMEMBERED_SECONDS:
        rows = Rate.objects.filter(ended_at=None)
        _remembered = now, {(row.environment, row.scope_id): row for row in rows}
    return _remembered[1]


def _draw(rate: Rate) -> None:
    with connection.cursor() as cursor:
        cursor.execute(DRAW, [rate.id])
        answer = cursor.fetchone()
    if answer is None or answer[0]:  # ended since this process looked, or let through
        return
    seconds = max(math.ceil((1 - answer[1]) / rate.refill_per_second), 1)
    raise Exhausted(
        "rate_limited",
        f"Calls to {rate.scope_name} come too often: {rate.refill_per_second:g} a second are let through, "
        f"{rate.capacity} at once.",
        retry_after_seconds=seconds,
        rate={
            "id": str(rate.id),
            "scope": {"type": rate.scope_type, "name": rate.scope_name},
            "capacity": rate.capacity,
            "refill_per_second": rate.refill_per_second,
        },
    )


def rate_target_for(actor: Actor, wanted: WantedRate) -> Agent | Process | Tool:
    """What the rate is on. Raises NotFound for what the actor may not see."""
    reference = wanted.scope_reference
    as_id = parse_uuid(reference)
    found: Agent | Process | Tool | None
    if wanted.scope_type == RateScope.TOOL:
        tools = tools_visible_to(actor)
        found = (tools.filter(id=as_id) if as_id else tools.filter(name=reference)).first()
    elif wanted.scope_type == RateScope.PROCESS:
        processes = processes_visible_to(actor)
        found = (processes.filter(id=as_id) if as_id else processes.filter(slug=reference)).first()
    else:
        agents = agents_visible_to(actor).select_related("process").filter(environment=wanted.environment)
        found = (agents.filter(id=as_id) if as_id else agents.filter(slug=reference)).first()
    if found is None:
        raise NotFound("rate.scope_not_found", f"There is no {wanted.scope_type} {reference!r} that you may see.")
    return found


def _scope_of(rate: Rate) -> Agent | Process | Tool:
    if rate.scope_type == RateScope.TOOL:
        return Tool.objects.get(id=rate.scope_id)
    if rate.scope_type == RateScope.PROCESS:
        return Process.objects.get(id=rate.scope_id)
    return Agent.objects.select_related("process").get(id=rate.scope_id)


def may_govern_rate(actor: Actor, rate: Rate) -> bool:
    """Whether the actor may change or end a rate they see."""
    return _may_govern(actor, _scope_of(rate))


def _may_govern(actor: Actor, found: Agent | Process | Tool) -> bool:
    """A tool is shared by processes, so it takes the whole mesh."""
    if isinstance(found, Tool):
        return holds_mesh_wide(actor, GOVERN)
    process_id = found.process_id if isinstance(found, Agent) else found.id
    return processes_where(actor, GOVERN).filter(id=process_id).exists()


def check_wanted_rate(wanted: WantedRate) -> None:
    """Raises Invalid with a pointer for each part that does not say clearly how often calls may come."""
    errors = []
    if wanted.scope_type not in RateScope.values or "\0" in wanted.scope_reference:
        errors.append({"pointer": "/scope", "sentence": f"Must be one of {', '.join(RateScope.values)}."})
    if wanted.environment not in Environment.values:
        errors.append({"pointer": "/environment", "sentence": f"Must be one of {', '.join(Environment.values)}."})
    if not 1 <= wanted.capacity <= MOST_CAPACITY:
        errors.append({"pointer": "/capacity", "sentence": f"From 1 to {MOST_CAPACITY} calls at once."})
    if not 0 < wanted.refill_per_second <= MOST_CAPACITY:
        errors.append({"pointer": "/refill_per_second", "sentence": "More than nothing, or it is a halt."})
    if errors:
        raise Invalid("rate.invalid", "This rate does not say clearly how often calls may come.", errors=errors)


def _record(actor: Actor, code: str, rate: Rate, *, reason: str) -> None:
    scope = _scope_of(rate)
    process = scope.process.slug if isinstance(scope, Agent) else scope.slug if isinstance(scope, Process) else ""
    audit.record(
        actor,
        code,
        subject_type="rate",
        subject_id=rate.id,
        subject_name=str(rate),
        process=process,
        environment=rate.environment,
        reason=reason,
        data={
            "scope_type": rate.scope_type,
            "scope_id": str(rate.scope_id),
            "capacity": rate.capacity,
            "refill_per_second": rate.refill_per_second,
            "refused_count": rate.refused_count,
        },
    )
