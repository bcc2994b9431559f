"""What this floor knows of a run, for its story and for the list of runs: calls, decisions, votes, halts over it, its
undoing, its cost. A fixed number of queries, whatever the run has done: what is many is counted, not read.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, Prefetch, Q, QuerySet, Sum
from django.urls import reverse

from apps.approvals.models import Approval, FeedbackReason, Stage, Vote
from apps.approvals.queries import rules_for
from apps.approvals.worktime import calendar_for, working_seconds_between
from apps.budgets.models import Usage
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.core.once import read_once
from apps.gateway.arguments import sentence_for
from apps.gateway.consent import SUBJECT_TYPE
from apps.gateway.models import (
    OPEN_STATES,
    CallState,
    CallVersion,
    Decision,
    DecisionMoment,
    Resolution,
    ToolCall,
    Unwind,
)
from apps.gateway.queries import calls_visible_to
from apps.gateway.run_briefs import briefs_of
from apps.gateway.run_content import content_of
from apps.gateway.run_halts import halts_of
from apps.gateway.seen import arguments_for, result_for
from apps.gateway.shown import name_of_voter
from apps.gateway.stored import sentences_of
from apps.gateway.telling import money_of
from apps.registry.models import Agent, Effect, Tool
from apps.runs.facts import (
    Above,
    AskTold,
    CallTold,
    Cost,
    Facts,
    FindingTold,
    FoldTold,
    RuleTold,
    StageTold,
    Totals,
    UndoneTold,
    UnwindTold,
    VoteTold,
    Wait,
)
from apps.runs.models import Run
from apps.runs.wording import sums
from apps.vault import services as vault

# Groups of calls or reports, as the database counted them.
Rows = Sequence[Any]
# So many calls of a run are told one by one; the rest is told by agent and tool.
MOST_TOLD = 30
# Of so many alike, none is told by itself.
ALIKE_FROM = 4
# A row names so many runs at most; a business record that more have touched is a filter of its own.
MOST_NAMED = 1000
# What needed people, was undone or is in doubt is told before what simply happened.
NOTABLE = Q(approval__isnull=False) | Q(compensates__isnull=False) | Q(resolution__isnull=False)
NOTABLE_STATES = (CallState.OUTCOME_UNKNOWN, CallState.COMPENSATED, CallState.HALTED, CallState.DENIED)


@read_once()
def facts_of(actor: Actor, run: Run) -> Facts:
    """All that is told of the run, as this actor may see it."""
    calls = calls_visible_to(actor).filter(run=run).order_by()
    groups = list(
        calls.values("agent_id", "tool_id", "tool__effect", "state", "currency")
        .annotate(count=Count("id"), sum=Sum("money_minor"), first=Min("requested_at"), last=Max("requested_at"))
        .annotate(notable=Count("id", filter=NOTABLE | Q(state__in=NOTABLE_STATES)))
        .order_by("agent_id", "tool_id", "state", "currency")
    )
    told = _told_calls(calls, groups)
    return Facts(
        calls=tuple(_calls(actor, run, told)),
        folds=tuple(_folds(groups, told)),
        unwinds=tuple(_unwinds(run)),
        undoes=_undoes(run),
        totals=_totals(groups),
    )


def _told_calls(calls: "QuerySet[ToolCall]", groups: Rows) -> list[ToolCall]:
    """Those told one by one: notable ones first, and the plain ones where they are few of their kind."""
    plain: dict[tuple[UUID, UUID], int] = defaultdict(int)
    for group in groups:
        plain[group["agent_id"], group["tool_id"]] += group["count"] - group["notable"]
    chosen = NOTABLE | Q(state__in=NOTABLE_STATES)
    for (agent_id, tool_id), count in plain.items():
        if 0 < count < ALIKE_FROM:
            chosen |= Q(agent_id=agent_id, tool_id=tool_id)
    found = calls.filter(chosen).select_related("tool__connector", "agent", "process", "result", "compensates__tool")
    return list(found.order_by("requested_at", "id")[:MOST_TOLD])


def _folds(groups: Rows, told: Sequence[ToolCall]) -> list[FoldTold]:
    """What is left when the calls told one by one are taken out, by agent and tool."""
    left: dict[tuple[UUID, UUID], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    parts: dict[tuple[UUID, UUID], list[Any]] = defaultdict(list)
    for group in groups:
        left[group["agent_id"], group["tool_id"]][group["state"]] += group["count"]
        parts[group["agent_id"], group["tool_id"]].append(group)
    for call in told:
        left[call.agent_id, call.tool_id][call.state] -= 1
    keys = [key for key, counts in left.items() if any(counts.values())]
    agents = Agent.objects.in_bulk({agent_id for agent_id, _ in keys}) if keys else {}
    tools = Tool.objects.select_related("connector").in_bulk({tool_id for _, tool_id in keys}) if keys else {}
    told_money: dict[tuple[UUID, UUID], list[Money | None]] = defaultdict(list)
    for call in told:
        if call.state == CallState.SUCCEEDED and call.money_minor is not None:
            told_money[call.agent_id, call.tool_id].append(Money(-call.money_minor, call.currency))
    return [
        FoldTold(
            agent=agents[agent_id].name,
            tool=tools[tool_id].title,
            system=tools[tool_id].connector.name,
            is_read=tools[tool_id].is_read,
            counts={state: count for state, count in left[agent_id, tool_id].items() if count},
            moved=tuple(
                money
                for money in sums(
                    [
                        *(_money(one) for one in parts[agent_id, tool_id] if one["state"] == CallState.SUCCEEDED),
                        *told_money[agent_id, tool_id],
                    ]
                )
                if money.minor and not tools[tool_id].is_read
            ),
            first_at=min(one["first"] for one in parts[agent_id, tool_id]),
            last_at=max(one["last"] for one in parts[agent_id, tool_id]),
        )
        for agent_id, tool_id in keys
    ]


def _money(group: Any) -> Money | None:
    return Money(group["sum"], group["currency"]) if group["sum"] is not None else None


def _totals(groups: Rows) -> Totals:
    counts: dict[str, int] = defaultdict(int)
    write_counts: dict[str, int] = defaultdict(int)
    writes = [group for group in groups if group["tool__effect"] == Effect.WRITE]
    for group in groups:
        counts[group["state"]] += group["count"]
    for group in writes:
        write_counts[group["state"]] += group["count"]
    return Totals(
        counts=dict(counts),
        write_counts=dict(write_counts),
        moved=sums(_money(group) for group in writes if group["state"] == CallState.SUCCEEDED),
        undone=sums(_money(group) for group in writes if group["state"] == CallState.COMPENSATED),
    )


def _calls(actor: Actor, run: Run, calls: list[ToolCall]) -> list[CallTold]:
    if not calls:
        return []
    ids = [call.id for call in calls]
    sentences, results = sentences_of(calls, actor), vault.read_many([call.result_id for call in calls])
    first = {
        decision.tool_call_id: decision
        for decision in Decision.objects.filter(tool_call__in=ids, moment=DecisionMoment.INTAKE)
    }
    first_asked = _first_asked(actor, calls)
    asks, findings, undone = _asks(run, ids), _findings(ids), _undone(calls)
    return [
        CallTold(
            id=call.id,
            agent=call.agent.name,
            tool=call.tool.title,
            system=call.tool.connector.name,
            sentence=sentences[call.id],
            asked=first_asked.get(call.id, (sentences[call.id], None))[0],
            asked_money=first_asked.get(call.id, ("", money_of(call)))[1],
            is_read=call.tool.is_read,
            state=call.state,
            money=money_of(call),
            key=call.idempotency_key,
            record=_record(actor, call, results),
            requested_at=call.requested_at,
            queued_at=call.queued_at,
            executing_at=call.executing_at,
            finished_at=call.finished_at,
            attempt_count=call.attempt_count,
            error_code=call.error_code,
            error_sentence=call.error_sentence,
            outcome=first[call.id].outcome if call.id in first else "",
            rules=_rules(first.get(call.id)),
            asks=tuple(asks[call.id]),
            findings=tuple(findings[call.id]),
            undone=undone.get(call.id),
            undoes=call.compensates.tool.title if call.compensates else "",
            url=_url(call),
        )
        for call in calls
    ]


def _first_asked(actor: Actor, calls: list[ToolCall]) -> dict[UUID, tuple[str, Money | None]]:
    """What calls were before they were changed, as this actor may read it."""
    changed = {call.id: call for call in calls if call.version > 1}
    if not changed:
        return {}
    versions = list(CallVersion.objects.filter(tool_call__in=changed, number=1))
    bodies = vault.read_many([version.request_id for version in versions])
    found = {}
    for version in versions:
        call = changed[version.tool_call_id]
        money = Money(version.money_minor, version.currency) if version.money_minor is not None else None
        body = bodies.get(version.request_id)
        told = (
            sentence_for(call.tool, arguments_for(actor, call, body["arguments"]), money) if body else call.tool.title
        )
        found[call.id] = (told, money)
    return found


def _url(call: ToolCall) -> str:
    if call.state == CallState.OUTCOME_UNKNOWN or call.resolution_id is not None:
        return reverse("unknown-outcome", args=[call.id])
    return reverse("approval", args=[call.approval_id]) if call.approval_id else ""


def _record(actor: Actor, call: ToolCall, results: dict[UUID, Any]) -> str:
    """What the system called what it made: the first thing its answer must have, where that is one word."""
    if call.state not in (CallState.SUCCEEDED, CallState.COMPENSATED) or call.tool.is_read:
        return ""
    result = result_for(actor, call, results.get(call.result_id)) if call.result_id else None
    if not isinstance(result, dict):
        return ""
    for name in (*(call.tool.output_schema or {}).get("required", ()), "id"):
        value = result.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)[:80]
    return ""


def _rules(decision: Decision | None) -> tuple[RuleTold, ...]:
    policies = decision.policies if decision else []
    return tuple(RuleTold(rule["id"], int(rule["version"]), rule.get("says", "")) for rule in policies)


def _asks(run: Run, calls: list[UUID]) -> dict[UUID, list[AskTold]]:
    stages = Stage.objects.select_related("team").order_by("position")
    votes = Vote.objects.select_related("voter", "on_behalf_of", "stage__team", "withdrawal").order_by("cast_at", "id")
    approvals = Approval.objects.filter(subject_type=SUBJECT_TYPE, subject_id__in=calls).order_by("id")
    found: dict[UUID, list[AskTold]] = defaultdict(list)
    for approval in approvals.prefetch_related(Prefetch("stages", stages), Prefetch("votes", votes)):
        found[approval.subject_id].append(
            AskTold(
                id=approval.id,
                state=approval.state,
                requested_at=approval.requested_at,
                expires_at=approval.expires_at,
                resolved_at=approval.resolved_at,
                stages=tuple(
                    StageTold(stage.team.name, stage.quorum, stage.passed_at) for stage in approval.stages.all()
                ),
                votes=tuple(_vote(vote) for vote in approval.votes.all()),
            )
        )
    return _with_working_time(run, found) if found else found


def _vote(vote: Vote) -> VoteTold:
    withdrawal = getattr(vote, "withdrawal", None)
    return VoteTold(
        at=vote.cast_at,
        by=name_of_voter(vote),
        team=vote.stage.team.name,
        verdict=vote.verdict,
        reason=FeedbackReason(vote.reason_code).label if vote.reason_code in FeedbackReason.values else "",
        withdrawn_at=withdrawal.withdrawn_at if withdrawal else None,
    )


def _with_working_time(run: Run, found: dict[UUID, list[AskTold]]) -> dict[UUID, list[AskTold]]:
    try:
        calendar = calendar_for(run.process, rules_for(run.process))
    except Invalid:  # hours on which nobody works: nothing to say of them
        return found
    now = clock.now()
    told: dict[UUID, list[AskTold]] = defaultdict(list)
    for call_id, asks in found.items():
        told[call_id] = [
            replace(ask, working_seconds=working_seconds_between(ask.requested_at, ask.resolved_at or now, calendar))
            for ask in asks
        ]
    return told


def _findings(calls: list[UUID]) -> dict[UUID, list[FindingTold]]:
    found: dict[UUID, list[FindingTold]] = defaultdict(list)
    for one in Resolution.objects.filter(tool_call__in=calls).order_by("id"):
        found[one.tool_call_id].append(FindingTold(one.made_at, one.made_by_name, one.finding, one.reference))
    return found


def _undone(calls: list[ToolCall]) -> dict[UUID, UndoneTold]:
    """By what each undone call was undone."""
    undone = [call.id for call in calls if call.state == CallState.COMPENSATED]
    if not undone:
        return {}
    by = ToolCall.objects.filter(compensates__in=undone, state=CallState.SUCCEEDED).select_related("tool")
    return {
        one.compensates_id: UndoneTold(one.finished_at or one.requested_at, one.run_id, one.tool.title)
        for one in by
        if one.compensates_id is not None
    }


def _unwinds(run: Run) -> list[UnwindTold]:
    unwinds = Unwind.objects.filter(run=run).prefetch_related("steps__call").order_by("id")
    return [
        UnwindTold(
            at=unwind.started_at,
            ended_at=unwind.ended_at,
            by=unwind.started_by_name,
            state=unwind.state,
            sentence=unwind.sentence,
            undone_count=sum(step.state == "undone" for step in unwind.steps.all()),
            left_count=sum(step.state == "left" for step in unwind.steps.all()),
            undone=sums(money_of(step.call) for step in unwind.steps.all() if step.state == "undone"),
            own_run_id=unwind.own_run_id,
        )
        for unwind in unwinds
    ]


def _undoes(run: Run) -> tuple[UUID, str] | None:
    other = Unwind.objects.filter(own_run=run).select_related("run").first()
    return (other.run_id, other.run.title) if other else None


def costs_of(run_ids: Collection[UUID]) -> dict[UUID, Cost]:
    """One query. A run of which nothing was reported is left out: its cost is not known, and not nothing."""
    reported = Usage.objects.filter(run_id__in=run_ids).order_by("run_id", "currency").values("run_id", "currency")
    rows: dict[UUID | None, list[Any]] = defaultdict(list)
    for row in reported.annotate(sum=Sum("cost_minor"), unknown=Count("id", filter=Q(cost_minor=None))):
        rows[row["run_id"]].append(row)
    return {
        run_id: Cost(sums(_money(row) for row in found if row["currency"]), not any(row["unknown"] for row in found))
        for run_id, found in rows.items()
        if run_id is not None and any(row["sum"] is not None for row in found)
    }


def waits_of(run_ids: Collection[UUID]) -> dict[UUID, Wait]:
    """What each waits for, the oldest first. One query."""
    waiting = ToolCall.objects.filter(run_id__in=run_ids, state__in=OPEN_STATES).order_by("requested_at")
    columns = ("run_id", "state", "requested_at", "queued_at", "approval__open_team__name", "approval__state")
    found: dict[UUID, Wait] = {}
    for row in waiting.values(*columns, "tool__connector__name", "agent__name"):
        found.setdefault(row["run_id"], _wait(row))
    return found


def _wait(row: dict[str, Any]) -> Wait:
    if row["state"] == CallState.AWAITING_APPROVAL:
        name = row["agent__name"] if row["approval__state"] == "changes_requested" else row["approval__open_team__name"]
        return Wait("human", name or "", row["requested_at"])
    if row["state"] == CallState.QUEUED and row["queued_at"] is None:
        return Wait("halted", "", row["requested_at"])
    return Wait("system", row["tool__connector__name"], row["queued_at"] or row["requested_at"])


def runs_named(words: str) -> list[UUID]:
    """Runs in which a call touched the business record of this name, the latest ones."""
    kinds = Tool.objects.exclude(entity_type="").order_by().values("entity_type").distinct()
    calls = ToolCall.objects.filter(entity_type__in=list(kinds.values_list("entity_type", flat=True)), entity_id=words)
    return list(calls.order_by("-id").values_list("run_id", flat=True)[:MOST_NAMED])


ABOVE = Above(
    facts=facts_of,
    halts=halts_of,
    costs=costs_of,
    waits=waits_of,
    named=runs_named,
    content=content_of,
    briefs=briefs_of,
)
