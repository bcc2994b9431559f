"""Which halts lay over a run while it lasted, as its story tells them."""

from django.db.models import Q, QuerySet
from django.urls import reverse

from apps.core import clock
from apps.core.actor import Actor
from apps.core.once import once
from apps.gateway.queries import calls_visible_to
from apps.halts.models import Halt, Mode
from apps.halts.queries import Reach, halts_visible_to, scope_key
from apps.runs.facts import HaltTold
from apps.runs.models import Run

MOST_TOLD = 50


def halts_of(actor: Actor, run: Run) -> list[HaltTold]:
    """One query, and one for what the calls touched where a halt was there. Whoever sees the run reads of the halts
    that they see; the operators' own words are not for agents.
    """
    over = halts_visible_to(actor).filter(environment=run.environment, placed_at__lt=run.ended_at or clock.now())
    over = over.filter(Q(lifted_at=None) | Q(lifted_at__gt=run.started_at))
    over = over.filter(Q(mode=Mode.STOP) | Q(expires_at__gt=run.started_at)).order_by("placed_at", "id")
    return once(("halts_of_run", actor.key, run.id), lambda: _read(actor, run, over))


def _read(actor: Actor, run: Run, over: "QuerySet[Halt]") -> list[HaltTold]:
    placed = list(over[:MOST_TOLD])
    touched = _touched(actor, run) if placed else frozenset()
    return [_told(actor, halt) for halt in placed if scope_key(halt) in touched]


def _touched(actor: Actor, run: Run) -> frozenset[tuple[str, str]]:
    """Every scope that the run or one of its calls is in."""
    columns = ("agent_id", "tool_id", "tool__connector_id", "entity_type", "entity_id", "on_behalf_of")
    calls = calls_visible_to(actor).filter(run=run).order_by()
    touched = list(calls.values_list(*columns).distinct()) or [(run.opened_by_id, None, None, "", "", None)]
    return frozenset().union(
        *(
            Reach(
                environment=run.environment,
                process_id=run.process_id,
                business_unit=run.process.business_unit,
                agent_id=agent,
                tool_id=tool,
                connector_id=connector,
                run_id=run.id,
                entity_type=entity_type,
                entity_id=entity_id,
                principal_id=person,
            ).scopes()
            for agent, tool, connector, entity_type, entity_id, person in touched
        )
    )


def _told(actor: Actor, halt: Halt) -> HaltTold:
    has_run_out = halt.mode != Mode.STOP and halt.expires_at <= clock.now()
    return HaltTold(
        at=halt.placed_at,
        ended_at=halt.lifted_at or (halt.expires_at if has_run_out else None),
        mode=halt.mode,
        scope=halt.scope_name,
        reason=halt.get_reason_code_display(),
        words="" if actor.is_agent else halt.reason,
        by=halt.placed_by_name,
        lifted_by=halt.lifted_by_name,
        lift_words="" if actor.is_agent else halt.lift_reason,
        url=reverse("halt", args=[halt.id]),
    )
