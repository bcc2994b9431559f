"""Characters that a text of policies does not hold: those that cannot be seen and change how it is read, or what line
it is on. Pure.
"""

from __future__ import annotations

import re
import unicodedata

# Controls, marks that turn the direction of writing, spaces without width, line ends of other systems, half characters.
# Joiners stay: some languages are not written without them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def tidy(text: str) -> str:
    """The text with one kind of line end, and without the mark that some editors put in front."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def first_unseen(text: str) -> int | None:
    """Where the first character stands that cannot be seen."""
    match = _UNSEEN.search(text)
    return match.start() if match else None


def character_name(character: str) -> str:
    """`U+202E, right-to-left override`: what tells a character from one that looks like it."""
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f", {name}" if name else "")
