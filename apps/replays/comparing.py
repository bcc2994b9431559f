"""One stored decision made again, and what became of it. The verdict is that of the function which decides calls (I11);
nothing here reads the database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.money import Money
from apps.policies.evaluation import REDACTION_UNAVAILABLE, LoadedRelease, missing_detectors, replay
from apps.policies.verdicts import Obligations, Verdict
from apps.replays.kinds import Kind, kind_between

NO_OBLIGATIONS = Obligations().as_json()


@dataclass(frozen=True, slots=True)
class Stored:
    """A decision as it is kept. `body` is its input, None when that was erased; `money` that of the call, for then."""

    decision_id: UUID
    call_id: UUID
    process_id: UUID
    outcome: str
    obligations: dict[str, Any]
    has_errors: bool
    body: bytes | None
    money: Money | None


@dataclass(frozen=True, slots=True)
class Present:
    """What is there now: the definition of each tool, and the detectors."""

    tools: Mapping[str, str]
    detectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """What became of it: None is the same as it was. `verdict` is there unless it could not be made again."""

    kind: Kind | None
    money: Money | None = None
    verdict: Verdict | None = None


def money_then(call_version: int, minor: int | None, currency: str) -> Money | None:
    """What a call was about when it was asked for; None also for one that was changed since, which is about other money
    now.
    """
    return Money(minor, currency) if currency and minor is not None and call_version == 1 else None


def decide_again(stored: Stored, releases: Sequence[LoadedRelease] | None, present: Present) -> Again:
    """`releases` are those to decide under, None where one of those it was made under is not to be had."""
    if stored.body is None:
        return Again(Kind.ERASED, stored.money)
    if releases is None:
        return Again(Kind.RELEASE_GONE, stored.money)
    try:
        document = json.loads(stored.body)
        money = _money_in(document)
        verdict = replay(document, releases)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ArithmeticError):
        return Again(Kind.UNREADABLE, stored.money)
    kind = _kind_of(stored, verdict)
    if kind is not None and verdict.errors and not stored.has_errors:
        reason = _no_fault_of_the_policies(document, verdict, present)
        if reason is not None:
            return Again(reason, money)
    return Again(kind, money, verdict)


def told(verdict: Verdict) -> dict[str, Any]:
    """Of a new verdict what is kept beside the old one."""
    return {
        "policies": [policy.as_json() for policy in verdict.policies],
        "obligations": verdict.obligations.as_json(),
        "errors": list(verdict.errors),
    }


def _kind_of(stored: Stored, verdict: Verdict) -> Kind | None:
    if verdict.outcome != stored.outcome:
        return kind_between(stored.outcome, verdict.outcome)
    if verdict.outcome == "deny" or (stored.obligations or NO_OBLIGATIONS) == verdict.obligations.as_json():
        return None
    # written before some obligations were there
    same = Obligations.from_json(NO_OBLIGATIONS | stored.obligations) == verdict.obligations
    return None if same else Kind.OTHER_DEMANDS


def _no_fault_of_the_policies(document: dict[str, Any], verdict: Verdict, present: Present) -> Kind | None:
    """Why an error says nothing of what these policies would do with such a call now, None where it does."""
    if verdict.code == REDACTION_UNAVAILABLE:
        then = document.get("detectors", ())
        missing = missing_detectors(present.detectors, then)
        return Kind.NO_DETECTOR if missing else None
    name, digest = document["tool"]["name"], document["tool"]["definition_digest"]
    if name not in present.tools:
        return Kind.TOOL_GONE
    return Kind.TOOL_CHANGED if present.tools[name] != digest else None


def _money_in(document: dict[str, Any]) -> Money | None:
    money = document["money"]
    return None if money is None else Money(money["minor"], money["currency"])
