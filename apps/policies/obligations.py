"""Annotations on permits → what is owed: `@approval("finance-approvers:1, cfo-office:1") @expires("PT8H")
@escalate("PT2H:finance-leads")` by people, `@redact("personal, detected:email")` by the mesh.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from apps.policies.detectors import NAMES, PREFIX
from apps.policies.verdicts import EscalationSpec, Obligations, StageSpec

DEFAULT_EXPIRES_SECONDS = 24 * 60 * 60
MAX_DURATION_SECONDS = 366 * 24 * 60 * 60
MAX_QUORUM = 20

_DURATION = re.compile(
    r"P(?:(\d{1,6})W|(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?)", re.ASCII
)
_DURATION_UNITS = (7 * 86400, 86400, 3600, 60, 1)
_CLASS = re.compile(r"[-a-zA-Z0-9_]{1,40}", re.ASCII)
_STAGE = re.compile(r"([a-zA-Z0-9_-]+)\s*:\s*([0-9]{1,3})", re.ASCII)


def parse_duration(text: str) -> int:
    """Seconds of an ISO 8601 duration in weeks, days, hours, minutes and seconds. Raises ValueError with a sentence."""
    match = _DURATION.fullmatch(text)
    seconds = sum(int(n or 0) * unit for n, unit in zip(match.groups(), _DURATION_UNITS, strict=True)) if match else 0
    if not 0 < seconds <= MAX_DURATION_SECONDS:
        raise ValueError(f"“{text}” is not a duration such as PT8H or P1D, of at most 366 days.")
    return seconds


def parse_chain(text: str) -> tuple[StageSpec, ...]:
    """The stages of “team:quorum, team:quorum”, in order. Raises ValueError with a sentence."""
    stages = []
    for part in text.split(","):
        match = _STAGE.fullmatch(part.strip())
        if match is None or not 1 <= int(match[2]) <= MAX_QUORUM:
            raise ValueError(
                f"“{text}” is not a chain such as finance-approvers:1, cfo-office:1 (1 to {MAX_QUORUM} votes per team)."
            )
        stages.append(StageSpec(match[1], int(match[2])))
    if len({stage.team for stage in stages}) != len(stages):
        raise ValueError(f"“{text}” names a team twice; one person has one vote, so ask that team once.")
    return tuple(stages)


def parse_escalation(text: str) -> tuple[int, str]:
    """(seconds, team) of “PT2H:finance-leads”. Raises ValueError with a sentence."""
    after, colon, team = text.partition(":")
    if not colon or not re.fullmatch(r"[a-zA-Z0-9_-]+", team.strip(), re.ASCII):
        raise ValueError(f"“{text}” is not an escalation such as PT2H:finance-leads.")
    return parse_duration(after.strip()), team.strip()


def parse_escalations(text: str) -> tuple[EscalationSpec, ...]:
    """The steps of “PT2H:finance-leads, PT6H:cfo-office”, in any order. Raises ValueError with a sentence."""
    return tuple(EscalationSpec(*parse_escalation(part.strip())) for part in text.split(","))


def parse_redactions(text: str) -> tuple[str, ...]:
    """The names of “personal, detected:email”, each once and in order. Raises ValueError with a sentence."""
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name.startswith(PREFIX):
            if name not in NAMES:
                raise ValueError(f"There is no detector “{name}”; there are {', '.join(NAMES)}.")
        elif not _CLASS.fullmatch(name):
            raise ValueError(f"“{text}” is not a list of data classes and detectors such as personal, detected:email.")
    return tuple(sorted(set(names)))


@dataclass(frozen=True, slots=True)
class Demand:
    """What one permit with `@approval` asks for."""

    stages: tuple[StageSpec, ...]
    expires_seconds: int = DEFAULT_EXPIRES_SECONDS
    escalations: tuple[EscalationSpec, ...] = ()


def strictest(demands: Iterable[Demand]) -> Obligations:
    """All of them met at once: every demanded team with its largest quorum, in the order of the longest chain; the
    shortest expiry; every team that any of them escalates to, after the shortest of its times.
    """
    quorums: dict[str, int] = {}
    waits: dict[str, int] = {}
    expires = []
    for demand in sorted(demands, key=lambda demand: -len(demand.stages)):
        expires.append(demand.expires_seconds)
        for stage in demand.stages:
            quorums[stage.team] = max(stage.quorum, quorums.get(stage.team, 0))
        for escalation in demand.escalations:
            waits[escalation.team] = min(escalation.after_seconds, waits.get(escalation.team, MAX_DURATION_SECONDS))
    stages = tuple(StageSpec(team, quorum) for team, quorum in quorums.items())
    steps_up = tuple(EscalationSpec(seconds, team) for seconds, team in sorted((s, team) for team, s in waits.items()))
    return Obligations(stages, min(expires), steps_up) if expires else Obligations()


def added_up(before: Obligations, after: Obligations) -> Obligations:
    """What both demand: for a changed request, which loses none of the people who were asked before the change, and
    shows its agent no more than before it.
    """
    demands = (Demand(each.stages, each.expires_seconds, each.escalations) for each in (before, after) if each.stages)
    return with_redactions(strictest(demands), before.redact + after.redact)


def with_redactions(obligations: Obligations, names: Iterable[str]) -> Obligations:
    """The same obligations, and these to be masked in what the agent gets."""
    wanted = tuple(sorted({*obligations.redact, *names}))
    return replace(obligations, redact=wanted) if wanted else obligations
