"""What a replay has counted, as its row keeps it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from apps.core.money import Money
from apps.replays.kinds import Kind


@dataclass(slots=True)
class Count:
    """Of one kind: how many, how many of them stand in the list, and their money by currency."""

    count: int = 0
    listed: int = 0
    minor: dict[str, int] = field(default_factory=dict)

    @property
    def sums(self) -> list[Money]:
        """Never added up across currencies."""
        return [Money(minor, currency) for currency, minor in sorted(self.minor.items())]

    def add(self, other: Count) -> None:
        self.count += other.count
        self.listed += other.listed
        for currency, minor in other.minor.items():
            self.minor[currency] = self.minor.get(currency, 0) + minor


@dataclass(slots=True)
class Tally:
    """Decisions that stay as they are, and the others by kind."""

    same: int = 0
    kinds: dict[Kind, Count] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Tally:
        kinds = {Kind(name): Count(*counted) for name, counted in stored.get("kinds", {}).items()}
        return cls(stored.get("same", 0), kinds)

    def as_json(self) -> dict[str, Any]:
        kinds = {kind.value: [each.count, each.listed, each.minor] for kind, each in self.kinds.items()}
        return {"same": self.same, "kinds": kinds}

    def of(self, kind: Kind) -> Count:
        return self.kinds.setdefault(kind, Count())

    def counted(self, kinds: Iterable[Kind]) -> Count:
        """Several kinds together; what there is none of is none."""
        total = Count()
        for kind in kinds:
            if kind in self.kinds:
                total.add(self.kinds[kind])
        return total

    @property
    def total(self) -> int:
        return self.same + sum(each.count for each in self.kinds.values())
