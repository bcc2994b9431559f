"""What an agent may do with a tool, before any call: the policies that decide about it, with what is known of agent,
tool and environment put in. Pure. Grants are looked at by who asks; halts, budgets and systems that are down are not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from apps.policies.bounds import are_apart, possible
from apps.policies.evaluation import NO_DETECTOR, NO_RELEASE, missing_detectors
from apps.policies.irreversible import NEVER_ALONE, NOBODY_TO_ASK, owners_demand
from apps.policies.obligations import Demand, parse_redactions, strictest
from apps.policies.partial import Given, left_of, may_fail
from apps.policies.reading import ReadPolicy, ReadSet
from apps.policies.sentences import Setting, conditions_said, spoken_of
from apps.policies.verdicts import NOTHING_PERMITS, StageSpec, ToolFacts
from apps.policies.wording import demand_words, listed

Answer = Literal["allowed", "asks", "depends", "forbidden"]

WORDS: dict[Answer, str] = {
    "allowed": "Allowed",
    "asks": "Asks people",
    "depends": "Depends",
    "forbidden": "Forbidden",
}


@dataclass(frozen=True, slots=True)
class Deciding:
    """One release that decides. `problem` is why it cannot be read, "" where it can."""

    name: str
    version: int
    read: ReadSet
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who would call, and where. `owners` is the team that owns the process, asked where nothing can be undone; ""
    where nobody owns it.
    """

    agent: str
    process: str
    teams: tuple[str, ...]
    environment: str
    owners: str
    detectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """One policy that has a say. `when` is in words and "" for every call; `left` is what is left of the policy."""

    of: Deciding
    left: ReadPolicy
    when: str
    asks: str
    may_fail: bool

    @property
    def always(self) -> bool:
        return not self.left.conditions

    @property
    def permits(self) -> bool:
        return self.left.effect == "permit"

    @property
    def redactions(self) -> tuple[str, ...]:
        text = self.left.annotations.get("redact")
        return parse_redactions(text) if text else ()

    def as_json(self) -> dict[str, Any]:
        return {
            "set": self.of.name,
            "version": self.of.version,
            "policy": self.left.id,
            "effect": self.left.effect,
            "when": self.when,
            "asks": self.asks,
        }


@dataclass(frozen=True, slots=True)
class Access:
    """The answer for one tool. `stages` are those of `asks`; `sentence` says all of it."""

    tool: str
    title: str
    answer: Answer
    sentence: str
    stages: tuple[StageSpec, ...] = ()
    clauses: tuple[Clause, ...] = ()

    @property
    def word(self) -> str:
        return WORDS[self.answer]

    def as_json(self) -> dict[str, Any]:
        return {
            "tool": self.tool,
            "title": self.title,
            "answer": self.answer,
            "sentence": self.sentence,
            "asks": [{"team": stage.team, "quorum": stage.quorum} for stage in self.stages],
            "clauses": [clause.as_json() for clause in self.clauses],
        }


def access_to(tool: ToolFacts, caller: Caller, deciding: Sequence[Deciding], setting: Setting) -> Access:
    """What becomes of a call of this tool. An answer other than `depends` holds for every call there could be."""
    clauses = tuple(_clauses(tool, caller, deciding))
    answer, stages, said = _answer(tool, caller, deciding, clauses)
    title = spoken_of(tool.name, setting)
    return Access(tool.name, setting.titles.get(tool.name, tool.name), answer, f"{title}: {said}.", stages, clauses)


def _clauses(tool: ToolFacts, caller: Caller, deciding: Iterable[Deciding]) -> Iterable[Clause]:
    for release in deciding:
        given = Given(
            tool,
            release.read.parameters,
            agent=caller.agent,
            process=caller.process,
            teams=caller.teams,
            environment=caller.environment,
        )
        for policy in release.read.policies:
            left = left_of(policy, given)
            if left is not None:
                said = conditions_said(left, release.read)
                yield Clause(release, left, said, _asks(left, tool, caller), may_fail(left, given))


def _asks(left: ReadPolicy, tool: ToolFacts, caller: Caller) -> str:
    """Whom a permit asks, by itself or because what it permits cannot be undone."""
    if left.effect != "permit":
        return ""
    demand = left.demand or (owners_demand(caller.owners) if tool.is_irreversible and caller.owners else None)
    return demand_words(demand) if demand else ""


def _answer(
    tool: ToolFacts, caller: Caller, deciding: Sequence[Deciding], clauses: Sequence[Clause]
) -> tuple[Answer, tuple[StageSpec, ...], str]:
    if not deciding:
        return "forbidden", (), _lowered(NO_RELEASE)
    if broken := [release.problem for release in deciding if release.problem]:
        return "forbidden", (), _lowered(broken[0])
    forbids = [clause for clause in clauses if not clause.permits]
    permits = [clause for clause in clauses if clause.permits]
    if certain := [clause for clause in forbids if clause.always]:
        names = listed(f"“{clause.left.says}” ({clause.of.name})" for clause in certain)
        return "forbidden", (), f"forbidden by {names}"
    if not permits:
        return "forbidden", (), _lowered(NOTHING_PERMITS)
    certain = [clause for clause in permits if clause.always]
    if missing := _missing(certain, caller.detectors):
        return "forbidden", (), _lowered(NO_DETECTOR % listed(missing))
    is_open = bool(forbids) or any(clause.may_fail for clause in clauses) or bool(_missing(permits, caller.detectors))
    if certain and not is_open and _all_ask_the_same(certain, permits):
        return _certain_answer(tool, caller, certain)
    return "depends", (), _depends(tool, caller, permits, forbids)


def _certain_answer(
    tool: ToolFacts, caller: Caller, permits: Sequence[Clause]
) -> tuple[Answer, tuple[StageSpec, ...], str]:
    demands = [clause.left.demand for clause in permits if clause.left.demand is not None]
    if not demands and tool.is_irreversible:
        if not caller.owners:
            return "forbidden", (), _lowered(NOBODY_TO_ASK)
        demands = [owners_demand(caller.owners)]
        return "asks", demands[0].stages, f"with {demand_words(demands[0])}, as {_lowered(NEVER_ALONE.says)}"
    if not demands:
        return "allowed", (), f"alone{_masked(permits)}"
    asked = strictest(demands)
    words = demand_words(Demand(asked.stages, asked.expires_seconds, asked.escalations))
    return "asks", asked.stages, f"with {words}{_masked(permits)}"


def _all_ask_the_same(certain: Sequence[Clause], permits: Sequence[Clause]) -> bool:
    """Whether no permit that may come on top changes whom they ask."""
    demands = [clause.left.demand for clause in certain]
    return all(clause.left.demand is None or clause.left.demand in demands for clause in permits)


def _missing(permits: Iterable[Clause], installed: Collection[str]) -> list[str]:
    return missing_detectors(sorted({name for clause in permits for name in clause.redactions}), installed)


def _depends(tool: ToolFacts, caller: Caller, permits: Sequence[Clause], forbids: Sequence[Clause]) -> str:
    """“up to €250.00 alone; to €5,000.00 with one of finance-approvers; never where …; otherwise forbidden”."""
    nobody = tool.is_irreversible and not caller.owners
    said = []
    for clause in permits:
        how = f"with {clause.asks}" if clause.asks else "not at all, for nobody owns the process" if nobody else "alone"
        said.append(f"{clause.when or 'always'} {how}{_masked([clause])}")
    if _may_meet(permits):
        said.append("where several of these apply, all their people are asked")
    said += [f"never {clause.when}" for clause in forbids]
    if not any(clause.always for clause in permits):
        said.append("otherwise forbidden")
    return "; ".join(said)


def _may_meet(permits: Sequence[Clause]) -> bool:
    """Whether two that ask for different people may apply to one call."""
    facts = [(clause.left.demand, possible(clause.left, clause.of.read.parameters)) for clause in permits]
    return any(one[0] != two[0] and not are_apart(one[1], two[1]) for one, two in combinations(facts, 2))


def _masked(permits: Iterable[Clause]) -> str:
    names = sorted({name for clause in permits for name in clause.redactions})
    return f", with {listed(f'“{name}”' for name in names)} masked" if names else ""


def _lowered(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}".rstrip(".")
