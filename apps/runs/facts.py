"""What a run's pages have to ask of the floors that know calls, halts and what was spent. Those register it; nothing
here imports them.
"""

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from uuid import UUID

from apps.core.actor import Actor
from apps.core.money import Money
from apps.runs.models import Run


@dataclass(frozen=True, slots=True)
class RuleTold:
    """A rule that determined a decision."""

    id: str
    version: int
    says: str


@dataclass(frozen=True, slots=True)
class StageTold:
    """One step of the chain. `passed_at` is None as long as votes are missing."""

    team: str
    quorum: int
    passed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class VoteTold:
    """`by` names both where somebody voted for somebody else; `reason` is a label or ""."""

    at: dt.datetime
    by: str
    team: str
    verdict: str
    reason: str
    withdrawn_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class AskTold:
    """People were asked. `working_seconds` is how much of the wait so far fell into the hours in which they work; None
    where the process has no such hours.
    """

    id: UUID
    state: str
    requested_at: dt.datetime
    expires_at: dt.datetime
    resolved_at: dt.datetime | None
    stages: tuple[StageTold, ...]
    votes: tuple[VoteTold, ...]
    working_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FindingTold:
    """What a person found out about a call whose outcome nobody knew."""

    at: dt.datetime
    by: str
    finding: str
    reference: str


@dataclass(frozen=True, slots=True)
class UndoneTold:
    """What undid a call."""

    at: dt.datetime
    run_id: UUID
    tool: str


@dataclass(frozen=True, slots=True)
class CallTold:
    """One call of the run as this reader may see it. `sentence` is what it does; `asked` what it was when it was asked
    for, with `asked_money`, which a change may have made another; `record` is what the system called the result;
    `rules` are those of the first decision, `outcome` is its answer.
    """

    id: UUID
    agent: str
    tool: str
    system: str
    sentence: str
    asked: str
    asked_money: Money | None
    is_read: bool
    state: str
    money: Money | None
    key: str
    record: str
    requested_at: dt.datetime
    queued_at: dt.datetime | None
    executing_at: dt.datetime | None
    finished_at: dt.datetime | None
    attempt_count: int
    error_code: str
    error_sentence: str
    outcome: str
    rules: tuple[RuleTold, ...]
    asks: tuple[AskTold, ...] = ()
    findings: tuple[FindingTold, ...] = ()
    undone: UndoneTold | None = None
    undoes: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class FoldTold:
    """Many calls of one agent with one tool: how many ended how, and what they moved in each currency."""

    agent: str
    tool: str
    system: str
    is_read: bool
    counts: dict[str, int]
    moved: tuple[Money, ...]
    first_at: dt.datetime
    last_at: dt.datetime

    @property
    def count(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class HaltTold:
    """A halt that lay over the run. `ended_at` is None while it holds; `lifted_by` is "" where its time ran out."""

    at: dt.datetime
    ended_at: dt.datetime | None
    mode: str
    scope: str
    reason: str
    words: str
    by: str
    lifted_by: str
    lift_words: str
    url: str


@dataclass(frozen=True, slots=True)
class UnwindTold:
    """Undoing the run: `state` is running, done or stopped."""

    at: dt.datetime
    ended_at: dt.datetime | None
    by: str
    state: str
    sentence: str
    undone_count: int
    left_count: int
    undone: tuple[Money, ...]
    own_run_id: UUID


@dataclass(frozen=True, slots=True)
class Totals:
    """Over every call of the run, folded or not. `moved` are writes that are done and not undone, `undone` those that
    were; per currency.
    """

    counts: dict[str, int] = field(default_factory=dict)
    write_counts: dict[str, int] = field(default_factory=dict)
    moved: tuple[Money, ...] = ()
    undone: tuple[Money, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is told of a run beside its own row, its steps and the halts over it."""

    calls: tuple[CallTold, ...] = ()
    folds: tuple[FoldTold, ...] = ()
    unwinds: tuple[UnwindTold, ...] = ()
    undoes: tuple[UUID, str] | None = None
    totals: Totals = field(default_factory=Totals)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the model calls of a run cost, as reported. `is_whole` is False where some report knew no cost: then it came
    to this at least.
    """

    moneys: tuple[Money, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """What an open run waits for: kind human, system or halted, and whom or what."""

    kind: str
    name: str
    since: dt.datetime


@dataclass(frozen=True, slots=True)
class Content:
    """What a call carries, as this reader may see it: arguments as (label, value), the answer as JSON.
    `reveal_url` leads to what is masked for them, where they may ask for it.
    """

    sentence: str
    arguments: list[tuple[str, str]]
    result: str
    masked: list[str]
    reveal_url: str


@dataclass(frozen=True, slots=True)
class CallBrief:
    """One call as two runs are compared by it. Calls with one `digest` have the same arguments."""

    id: UUID
    tool: str
    sentence: str
    digest: str
    state: str
    money: Money | None
    at: dt.datetime
    url: str


@dataclass(frozen=True, slots=True)
class Above:
    """`facts`: what happened in a run, as the actor may see it; `halts`: those over it alone. `costs` and `waits` of
    many runs, where there is something to say. `named`: runs in which a call touched the business record of this name.
    `content` of one call; None of one that they do not see. `briefs`: the first so many calls of a run.
    """

    facts: Callable[[Actor, Run], Facts]
    halts: Callable[[Actor, Run], list[HaltTold]]
    costs: Callable[[Collection[UUID]], dict[UUID, Cost]]
    waits: Callable[[Collection[UUID]], dict[UUID, Wait]]
    named: Callable[[str], list[UUID]]
    content: Callable[[Actor, UUID], Content | None]
    briefs: Callable[[Actor, Run, int], list[CallBrief]]


_registered: list[Above] = []


def register(above: Above) -> None:
    """Called from `AppConfig.ready`."""
    _registered[:] = [above]


def above() -> Above:
    return _registered[0]
