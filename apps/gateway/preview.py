"""What a halt touches: counted before anyone confirms it; what still runs is told by name to whoever placed it (I6).

Each number has its rows here too, so that it opens exactly what it counted (I14).
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from apps.approvals.models import OPEN_STATES, Approval
from apps.core.actor import Actor
from apps.core.money import Money
from apps.gateway.covered import calls_covered, outside_covered, runs_covered
from apps.gateway.models import CallState, ToolCall
from apps.gateway.services.clocks import EXTERNAL
from apps.halts.above import Restarts, Scoped
from apps.halts.models import Halt, Mode, Scope
from apps.halts.targets import Target, agents_under
from apps.registry.models import Agent, Environment
from apps.registry.queries import processes_visible_to
from apps.runs.models import Run, RunState


@dataclass(frozen=True, slots=True)
class HaltPreview:
    """What a halt would touch, before anyone confirms it. `pending_sums` is the money that waits for people or for its
    turn; `running_out_count` the approvals whose time to decide ends before the halt does.
    """

    agent_count: int
    open_run_count: int
    executing: list[ToolCall]
    waiting_count: int
    running_out_count: int
    pending_sums: list[Money]
    continuing: list[str]


@dataclass(frozen=True, slots=True)
class Touched:
    """The rows behind the numbers, of those this actor may see (I13)."""

    actor: Actor
    target: Scoped
    environment: str

    def agents(self) -> QuerySet[Agent]:
        found = agents_under(self.target, self.environment).filter(self._seen())
        return found.select_related("process")

    def runs(self) -> QuerySet[Run]:
        """Open runs in the scope; where it covers calls of runs, those with a call in it."""
        runs = Run.objects.filter(self._seen(), environment=self.environment, state=RunState.OPEN)
        if self.target.scope_type in WHOLE_RUNS:
            return runs.filter(runs_covered(self.target)).select_related("process", "opened_by")
        calls = ToolCall.objects.filter(calls_covered(self.target), run=OuterRef("pk"))
        return runs.filter(Exists(calls)).select_related("process", "opened_by")

    def executing(self) -> QuerySet[ToolCall]:
        return self._calls().filter(state=CallState.EXECUTING).select_related("tool", "agent").order_by("executing_at")

    def waiting(self) -> QuerySet[Approval]:
        """Approvals that wait for people or their agent, of tool calls and of acts outside alike."""
        calls = self._calls().filter(state=CallState.AWAITING_APPROVAL, approval=OuterRef("pk"))
        outside = outside_covered(self.target) & Q(subject_type=EXTERNAL, environment=self.environment) & self._seen()
        # read from the few that are open
        open_ones = Approval.objects.filter(state__in=OPEN_STATES)
        return open_ones.filter(Q(Exists(calls)) | outside).select_related("agent", "process")

    def _calls(self) -> QuerySet[ToolCall]:
        return ToolCall.objects.filter(calls_covered(self.target), self._seen(), environment=self.environment)

    def _seen(self) -> Q:
        return Q(process__in=processes_visible_to(self.actor))

    def pending_sums(self) -> list[Money]:
        """What waits for people or for its turn, never added up across currencies."""
        waiting = self._calls().filter(state__in=(CallState.AWAITING_APPROVAL, CallState.QUEUED)).exclude(currency="")
        sums: dict[str, int] = dict(waiting.order_by().values_list("currency").annotate(total=Sum("money_minor")))
        outside = self.waiting().filter(subject_type=EXTERNAL).exclude(currency="")
        for currency, total in outside.order_by().values_list("currency").annotate(total=Sum("money_minor")):
            sums[currency] = sums.get(currency, 0) + total
        return [Money(total, currency) for currency, total in sorted(sums.items())]


WHOLE_RUNS = (Scope.MESH, Scope.BUSINESS_UNIT, Scope.PROCESS, Scope.AGENT, Scope.RUN)


def preview_of(
    actor: Actor, target: Target, environment: str, *, mode: str = Mode.HOLD, until: dt.datetime | None = None
) -> HaltPreview:
    """Counted over what the actor sees of the scope."""
    touched = Touched(actor, target, environment)
    executing = list(touched.executing())
    waiting = touched.waiting().aggregate(
        count=Count("id"), running_out=Count("id", filter=Q(expires_at__lte=until)) if until else Count("id")
    )
    agent_count, open_run_count = touched.agents().count(), touched.runs().count()
    return HaltPreview(
        agent_count=agent_count,
        open_run_count=open_run_count,
        executing=executing,
        waiting_count=waiting["count"],
        running_out_count=waiting["running_out"] if until else 0,
        pending_sums=touched.pending_sums(),
        continuing=_continuing(actor, target, environment, mode, agent_count, len(executing)),
    )


def _continuing(
    actor: Actor, target: Target, environment: str, mode: str, agent_count: int, executing_count: int
) -> list[str]:
    """What is near and goes on, so that nobody takes it for stopped."""
    found = []
    if executing_count:
        recalled = (
            "1 call that is executing: it cannot be recalled"
            if executing_count == 1
            else (f"{executing_count} calls that are executing: they cannot be recalled")
        )
        found.append(recalled)
    if mode == Mode.DRAIN:
        found.append("Runs that are open already, until they finish")
    everybody = Agent.objects.filter(environment=environment, process__in=processes_visible_to(actor)).count()
    if target.scope_type in NARROWER_THAN_AGENTS:
        found.append(f"Everything else that {_agents(agent_count)} in this scope may do")
    if everybody > agent_count:
        found.append(f"{_agents(everybody - agent_count)} in {environment} outside this scope")
    others = [value for value in Environment.values if value != environment]
    found.append(f"All work in {' and '.join(others)}")
    if mode != Mode.STOP:
        found.append("Votes: people may decide what waits")
    return found


NARROWER_THAN_AGENTS = (
    Scope.CONNECTOR,
    Scope.TOOL,
    Scope.TOOL_AGENT,
    Scope.RUN,
    Scope.COUNTERPARTY,
    Scope.PRINCIPAL,
)


def _agents(count: int) -> str:
    return "1 agent" if count == 1 else f"{count} agents"


def calls_when_placed(actor: Actor, halt: Halt) -> list[ToolCall]:
    """The calls that were executing when the halt was placed, by name, with what has become of each."""
    calls = ToolCall.objects.filter(id__in=halt.executing_calls, process__in=processes_visible_to(actor))
    return list(calls.select_related("tool", "agent").order_by("executing_at", "id"))


def restarts_of(actor: Actor, halt: Halt) -> Restarts:
    """What would start again for this actor's eyes if the halt were lifted."""
    seen = Q(process__in=processes_visible_to(actor))
    # named by state, for which there is an index: most calls of the books have ended
    parked = (CallState.QUEUED, CallState.AWAITING_APPROVAL)
    calls = ToolCall.objects.filter(seen, calls_covered(halt), environment=halt.environment, state__in=parked)
    runs = Run.objects.filter(seen, runs_covered(halt), environment=halt.environment, state=RunState.OPEN)
    counts: dict[str, Any] = calls.aggregate(
        queued=Count("id", filter=Q(state=CallState.QUEUED)),
        waiting=Count("id", filter=Q(state=CallState.AWAITING_APPROVAL, approval__paused_at__isnull=False)),
    )
    return Restarts(queued_count=counts["queued"], open_run_count=runs.count(), waiting_count=counts["waiting"])
