"""One sentence of a run's story."""

import datetime as dt
from dataclasses import dataclass, field

from apps.core.money import Money


@dataclass(frozen=True, slots=True)
class Sentence:
    """`kind` is that of a step; `moneys` is what the sentence is about, one for each currency; `rank` is 0 for what is
    told in any case. `detail` is the fine print. `is_after_end`: what became of the run when it was over; `is_sum`
    comes after what else happened at that moment.
    """

    at: dt.datetime
    kind: str
    text: str
    actor: str = ""
    detail: str = ""
    moneys: tuple[Money, ...] = field(default=())
    url: str = ""
    is_bad: bool = False
    rank: int = 1
    is_after_end: bool = False
    is_sum: bool = False
    origin: str = "enforced"

    @property
    def enforced(self) -> bool:
        return self.origin == "enforced"


def capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]
