"""Erasing what no rule keeps any longer: by a job, in batches, each of them one transaction. A job that is killed has
erased and told whole batches and nothing else; the next one finds what is left. Two at once share the work.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from apps.artifacts.models import Artifact, StateVersion
from apps.audit import services as audit
from apps.core import clock, locks
from apps.core.actor import system_actor
from apps.core.ids import first_id_at
from apps.gateway.models import ToolCall
from apps.registry.models import Process, Tool
from apps.retention.models import Content, PurgedTrace, RetentionRule
from apps.retention.queries import Held, Rules, all_rules, held_now
from apps.retention.services import contents
from apps.retention.services.contents import Erased
from apps.retention.services.holds import LOCK
from apps.runs import erasures
from apps.runs.models import Run
from apps.telemetry.models import Trace
from apps.telemetry.queries import runs_of_traces

PURGE = system_actor("retention")
RUNS_AT_ONCE = 50
TRACES_AT_ONCE = 50
# Beyond so many batches the rest is left to the next job.
MOST_BATCHES = 200


@dataclass(frozen=True, slots=True)
class Due:
    """Things of one kind that one rule keeps no longer."""

    rule: RetentionRule
    items: QuerySet[Any]
    erase: Callable[[Sequence[UUID]], Erased]


def purge_due(*, most_batches: int = MOST_BATCHES) -> int:
    """Erase what is due; returns how many batches that took."""
    count = 0
    for process in Process.objects.order_by("slug"):
        for purge in (_purge_runs, _purge_traces):
            while count < most_batches and purge(process):
                count += 1
    return count


def _purge_runs(process: Process) -> bool:
    """One batch of what runs of the process hold; whether there was any."""
    with transaction.atomic():
        locks.take_shared(LOCK)
        held = held_now()
        if process.id in held.processes:
            return False
        return any(_purge(process, due, held) for due in _due(process, all_rules()))


def _due(process: Process, rules: Rules) -> Iterator[Due]:
    """By rule, the content that it decides on."""
    tools: dict[RetentionRule, list[UUID]] = defaultdict(list)
    for tool_id, classes in Tool.objects.values_list("id", "data_classes"):
        if (rule := rules.rule_for(process.id, Content.CALLS, classes)) is not None:
            tools[rule].append(tool_id)
    for rule, tool_ids in tools.items():
        yield Due(rule, contents.calls_to_erase().filter(process=process, tool__in=tool_ids), contents.erase_calls)
    kept: tuple[tuple[Content, type[StateVersion | Artifact], QuerySet[Any], Any], ...] = (
        (Content.STATE, StateVersion, contents.states_to_erase(), contents.erase_states),
        (Content.ARTIFACTS, Artifact, contents.artifacts_to_erase(), contents.erase_artifacts),
    )
    for content, model, items, erase in kept:
        if not any(key[1] == content for key in rules.by_key):
            continue
        of_process = model._default_manager.filter(run__process=process).order_by()
        named: dict[RetentionRule, list[str]] = defaultdict(list)
        for name in of_process.values_list("data_class", flat=True).distinct():
            if (rule := rules.rule_for(process.id, content, [name])) is not None:
                named[rule].append(name)
        for rule, names in named.items():
            yield Due(rule, items.filter(run__process=process, data_class__in=names), erase)


def _purge(process: Process, due: Due, held: Held) -> bool:
    """One batch: all that is due of some runs, the oldest first."""
    before = clock.now() - dt.timedelta(days=due.rule.days)
    ended = due.items.filter(run__ended_at__lt=before, run_id__lt=first_id_at(before)).exclude(run__in=held.runs)
    run_ids = set(ended.order_by("run_id").values_list("run_id", flat=True)[:RUNS_AT_ONCE])
    runs = list(Run.objects.filter(id__in=run_ids).select_for_update(skip_locked=True, of=("self",)).order_by("id"))
    of_runs: dict[UUID, list[UUID]] = defaultdict(list)
    for item_id, run_id in ended.filter(run__in=runs).values_list("id", "run_id"):
        of_runs[run_id].append(item_id)
    erased = [(run, due.erase(of_runs[run.id])) for run in runs if of_runs[run.id]]
    _tell(process, due.rule, erased)
    return bool(erased)


def _purge_traces(process: Process) -> bool:
    """One batch of what agents of the process reported; whether there was any."""
    with transaction.atomic():
        locks.take_shared(LOCK)
        held, rule = held_now(), all_rules().rule_for(process.id, Content.REPORTED)
        if rule is None or process.id in held.processes:
            return False
        before = clock.now() - dt.timedelta(days=rule.days)
        due = Trace.objects.filter(process=process, id__lt=first_id_at(before)).exclude(trace_id__in=held_traces(held))
        due = due.filter(~Exists(PurgedTrace.objects.filter(trace=OuterRef("id"))))
        traces = list(due.select_for_update(skip_locked=True, of=("self",)).order_by("id")[:TRACES_AT_ONCE])
        erased = contents.erase_reported([trace.id for trace in traces])
        if erased.count:
            _tell(process, rule, [(run, erased) for run in runs_of(traces)], total=erased)
    return bool(traces)


def held_traces(held: Held) -> set[UUID]:
    """The traces (by their W3C id) that belong to a run under hold."""
    of_calls = ToolCall.objects.filter(run__in=held.runs, trace_id__isnull=False).order_by()
    opened = Run.objects.filter(id__in=held.runs, trace_id__isnull=False)
    found = {*of_calls.values_list("trace_id", flat=True), *opened.values_list("trace_id", flat=True)}
    return {trace_id for trace_id in found if trace_id is not None}


def runs_of(traces: Sequence[Trace]) -> list[Run]:
    """Every run that one of the traces belongs to, once."""
    found: dict[UUID, Run] = {}
    places = {(trace.process_id, trace.environment) for trace in traces}
    for process_id, environment in places:
        ids = [trace.trace_id for trace in traces if (trace.process_id, trace.environment) == (process_id, environment)]
        for runs in runs_of_traces(process_id, environment, ids).values():
            found |= {run.id: run for run in runs}
    return list(found.values())


def _tell(
    process: Process, rule: RetentionRule, erased: Sequence[tuple[Run, Erased]], *, total: Erased | None = None
) -> None:
    """A step in each run, and one line in the log for the batch."""
    if not erased and total is None:
        return
    why, now = why_of(rule), clock.now()
    erasures.write(
        [erasures.erasure_span(run, what=one.what, by=PURGE.name, why=why, at=now, is_rule=True) for run, one in erased]
    )
    audit.record(
        PURGE,
        "retention.purged",
        subject_type="process",
        subject_id=process.id,
        subject_name=process.name,
        process=process.slug,
        reason=why,
        data={
            "content": rule.content,
            "data_class": rule.data_class,
            "days": rule.days,
            "rule_id": str(rule.id),
            "items": total.count if total else sum(one.count for _run, one in erased),
            "documents": sum(one.documents for _run, one in erased),
            "runs": [str(run.id) for run, _one in erased],
        },
    )


def why_of(rule: RetentionRule) -> str:
    """The rule as a story tells it."""
    of = f"{rule.data_class} " if rule.data_class else ""
    return f"the rule “{of}{rule.content}: {rule.days} days”"
