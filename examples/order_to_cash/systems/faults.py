"""Faults that can be switched on per route, drawn from a seeded generator so that a bad day can be repeated."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

EVERY_ROUTE = "*"


class FaultKind(StrEnum):
    """What goes wrong, in the order it is drawn."""

    ERROR_500_BEFORE = "error_500_before"  # nothing was done
    ERROR_500_AFTER = "error_500_after"  # it was done, and the answer denies it
    TIMEOUT_AFTER = "timeout_after"  # it was done, and the answer comes when nobody waits any more
    LOST_ANSWER = "lost_answer"  # it was done, and the connection closes without an answer
    GARBAGE = "garbage"  # it was done, and the answer is 200 with something that is not JSON


@dataclass(frozen=True)
class Rule:
    """How a route misbehaves: probabilities from 0 to 1, and times."""

    latency_ms: float = 0
    error_500_before: float = 0
    error_500_after: float = 0
    timeout_after: float = 0
    hold_seconds: float = 8  # longer than the console's own patience of five seconds
    lost_answer: float = 0
    garbage: float = 0


@dataclass(frozen=True)
class Draw:
    """What is to happen to one request."""

    latency_seconds: float = 0
    kind: FaultKind | None = None
    hold_seconds: float = 0


class Faults:
    """The switchboard of one system. Lives in memory: a restarted system is healthy again."""

    def __init__(self, routes: Collection[str]) -> None:
        self._routes = {EVERY_ROUTE, *routes}
        self._lock = threading.Lock()
        self._seed = 0
        self._random = random.Random(0)
        self._rules: dict[str, Rule] = {}

    def configure(self, document: Any) -> None:
        """Replace all switches by `{"seed": 1, "rules": {"POST /credit-memos": {"lost_answer": 0.2}}}`.

        Raises ValueError with a sentence for an unknown route, an unknown fault or a number out of range.
        """
        try:
            seed, rules = int(document.get("seed", 0)), dict(document.get("rules", {}))
        except (AttributeError, TypeError, ValueError):
            raise ValueError('faults are {"seed": a whole number, "rules": {route: switches}}') from None
        if unknown := set(document) - {"seed", "rules"}:
            raise ValueError(f"faults have seed and rules, not {', '.join(sorted(unknown))}")
        parsed = {route: self._rule(route, switches) for route, switches in rules.items()}
        with self._lock:
            self._seed, self._random, self._rules = seed, random.Random(seed), parsed

    def describe(self) -> dict[str, Any]:
        with self._lock:
            rules = {route: asdict(rule) for route, rule in self._rules.items()}
            return {"seed": self._seed, "rules": rules, "routes": sorted(self._routes)}

    def draw(self, route: str) -> Draw:
        with self._lock:
            rule = self._rules.get(route) or self._rules.get(EVERY_ROUTE)
            if rule is None:
                return Draw()
            kind = next((kind for kind in FaultKind if self._random.random() < getattr(rule, kind.value)), None)
        return Draw(rule.latency_ms / 1000, kind, rule.hold_seconds)

    def _rule(self, route: str, switches: Any) -> Rule:
        if route not in self._routes:
            raise ValueError(f"no route {route!r}; there are {', '.join(sorted(self._routes))}")
        names = [field.name for field in fields(Rule)]
        if not isinstance(switches, dict) or not set(switches) <= set(names):
            raise ValueError(f"{route}: switches are {', '.join(names)}")
        for name, value in switches.items():
            limit = None if name in ("latency_ms", "hold_seconds") else 1
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or value < 0 or (limit is not None and value > limit):
                raise ValueError(f"{route}: {name} must be a number from 0{'' if limit is None else ' to 1'}")
        return Rule(**switches)
