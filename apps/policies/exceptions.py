"""Exceptions for a time, as decisions see them: what a rule would forbid, or ask people for, passes for one agent and
one tool. Plain values.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

# What a verdict names an exception under, beside the policies: no set of policies may be called so.
SET = "exceptions"
PREFIX = "exception-"


@dataclass(frozen=True, slots=True)
class ExceptionFacts:
    """An exception as a decision sees it, and as it is kept in the decision's input. `content_hash` is of the release
    it is an exception to: with another text or other parameters it says nothing. `agent` is "" for every agent of the
    process; `cap_minor` is None where it holds for any amount, and for calls without one.
    """

    id: str
    set: str
    content_hash: str
    rules: tuple[str, ...]
    process: str
    agent: str
    tool: str
    cap_minor: int | None
    currency: str
    says: str

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"rules": list(self.rules)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ExceptionFacts:
        return cls(**{**stored, "rules": tuple(stored["rules"])})


def used_in(policies: Collection[Any]) -> tuple[str, ...]:
    """The ids of the exceptions that a verdict or a stored decision names."""
    named = (each if isinstance(each, dict) else each.as_json() for each in policies)
    return tuple(each["id"].removeprefix(PREFIX) for each in named if each["set"] == SET)
