"""Arguments as people read them: in which order, under which label, in which words."""

from typing import Any

from apps.registry.models import Tool


def names_in_order(tool: Tool, *documents: dict[str, Any]) -> list[str]:
    """The names of all arguments as people should read them: the money first, then what the tool requires in its order,
    then the rest. (The database does not keep the order of a schema's properties.)
    """
    money = [pointer.removeprefix("/") for pointer in (tool.money_amount, tool.money_currency)]
    declared = tool.input_schema.get("properties", {})
    given = [name for document in documents for name in document]
    ordered = dict.fromkeys([*money, *tool.input_schema.get("required", ()), *declared, *given])
    return [name for name in ordered if name in declared or name in given]


def label_of(name: str) -> str:
    """An argument's name as people read it."""
    return name.replace("_", " ").capitalize()


def shown(value: Any) -> str:
    """An argument's value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {shown(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value)
    return "none" if value is None else str(value)
