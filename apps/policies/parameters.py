"""The typed parameters of a set: the thresholds a process owner edits, as policies see them under `context.params`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from apps.core.errors import Invalid
from apps.core.money import MAX_MINOR, Money
from apps.policies.obligations import parse_duration

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_LONG = {"type": "Long"}
_STRING = {"type": "String"}

CEDAR_TYPES: dict[str, dict[str, Any]] = {
    "money": {"type": "Record", "attributes": {"minor": _LONG, "currency": _STRING}},
    "string": _STRING,
    "long": _LONG,
    "bool": {"type": "Boolean"},
    "strings": {"type": "Set", "element": _STRING},
    "duration": _LONG,
    "team": _STRING,
}

# (name, type) of each parameter, sorted: what a schema depends on, whatever the values are
ParameterTypes: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Parameters:
    types: ParameterTypes
    values: dict[str, Any]


def read_parameters(stored: Any) -> tuple[Parameters, tuple[str, ...]]:
    """The parameters that can be read, and a sentence for each that cannot. `{"type", "value", "currency"?, "label"?}`
    by name.
    """
    if not isinstance(stored, dict):
        return Parameters((), {}), ("The parameters are not an object of named parameters.",)
    types, values, problems = [], {}, []
    for name in sorted(stored):
        try:
            kind, value = _read(name, stored[name])
        except ValueError as error:
            problems.append(f"Parameter “{name}”: {error}")
        else:
            types.append((name, kind))
            values[name] = value
    return Parameters(tuple(types), values), tuple(problems)


def _read(name: str, parameter: Any) -> tuple[str, Any]:
    if not _NAME.fullmatch(name):
        raise ValueError("a name is small letters, digits and underscores, and starts with a letter.")
    stored = parameter if isinstance(parameter, dict) else {}
    kind, value = stored.get("type"), stored.get("value")
    if kind == "money":
        return kind, _money(value, stored.get("currency"))
    if kind == "duration" and isinstance(value, str):
        return kind, parse_duration(value)
    if kind in ("string", "team") and isinstance(value, str):
        return kind, value
    if kind == "bool" and isinstance(value, bool):
        return kind, value
    if kind == "long" and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_MINOR:
        return kind, value
    if kind == "strings" and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return kind, value
    if not isinstance(kind, str) or kind not in CEDAR_TYPES:
        raise ValueError(f"it has no “type” out of {', '.join(sorted(CEDAR_TYPES))}.")
    raise ValueError(f"its value is not of type {kind}.")


def _money(value: Any, currency: Any) -> dict[str, Any]:
    try:
        money = Money.parse(value, currency)
    except Invalid as error:
        raise ValueError(error.sentence) from None
    return {"minor": money.minor, "currency": money.currency}
