"""The card of a call whose tool marks some of its arguments: written so that each viewer can be shown their own."""

from typing import Any

from apps.approvals.veils import VEILED, Veil, without_signs
from apps.core.money import Money
from apps.gateway.arguments import sentence_for
from apps.gateway.changes import changes_between
from apps.gateway.quoted import Quotes
from apps.gateway.wording import label_of, names_in_order, shown
from apps.registry.masking import Classes
from apps.registry.models import Tool
from apps.registry.shields import Shield, shield_of

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
        self.quotes = Quotes(shield.classes)

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
        own |= {
            name: self.quotes.without(card[name], self.veil.cover) for name in ("statement", "evidence") if name in card
        }
        return {**card, **own, VEILED: self.veil.parts}

    def covered(self, arguments: Arguments) -> Arguments:
        found: Arguments = self.shield.arguments_without(self.shield.classes, arguments, cover=self.cover)
        return found

    def cover(self, classes: Classes, value: Any) -> str:
        self.quotes.add(classes, value)
        return self.veil.cover(classes, shown(value))
