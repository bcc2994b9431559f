"""Arguments: checked against the tool's schema, and what they mean (money, entity, sentence)."""

import json
from string import Formatter
from typing import Any, Literal

import jsonschema_rs

from apps.core.canonical import digest
from apps.core.errors import Invalid
from apps.core.memory import BoundedCache
from apps.core.money import Money
from apps.core.pointers import resolve
from apps.gateway.limits import check_content
from apps.registry.models import Tool

ERRORS_SHOWN = 20
# Of one argument within a sentence; the card shows it whole.
SHOWN_CHARACTERS = 80


SchemaOf = Literal["input_schema", "output_schema"]

# With the schema it was made of: a definition may be changed before it has a digest of its own.
_validators: BoundedCache[tuple[str, SchemaOf], tuple[Any, Any]] = BoundedCache(4096)


def schema_errors(tool: Tool, which: SchemaOf, document: Any) -> list[dict[str, str]]:
    """Every way in which the document misses that schema, as JSON pointer and sentence; [] when it fits or there is
    none.
    """
    if getattr(tool, which) is None:
        return []
    try:
        errors = _validator(tool, which).iter_errors(document)
        return [
            {"pointer": "".join(f"/{_escape(step)}" for step in error.instance_path), "sentence": error.message}
            for error, _ in zip(errors, range(ERRORS_SHOWN), strict=False)
        ]
    except ValueError:  # nested deeper than the validator goes
        return [{"pointer": "", "sentence": "Nested too deeply."}]


def _validator(tool: Tool, which: SchemaOf) -> Any:
    schema, key = getattr(tool, which), (tool.definition_digest, which)
    known = _validators.get(key)
    if known is None or known[0] != schema:
        known = _validators.put(key, (schema, jsonschema_rs.validator_for(json.dumps(schema), validate_formats=True)))
    return known[1]


def _escape(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _without_values(errors: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same errors where a sentence may quote what not everyone sees."""
    return [{**error, "sentence": "This does not fit the schema."} for error in errors]


def check_arguments(tool: Tool, arguments: dict[str, Any], *, quotes: bool = True) -> None:
    """Raise Invalid (422) with a pointer for each error; without `quotes` no value stands in its sentences."""
    check_content(arguments)
    if errors := schema_errors(tool, "input_schema", arguments) or _path_errors(tool, arguments):
        errors = errors if quotes else _without_values(errors)
        raise Invalid("arguments_invalid", f"The arguments do not fit {tool.name}.", errors=errors)


def _path_errors(tool: Tool, arguments: dict[str, Any]) -> list[dict[str, str]]:
    """What becomes a segment of the URL must stay one: nothing empty, nothing that climbs, nothing with a structure."""
    names = [name for _, name, _, _ in Formatter().parse(tool.request["path"]) if name]
    return [
        {"pointer": f"/{_escape(name)}", "sentence": "Must be a plain value that can stand in a URL path."}
        for name in names
        if not isinstance(arguments.get(name), str | int) or str(arguments[name]).strip(".") == ""
    ]


def arguments_digest(arguments: dict[str, Any]) -> str:
    """Equal for arguments that mean the same, whatever their order and spelling. Raises Invalid for what JSON cannot
    carry exactly.
    """
    return digest(arguments)


def money_in(tool: Tool, arguments: dict[str, Any]) -> Money | None:
    """The money this call moves, None where the tool moves none. Raises Invalid when it should and the amount cannot
    be read.
    """
    if not tool.has_money:
        return None
    try:
        money = Money.parse(resolve(arguments, tool.money_amount), resolve(arguments, tool.money_currency))
    except Invalid as error:
        raise _bad_money(tool, error.code, error.sentence) from None
    if money.minor < 0:
        # a limit that asks for "at most" would take a negative amount for a small one
        raise _bad_money(tool, "money.negative", "Money is never negative here; the tool says which way it moves.")
    return money


def _bad_money(tool: Tool, code: str, sentence: str) -> Invalid:
    return Invalid(code, sentence, errors=[{"pointer": tool.money_amount, "sentence": sentence}])


def entity_in(tool: Tool, arguments: dict[str, Any]) -> tuple[str, str]:
    """(type, id) of the business record the call is about; empty strings where the tool names none."""
    value = resolve(arguments, tool.entity_pointer) if tool.entity_pointer else None
    if "\x00" in str(value):
        errors = [{"pointer": tool.entity_pointer, "sentence": "Holds a character that no name has."}]
        raise Invalid("arguments_invalid", f"The arguments do not fit {tool.name}.", errors=errors)
    return (tool.entity_type, str(value)[:120]) if value is not None else ("", "")


def _short(value: str | float) -> str:
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


class _Words(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "…"


def sentence_for(tool: Tool, arguments: dict[str, Any], money: Money | None) -> str:
    """The sentence people read: the tool's `says` with this call's values."""
    words = {key: _short(value) for key, value in arguments.items() if isinstance(value, str | int | float)}
    return tool.says.format_map(_Words(words, money=money if money else "…"))
