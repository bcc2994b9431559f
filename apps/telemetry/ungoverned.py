"""Ungoverned actions: tools that agents say they executed, with no enforced call behind it. Found by a job, within a
minute; listed until a person says what each was.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.tracing import hex_of_span
from apps.registry.models import Agent
from apps.registry.permissions import OPERATE
from apps.registry.queries import processes_visible_to, require
from apps.runs.models import Run
from apps.telemetry.events import UngovernedActionAcknowledged, UngovernedActionFound
from apps.telemetry.matching import Execution, executions_of, match
from apps.telemetry.models import GovernedExecution, ToolReport, Trace, UngovernedAction, UngovernedExecution
from apps.telemetry.queries import runs_of_traces

FINDER = system_actor("ungoverned-actions")
# What is behind an execution may be told a moment after it. With the job's own ten seconds that stays within a minute.
GRACE = dt.timedelta(seconds=20)
# So long for one in whose trace a call was made by a span that nobody has told of yet.
PATIENCE = dt.timedelta(seconds=45)
BATCH_SIZE = 500
MOST_REASON = 500


def actions_visible_to(actor: Actor | None) -> QuerySet[UngovernedAction]:
    """Those of the processes this actor sees."""
    actions = UngovernedAction.objects.select_related("process", "agent")
    return actions.filter(process__in=processes_visible_to(actor))


def action_for(actor: Actor, action_id: UUID) -> UngovernedAction:
    """One that this actor may see. Raises NotFound."""
    action = actions_visible_to(actor).filter(id=action_id).first()
    if action is None:
        raise NotFound("ungoverned.not_found", "There is no such action.")
    return action


@dataclass(frozen=True, slots=True)
class ShownExecution:
    """One execution by the ids its agent knows it by, and the runs its trace belongs to, newest first."""

    at: dt.datetime
    trace_id: str
    span_id: str
    runs: list[Run]


def shown_executions(action: UngovernedAction, executions: Sequence[UngovernedExecution]) -> list[ShownExecution]:
    """These executions of one action, whose runs whoever sees the action sees too. Three queries for any number."""
    traces = {one.id: one.trace_id for one in Trace.objects.filter(id__in={one.trace for one in executions})}
    runs = runs_of_traces(action.process_id, action.environment, set(traces.values()))
    return [
        ShownExecution(
            one.at,
            traces[one.trace].hex if one.trace in traces else "",
            hex_of_span(one.span_id),
            runs.get(traces[one.trace], []) if one.trace in traces else [],
        )
        for one in executions
    ]


def acknowledge_ungoverned_action(
    *, action_id: UUID, actor: Actor, reason: str, execution_count: int
) -> UngovernedAction:
    """Say what it was. It closes with the executions that were shown; raises Conflict when there are more by now, and
    when somebody else was first.
    """
    if not reason.strip():
        errors = [{"pointer": "/reason", "sentence": "Missing."}]
        raise Invalid("ungoverned.reason_missing", "Say what it was, or what was done about it.", errors=errors)
    seen = action_for(actor, action_id)
    require(actor, OPERATE, seen.process)
    with transaction.atomic():
        action = actions_visible_to(actor).select_for_update(of=("self",)).get(id=seen.id)
        if not action.is_open:
            who = action.acknowledged_by_name
            raise Conflict("ungoverned.already_acknowledged", f"{who} has acknowledged it already.")
        if action.execution_count != execution_count:
            more = action.execution_count
            raise Conflict("ungoverned.more_came", f"There are {more} executions by now. Look at them first.")
        action.acknowledged_by, action.acknowledged_by_name = actor.key, actor.name
        action.acknowledged_at, action.reason = clock.now(), reason.strip()[:MOST_REASON]
        action.save(update_fields=["acknowledged_by", "acknowledged_by_name", "acknowledged_at", "reason"])
        _record(actor, "ungoverned.acknowledged", action, reason=action.reason)
        outbox.add(UngovernedActionAcknowledged(action_id=str(action.id)))
    return action


def find_ungoverned_actions() -> int:
    """Look at every reported tool execution that is old enough; returns how many have no call behind them."""
    found = 0
    while True:
        looked_at, ungoverned = _look_at_batch()
        found += ungoverned
        if looked_at < BATCH_SIZE:
            return found


def _look_at_batch() -> tuple[int, int]:
    """(reports settled, executions found ungoverned). A batch is settled whole or, by a killed worker, not at all."""
    now = clock.now()
    with transaction.atomic():
        due = ToolReport.objects.select_for_update(skip_locked=True).filter(received_at__lte=now - GRACE)
        reports = {(one.trace, one.span_id): one for one in due.order_by("received_at", "id")[:BATCH_SIZE]}
        executions = executions_of(reports)
        matches = match(executions)
        waiting = {key for key in matches.undecided if reports[key].received_at > now - PATIENCE}
        GovernedExecution.objects.bulk_create(matches.governed, ignore_conflicts=True)
        ungoverned = [one for one in executions if one.key not in matches.explained | waiting]
        for agent_id, tool_name, group in _groups(ungoverned):
            _note(agent_id, tool_name, group)
        settled = [one.id for key, one in reports.items() if key not in waiting]
        ToolReport.objects.filter(id__in=settled).delete()
    return len(settled), len(ungoverned)


def _groups(executions: list[Execution]) -> list[tuple[UUID, str, list[Execution]]]:
    """By agent and tool, in one order, so that two jobs never wait for each other."""
    groups: dict[tuple[UUID, str], list[Execution]] = defaultdict(list)
    for one in executions:
        groups[one.agent_id, one.tool_name[:120]].append(one)
    return [(agent, tool, groups[agent, tool]) for agent, tool in sorted(groups)]


def _note(agent_id: UUID, tool_name: str, executions: list[Execution]) -> None:
    agent = Agent.objects.select_related("process").get(id=agent_id)
    first, last = min(one.started_at for one in executions), max(one.started_at for one in executions)
    action, is_new = UngovernedAction.objects.select_for_update().get_or_create(
        agent=agent,
        tool_name=tool_name,
        acknowledged_at=None,
        defaults={
            "process": agent.process,
            "environment": agent.environment,
            "first_at": first,
            "last_at": last,
            "found_at": clock.now(),
        },
    )
    UngovernedExecution.objects.bulk_create(
        [
            UngovernedExecution(action=action, trace=one.key[0], span_id=one.key[1], at=one.started_at)
            for one in executions
        ]
    )
    action.execution_count += len(executions)
    action.first_at, action.last_at = min(action.first_at, first), max(action.last_at, last)
    action.save(update_fields=["execution_count", "first_at", "last_at"])
    if is_new:
        _record(FINDER, "ungoverned.found", action)
        outbox.add(UngovernedActionFound(action_id=str(action.id)))


def _record(actor: Actor, code: str, action: UngovernedAction, *, reason: str = "") -> None:
    audit.record(
        actor,
        code,
        subject_type="ungoverned_action",
        subject_id=action.id,
        subject_name=action.tool_name,
        process=action.process.slug,
        environment=action.environment,
        reason=reason,
        data={"agent": action.agent.slug, "executions": action.execution_count},
    )
