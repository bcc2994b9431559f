"""Bringing together what two people made of one text: rule by rule, parameter by parameter, case by case. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from apps.policies.cedar_text import TextError, statements
from apps.policies.reading import read_policies

V = TypeVar("V")
Side = Literal["", "mine", "theirs"]
# What stands behind the last rule of a text.
_REST = ""


@dataclass(frozen=True, slots=True)
class DraftContent:
    """Everything that is edited together."""

    text: str
    parameters: Mapping[str, Any]
    cases: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Clash:
    """Something both changed, and not alike. `kind` is rule, parameter, case or text."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} “{self.name}”" if self.name else f"the {self.kind}"


@dataclass(frozen=True, slots=True)
class Merged:
    """What both together made. Where they clash it holds the side that was preferred, mine where none was."""

    content: DraftContent
    clashes: tuple[Clash, ...]


def merge(base: DraftContent, mine: DraftContent, theirs: DraftContent, *, prefer: Side = "") -> Merged:
    """What changed on one side alone is taken from there; what changed on both alike, once."""
    clashes: list[Clash] = []

    def three_way(kind: str, sides: tuple[Mapping[str, V], Mapping[str, V], Mapping[str, V]]) -> dict[str, V]:
        def clash(name: str) -> None:
            clashes.append(Clash(kind, name))

        return _merged(*sides, prefer=prefer, clash=clash)

    parameters = three_way("parameter", (base.parameters, mine.parameters, theirs.parameters))
    cases = three_way("case", (_by_name(base), _by_name(mine), _by_name(theirs)))
    chunks = [_chunks(each.text) for each in (base, mine, theirs)]
    if base.text == theirs.text or mine.text == theirs.text:
        text = mine.text
    elif base.text == mine.text:
        text = theirs.text
    elif None in chunks:
        clashes.append(Clash("text", ""))
        text = theirs.text if prefer == "theirs" else mine.text
    else:
        one, two, three = (chunk or {} for chunk in chunks)
        text = "".join(three_way("rule", (one, two, three)).values())
    return Merged(DraftContent(text, parameters, tuple(cases.values())), tuple(clashes))


def _merged(
    base: Mapping[str, V],
    mine: Mapping[str, V],
    theirs: Mapping[str, V],
    *,
    prefer: Side,
    clash: Callable[[str], None],
) -> dict[str, V]:
    """In the order of mine; what only they have stands behind what they have it behind."""
    merged: dict[str, V] = {}
    for name in _in_order(list(mine), list(theirs)):
        was, here, there = base.get(name), mine.get(name), theirs.get(name)
        chosen = here
        if here == was:
            chosen = there
        elif there not in (was, here):
            clash(name)
            chosen = there if prefer == "theirs" else here
        if chosen is not None:
            merged[name] = chosen
    return merged


def _in_order(mine: list[str], theirs: list[str]) -> list[str]:
    order, before = list(mine), ""
    for name in theirs:
        if name not in order:
            order.insert(order.index(before) + 1 if before in order else 0, name)
        before = name
    # what stands behind the last rule stays there
    return [*(name for name in order if name != _REST), *(name for name in order if name == _REST)]


def _by_name(content: DraftContent) -> dict[str, Mapping[str, Any]]:
    return {str(case["name"]): case for case in content.cases}


def _chunks(text: str) -> dict[str, str] | None:
    """Each rule with the remarks in front of it, by its @id. None where the text cannot be read that way."""
    try:
        parts, read = statements(text), read_policies(text)
    except TextError:
        return None
    if len(parts) != len(read):
        return None
    chunks, start = dict[str, str](), 0
    for part, policy in zip(parts, read, strict=True):
        end = part.tokens[-1].end
        if not policy.id or policy.id in chunks:
            return None
        chunks[policy.id] = text[start:end]
        start = end
    if rest := text[start:]:
        chunks[_REST] = rest
    return chunks
