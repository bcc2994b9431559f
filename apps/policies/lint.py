"""What is not wrong and yet hardly meant. An error is certain and blocks a release; a warning may be as it should be.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from apps.policies.bounds import are_apart, facts_of, is_covered, possible
from apps.policies.cedar_text import TextError
from apps.policies.expressions import Expression
from apps.policies.lint_across import OtherSet, shadows
from apps.policies.parameters import Parameters
from apps.policies.reading import ReadPolicy, ReadSet, alternatives_of, parameters_in, paths_in, read_set, scope_text
from apps.policies.sentences import MINOR
from apps.policies.verdicts import ToolFacts

Severity = Literal["error", "warning"]
Code = Literal[
    "unreachable",
    "shadowed",
    "missing-currency",
    "overlap",
    "unused-parameter",
    "irreversible-alone",
    "no-expiry",
    "self-approval",
    "not-compared",
]
# Each is compared with each: 500 take a second, and no more.
MOST_COMPARED = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """`line` counts from 1 and is 0 for a parameter."""

    code: Code
    severity: Severity
    line: int
    policy: str
    sentence: str

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "line": self.line,
            "policy": self.policy,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a text is looked at in front of: the tools there are, the teams that build or own the agents it decides
    about, the process whose set it is ("" for the global one), and what decides beside it now.
    """

    tools: tuple[ToolFacts, ...] = ()
    makers: frozenset[str] = frozenset()
    process: str = ""
    beside: tuple[OtherSet, ...] = ()


def findings_of(text: str, parameters: Any, around: Surroundings) -> tuple[Finding, ...]:
    """Everything worth saying, in the order of the text; nothing of a text that cannot be read."""
    try:
        read = read_set(text, parameters)
    except TextError:
        return ()
    found = [finding for policy in read.policies for finding in _of_one(policy, read, around)]
    found += _unused(read)
    if len(read.policies) > MOST_COMPARED:
        sentence = f"These are more than {MOST_COMPARED} rules; they were not compared with each other."
        found.append(Finding("not-compared", "warning", 0, "", sentence))
    else:
        found += _shadowed(read, around.tools)
        found += _overlapping(read, around.tools)
        found += _across(read, around)
    return tuple(sorted(found, key=lambda finding: (finding.line, finding.code)))


def _of_one(policy: ReadPolicy, read: ReadSet, around: Surroundings) -> Iterator[Finding]:
    if not possible(policy, read.parameters):
        yield _error("unreachable", policy, "This can never apply: its conditions contradict each other.")
    elif _has_dead_side(policy, read.parameters):
        yield _error("unreachable", policy, "One side of an “or” in it contradicts itself, so that side never applies.")
    if _misses_currency(policy):
        sentence = "It compares an amount and asks for no currency: 50 is not 50 in another currency."
        yield (_error if policy.effect == "permit" else _warning)("missing-currency", policy, sentence)
    if policy.effect != "permit":
        return
    alone = [tool.name for tool in policy.tools(around.tools) if tool.is_irreversible]
    if alone and "approval" not in policy.annotations:
        sentence = f"It lets {', '.join(alone)} run, which cannot be undone, and asks nobody by itself."
        yield _warning("irreversible-alone", policy, sentence)
    if "approval" in policy.annotations and "expires" not in policy.annotations:
        yield _warning("no-expiry", policy, "It asks people and does not say for how long; that is 24 hours.")
    own = sorted({stage.team for stage in policy.demand.stages} & around.makers) if policy.demand else []
    if own:
        sentence = f"{', '.join(own)} may approve what agents of their own making ask for."
        yield _warning("self-approval", policy, sentence)


def _has_dead_side(policy: ReadPolicy, parameters: Parameters) -> bool:
    """Of `a || b` that must hold, one by itself never does."""
    sides = (alternatives_of(side, True) for node, holds in policy.conjuncts if holds for side in _sides(node))
    return any(len(ways) == 1 and facts_of(ways[0], parameters).holds_never() for ways in sides)


def _sides(node: Expression) -> list[Expression]:
    if "||" not in node:
        return []
    found = [_sides(each) or [each] for each in (node["||"]["left"], node["||"]["right"])]
    return [side for sides in found for side in sides]


def _misses_currency(policy: ReadPolicy) -> bool:
    """Certain: the amount stands in a condition and its currency in none."""
    paths = {path for condition in policy.conditions for path in paths_in(condition.body)}
    return MINOR in paths and not paths & {("money", "currency"), ("money",)}


def _unused(read: ReadSet) -> Iterator[Finding]:
    used = {name for policy in read.policies for name in parameters_in(policy)}
    reads_all = any(
        path == ("params",) for policy in read.policies for each in policy.conditions for path in paths_in(each.body)
    )
    for name, _ in read.parameters.types:
        if name not in used and not reads_all:
            yield Finding("unused-parameter", "warning", 0, "", f"No rule reads “{name}”: changing it changes nothing.")


def _shadowed(read: ReadSet, tools: Sequence[ToolFacts]) -> Iterator[Finding]:
    forbids = [policy for policy in read.policies if policy.effect == "forbid"]
    for permit in (policy for policy in read.policies if policy.effect == "permit"):
        for forbid in forbids:
            if _head_is_within(permit, forbid, tools) and is_covered(permit, forbid, read.parameters):
                sentence = f"“{forbid.id}” forbids everything this permits."
                yield _error("shadowed", permit, sentence)
                break


def _across(read: ReadSet, around: Surroundings) -> Iterator[Finding]:
    """The same between this set and those that decide beside it. The other set may change, so it is never certain."""
    for other in around.beside:
        if other.process:
            for shadow in shadows(other.read, read, process=other.process, tools=around.tools):
                sentence = f"It forbids everything that “{shadow.permit.id}” of {other.name} permits."
                yield _warning("shadowed", shadow.forbid, sentence)
        else:
            for shadow in shadows(read, other.read, process=around.process, tools=around.tools):
                sentence = f"“{shadow.forbid.id}” of {other.name} forbids everything this permits."
                yield _warning("shadowed", shadow.permit, sentence)


def _head_is_within(inner: ReadPolicy, outer: ReadPolicy, tools: Sequence[ToolFacts]) -> bool:
    """Whether every call that fits the one head fits the other."""
    same_principal = outer.principal["op"] == "All" or scope_text(outer.principal) == scope_text(inner.principal)
    covered = inner.tools(tools)
    is_known_scope = all(scope["op"] != "is" for scope in (outer.action, outer.resource))
    return same_principal and is_known_scope and bool(covered) and all(outer.covers(tool) for tool in covered)


def _overlapping(read: ReadSet, tools: Sequence[ToolFacts]) -> Iterator[Finding]:
    """Permits that may apply to one call and ask for different people. The stricter one adds its people to the other;
    that is allowed, and seldom meant between two that both ask.
    """
    permits = [policy for policy in read.policies if policy.effect == "permit"]
    facts = {policy.id: possible(policy, read.parameters) for policy in permits}
    for first, second in combinations(permits, 2):
        if first.demand == second.demand or not _may_share_a_caller(first, second):
            continue
        shared = [tool.name for tool in first.tools(tools) if second.covers(tool)]
        if shared and not are_apart(facts[first.id], facts[second.id]):
            sentence = (
                f"“{first.id}” may apply to the same call of {shared[0]} and asks for other people: "
                "then both are met at once."
            )
            yield _warning("overlap", second, sentence)


def _may_share_a_caller(first: ReadPolicy, second: ReadPolicy) -> bool:
    """False only for two agents, or two processes, that are not the same: an agent is in one process."""
    one, two = first.principal, second.principal
    if one["op"] != two["op"] or one["op"] not in ("==", "in") or "entity" not in one or "entity" not in two:
        return True
    kinds = {one["entity"]["type"], two["entity"]["type"]}
    return len(kinds) > 1 or kinds == {"Team"} or one["entity"]["id"] == two["entity"]["id"]


def _error(code: Code, policy: ReadPolicy, sentence: str) -> Finding:
    return Finding(code, "error", policy.line, policy.id, sentence)


def _warning(code: Code, policy: ReadPolicy, sentence: str) -> Finding:
    return Finding(code, "warning", policy.line, policy.id, sentence)
