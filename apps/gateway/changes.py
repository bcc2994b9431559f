"""The rules of a changed call, as pure functions: who counts as its maker, and what a reader is told has changed
(decision 18).
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from apps.core.canonical import canonical_bytes
from apps.core.money import Money
from apps.gateway.wording import label_of, names_in_order, shown
from apps.registry.models import Tool

ABSENT = "—"


@dataclass(frozen=True, slots=True)
class Version:
    """Arguments with the money they move."""

    arguments: dict[str, Any]
    money: Money | None


def only_lowers_money(tool: Tool, before: Version, after: Version) -> bool:
    """Whether the change does nothing but make the amount smaller: same currency, and every other argument equal.

    Such a change only takes away from what was asked for, so whoever makes it has asked for nothing (I5). Any other
    change, a note included, makes them a maker.
    """
    if before.money is None or after.money is None or before.money.currency != after.money.currency:
        return False
    return after.money.minor < before.money.minor and _without_amount(tool, before) == _without_amount(tool, after)


def _without_amount(tool: Tool, version: Version) -> bytes:
    arguments = deepcopy(version.arguments)
    *path, last = _steps(tool.money_amount)
    holder: Any = arguments
    for step in path:
        holder = holder[int(step)] if isinstance(holder, list) else holder[step]
    holder[int(last) if isinstance(holder, list) else last] = None
    return canonical_bytes(arguments)


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.removeprefix("/").split("/")]


def changes_between(
    tool: Tool,
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    told_as: Callable[[dict[str, Any]], dict[str, Any]] = lambda arguments: arguments,
) -> list[dict[str, str]]:
    """[{"label", "before", "after"}] of every argument that differs, in the order of the schema: for the card. What
    differs is told as it stands in `told_as(arguments)`.
    """
    was, is_now = told_as(before), told_as(after)
    return [
        {"label": label_of(name), "before": _value(was, name), "after": _value(is_now, name)}
        for name in _differing(tool, before, after)
    ]


def _differing(tool: Tool, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in names_in_order(tool, before, after) if _bytes_of(before, name) != _bytes_of(after, name)]


def _bytes_of(arguments: dict[str, Any], name: str) -> bytes | None:
    """None where it is absent, which is something else than null."""
    return canonical_bytes(arguments[name]) if name in arguments else None


def _value(arguments: dict[str, Any], name: str) -> str:
    return shown(arguments[name]) if name in arguments else ABSENT


def told_in_plain(tool: Tool, before: Version, after: Version) -> str:
    """The change in words that may stand outside the vault: money with its values, everything else by name alone."""
    told: list[str] = []
    for name in _differing(tool, before.arguments, after.arguments):
        if name in _steps(tool.money_amount)[:1] and before.money != after.money:
            told.append(f"{label_of(name).lower()} {before.money} → {after.money}")
        elif name in tool.input_schema.get("properties", {}):
            told.append(label_of(name).lower())
        else:
            told.append("another argument")
    return ", ".join(dict.fromkeys(told))
