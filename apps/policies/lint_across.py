"""What is hardly meant between two sets that decide the same calls: a permit of a process under a forbid of the global
set. It may be as it should be, and the other set may change tomorrow, so it is never an error. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from apps.policies.bounds import is_covered
from apps.policies.partial import ANYBODY, Given, left_of
from apps.policies.reading import ReadPolicy, ReadSet
from apps.policies.verdicts import ToolFacts

# Rules times tools: so many are folded in half a second.
MOST_FOLDED = 5_000


@dataclass(frozen=True, slots=True)
class OtherSet:
    """What decides beside a set now. `process` is "" for the global set."""

    name: str
    process: str
    read: ReadSet


@dataclass(frozen=True, slots=True)
class Shadow:
    """`forbid` covers everything that `permit` permits to agents of the process."""

    permit: ReadPolicy
    forbid: ReadPolicy


def shadows(permitting: ReadSet, forbidding: ReadSet, *, process: str, tools: Sequence[ToolFacts]) -> Iterator[Shadow]:
    """Each permit with the first forbid of the other set under which no call of it is ever allowed."""
    permits = [policy for policy in permitting.policies if policy.effect == "permit"]
    forbids = [policy for policy in forbidding.policies if policy.effect == "forbid"]
    if not permits or (len(permits) + len(forbids)) * len(tools) > MOST_FOLDED:
        return
    left = {forbid.id: _left(forbid, forbidding, process, tools) for forbid in forbids}
    for permit in permits:
        own = _left(permit, permitting, process, tools)
        for forbid in forbids:
            if own and _covers(left[forbid.id], own, forbidding, permitting):
                yield Shadow(permit, forbid)
                break


def _left(policy: ReadPolicy, read: ReadSet, process: str, tools: Sequence[ToolFacts]) -> dict[str, ReadPolicy]:
    """What is left of it for each tool it may apply to."""
    found = {}
    for tool in tools:
        if policy.covers(tool):
            left = left_of(policy, Given(tool, read.parameters, process=process))
            if left is not None:
                found[tool.name] = left
    return found


def _covers(
    outer: Mapping[str, ReadPolicy], inner: Mapping[str, ReadPolicy], outer_set: ReadSet, inner_set: ReadSet
) -> bool:
    return all(
        name in outer
        and outer[name].principal in (ANYBODY, permit.principal)
        and is_covered(permit, outer[name], inner_set.parameters, outer_set.parameters)
        for name, permit in inner.items()
    )
