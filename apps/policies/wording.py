"""Amounts, durations and names of tools as people say them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.core.errors import Invalid
from apps.core.money import Money, format_money
from apps.policies.obligations import Demand, parse_duration
from apps.policies.verdicts import StageSpec

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_COUNTS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# A tool that makes a thing is spoken of by the thing; what it does to a thing that is there is not.
_MAKES = frozenset({"issue", "post", "create", "make", "open", "send"})


def duration_words(seconds: int) -> str:
    """“1 day 2 hours”."""
    words = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(words) or "0 seconds"


def number_words(value: int) -> str:
    return f"{value:,}"


def chain_words(stages: Sequence[StageSpec]) -> str:
    """“one of finance-approvers, then two of cfo-office”."""
    return ", then ".join(
        f"{_COUNTS[stage.quorum] if stage.quorum < len(_COUNTS) else stage.quorum} of {stage.team}" for stage in stages
    )


def demand_words(demand: Demand) -> str:
    """“one of finance-approvers within 8 hours; after 2 hours finance-leads may decide too”."""
    steps = "".join(
        f"; after {duration_words(step.after_seconds)} {step.team} may decide too" for step in demand.escalations
    )
    return f"{chain_words(demand.stages)} within {duration_words(demand.expires_seconds)}{steps}"


def listed(words: Iterable[str], conjunction: str = "and") -> str:
    """“a, b and c”."""
    *others, last = list(words) or [""]
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def tool_words(name: str, title: str, others: Iterable[str]) -> tuple[str, bool]:
    """How a tool is spoken of, and whether in the plural: “Credit memos” for the only tool that changes credit memos
    and makes them, by its title for any other.
    """
    verb, _, thing = name.rpartition(".")[2].partition("_")
    things = [other.rpartition(".")[2].partition("_")[2] for other in others if other != name]
    if verb in _MAKES and thing and thing not in things:
        return _plural(thing.replace("_", " ")).capitalize(), True
    return f"“{title or name}”", False


def parameter_words(stored: Any) -> str:
    """The value of a stored parameter: “€500.00”, “8 hours”, “a, b”."""
    parameter = stored if isinstance(stored, Mapping) else {}
    kind, value = parameter.get("type"), parameter.get("value")
    try:
        if kind == "money":
            money = Money.parse(value, parameter.get("currency"))
            return format_money(money.minor, money.currency)
        if kind == "duration" and isinstance(value, str):
            return duration_words(parse_duration(value))
    except (Invalid, ValueError):
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return number_words(value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "nothing"
    return str(value)


def _plural(thing: str) -> str:
    if thing.endswith(("s", "x", "ch", "sh")):
        return f"{thing}es"
    if thing.endswith("y") and thing[-2:-1] not in "aeiou":
        return f"{thing[:-1]}ies"
    return f"{thing}s"
