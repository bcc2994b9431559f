"""What a piece of news says when it is read or sent, as far as the reader may see it then."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """One sentence, and the page it leads to. What `is_over` asks nobody to act any more."""

    sentence: str
    path: str
    is_over: bool = False
