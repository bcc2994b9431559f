"""The card of a call whose tool marks some of its arguments: written so that each viewer can be shown their own."""

import re
from collections.abc import Iterator
from typing import Any

from apps.approvals.veils import VEILED, Veil, without_signs
from apps.core.money import Money
from apps.gateway.arguments import sentence_for
from apps.gateway.changes import changes_between
from apps.gateway.wording import label_of, names_in_order, shown
from apps.registry.masking import Classes
from apps.registry.models import Tool
from apps.registry.shields import Shield, shield_of

# A shorter text stands in too many others to be looked for in the agent's own words.
SHORTEST_QUOTE = 4
MOST_QUOTES = 200

Arguments = dict[str, Any]


def veiled(
    card: dict[str, Any], tool: Tool, arguments: Arguments, money: Money | None, *, before: Arguments | None
) -> dict[str, Any]:
    """The card with a sign in the place of every marked value, also where the agent's statement or its evidence quotes
    one. A tool without marks has the card it had.
    """
    shield = shield_of(tool)
    if not shield.classes:
        return card
    return _Veiling(tool, shield).card(without_signs(card), without_signs(arguments), money, without_signs(before))


class _Veiling:
    def __init__(self, tool: Tool, shield: Shield) -> None:
        self.tool, self.shield, self.veil = tool, shield, Veil()
        self.quotes: dict[str, Classes] = {}

    def card(
        self, card: dict[str, Any], arguments: Arguments, money: Money | None, before: Arguments | None
    ) -> dict[str, Any]:
        covered = self.covered(arguments)
        own: dict[str, Any] = {
            "sentence": sentence_for(self.tool, covered, money),
            "facts": [
                [label_of(name), shown(covered[name])]
                for name in names_in_order(self.tool, arguments)
                if name in arguments
            ],
        }
        if before is not None:
            own["changes"] = changes_between(self.tool, before, arguments, told_as=self.covered)
        own |= {name: self.without_quotes(card[name]) for name in ("statement", "evidence") if name in card}
        return {**card, **own, VEILED: self.veil.parts}

    def covered(self, arguments: Arguments) -> Arguments:
        found: Arguments = self.shield.arguments_without(self.shield.classes, arguments, cover=self.cover)
        return found

    def cover(self, classes: Classes, value: Any) -> str:
        for text in _texts_in(value):
            if len(text) >= SHORTEST_QUOTE:
                self.quotes[text] = self.quotes.get(text, frozenset()) | classes
        return self.veil.cover(classes, shown(value))

    def without_quotes(self, value: Any) -> Any:
        """The agent's own words with a sign wherever they repeat a marked value."""
        if isinstance(value, str):
            return self._without_quotes(value)
        if isinstance(value, dict):
            return {name: self.without_quotes(part) for name, part in value.items()}
        return [self.without_quotes(part) for part in value] if isinstance(value, list) else value

    def _without_quotes(self, text: str) -> str:
        if not text or not self.quotes:
            return text
        if len(self.quotes) > MOST_QUOTES:
            return self.veil.cover(self.shield.classes, text)
        longest_first = sorted(self.quotes, key=len, reverse=True)
        quoted = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        folded = {quote.lower(): classes for quote, classes in self.quotes.items()}
        return quoted.sub(lambda found: self._sign_for(found[0], folded), text)

    def _sign_for(self, text: str, folded: dict[str, Classes]) -> str:
        return self.veil.cover(folded.get(text.lower(), self.shield.classes), text)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield str(name)
            yield from _texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts_in(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
