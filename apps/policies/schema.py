"""Cedar schemas generated from tools.

Policies are checked when they are saved against the schema of every tool. A decision needs only that of its one tool:
it is made once per tool definition and parameter shape, so a call costs no query over the registry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cedarpy import Schema

from apps.core.memory import BoundedCache
from apps.policies.arguments import ArgumentShape, Scalar, SetOf, Shape, shape_of
from apps.policies.parameters import CEDAR_TYPES, ParameterTypes
from apps.policies.verdicts import ToolFacts

GROUPS = ("read", "write", "irreversible", "financial")
ENTITY_TYPES: dict[str, dict[str, Any]] = {
    "Agent": {"memberOfTypes": ["Process", "Team"]},
    "Process": {},
    "Team": {},
    "Tool": {"memberOfTypes": ["Connector"]},
    "Connector": {},
}

# Tools a mesh uses at a time, times the sets that decide them. A schema weighs some ten kilobytes.
_shapes: BoundedCache[tuple[str, str], ArgumentShape] = BoundedCache(2_000)
_schemas: BoundedCache[tuple[Any, ...], Schema] = BoundedCache(2_000)

_STRING = {"type": "String"}
_LONG = {"type": "Long"}
_STRINGS = {"type": "Set", "element": _STRING}
_RUN = {"type": "Record", "attributes": {"steps": _LONG, "calls": _LONG, "cost_minor": _LONG}}


def action_groups(tool: ToolFacts) -> tuple[str, ...]:
    """The groups its action is in. Financial: it names an amount of money, or writes data of class “financial”."""
    groups = ["read" if tool.effect == "read" else "write"]
    if tool.is_irreversible:
        groups.append("irreversible")
    if tool.has_money or (tool.effect != "read" and "financial" in tool.data_classes):
        groups.append("financial")
    return tuple(groups)


def argument_shape(tool: ToolFacts) -> ArgumentShape:
    """What policies see of the tool's arguments, and what is left out and why."""
    if not tool.definition_digest:
        return shape_of(tool.input_schema)
    key = (tool.name, tool.definition_digest)
    known = _shapes.get(key)
    return known if known is not None else _shapes.put(key, shape_of(tool.input_schema))


def decision_schema(tool: ToolFacts, parameter_types: ParameterTypes) -> Schema:
    """The schema of that single tool. Raises ValueError where Cedar refuses it."""
    key = (tool.name, tool.definition_digest, tool.connector, action_groups(tool), tool.has_money, parameter_types)
    known = _schemas.get(key) if tool.definition_digest else None
    if known is not None:
        return known
    return _schemas.put(key, Schema.from_json_str(json.dumps(schema_json([tool], parameter_types))))


def schema_json(tools: Iterable[ToolFacts], parameter_types: ParameterTypes) -> dict[str, Any]:
    """The schema of these tools in Cedar's JSON form, where any name may stand, however it is spelled."""
    actions: dict[str, Any] = {group: {} for group in GROUPS}
    for tool in tools:
        if tool.name in GROUPS:
            raise ValueError(f"A tool cannot be called “{tool.name}”: that is a group of tools.")
        actions[tool.name] = {
            "memberOf": [{"id": group} for group in action_groups(tool)],
            "appliesTo": {
                "principalTypes": ["Agent"],
                "resourceTypes": ["Tool"],
                "context": {"type": "Record", "attributes": _context(tool, parameter_types)},
            },
        }
    return {"": {"entityTypes": ENTITY_TYPES, "actions": actions}}


def _context(tool: ToolFacts, parameter_types: ParameterTypes) -> dict[str, Any]:
    attributes = {
        "arguments": cedar_type(argument_shape(tool).record),
        "environment": _STRING,
        "effect": _STRING,
        "data_classes": _STRINGS,
        "region": {**_STRING, "required": False},
        "customer_tier": {**_STRING, "required": False},
        "confidence": {"type": "Extension", "name": "decimal", "required": False},
        "params": {"type": "Record", "attributes": {name: CEDAR_TYPES[kind] for name, kind in parameter_types}},
        "run": _RUN,
        "approved_by": _STRINGS,
    }
    if tool.has_money:
        attributes["money"] = CEDAR_TYPES["money"]
    return attributes


def cedar_type(shape: Shape) -> dict[str, Any]:
    """A shape in Cedar's JSON form of a type."""
    if isinstance(shape, Scalar):
        return {"type": shape.kind}
    if isinstance(shape, SetOf):
        return {"type": "Set", "element": cedar_type(shape.element)}
    fields = {field.name: {**cedar_type(field.shape), "required": field.is_required} for field in shape.fields}
    return {"type": "Record", "attributes": fields}
