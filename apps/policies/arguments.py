"""JSON Schema of a tool's arguments → the typed record policies see, and a call's arguments carried into it.

Cedar has text, whole numbers of 64 bits, true/false, sets and closed records. What it cannot carry exactly (fractions,
null, one of several types, recursion) is left out of the type with a reason, so that a policy naming it fails when it
is saved, and never reaches an evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from apps.core.pointers import resolve

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1

# Deeper or larger types help no policy author, and Cedar's own parser recurses over them.
MAX_DEPTH = 8
MAX_FIELDS = 2_000

# Cedar's JSON reads an object with one of these as an entity, an extension value or an expression.
ESCAPES = frozenset({"__entity", "__extn", "__expr"})

Kind: TypeAlias = Literal["String", "Long", "Boolean"]

SCALARS: dict[str, Kind] = {"string": "String", "integer": "Long", "boolean": "Boolean"}
PYTHON_KINDS: dict[type, str] = {str: "string", int: "integer", bool: "boolean"}


@dataclass(frozen=True, slots=True)
class Scalar:
    kind: Kind


@dataclass(frozen=True, slots=True)
class SetOf:
    element: Shape


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    shape: Shape
    is_required: bool


@dataclass(frozen=True, slots=True)
class RecordOf:
    fields: tuple[Field, ...]


Shape: TypeAlias = Scalar | SetOf | RecordOf


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An argument policies cannot see, and why."""

    pointer: str
    reason: str


@dataclass(frozen=True, slots=True)
class ArgumentShape:
    record: RecordOf
    left_out: tuple[LeftOut, ...]


class Misfit(Exception):
    """A value that is not what its type says. The sentence names the place, never the value."""


class _CannotCarry(Exception):
    """The reason why a part of the schema has no Cedar type."""


def shape_of(input_schema: dict[str, Any]) -> ArgumentShape:
    """The record a tool's arguments make, and what of them is left out. Never fails, whatever the schema says."""
    reader = _Reader(input_schema)
    try:
        record = reader.record(input_schema, "", (), 0)
    except _CannotCarry as why:
        reader.leave_out("", str(why))
        record = RecordOf(())
    return ArgumentShape(record, tuple(reader.left_out))


class _Reader:
    """Walks one schema. Properties are read in sorted order, so that the same schema gives the same type everywhere."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root
        self.left_out: list[LeftOut] = []
        self.fields_left = MAX_FIELDS

    def leave_out(self, pointer: str, reason: str) -> None:
        self.left_out.append(LeftOut(pointer, reason))

    def record(self, schema: Any, pointer: str, refs: tuple[str, ...], depth: int) -> RecordOf:
        schema, refs = self._follow(schema, refs)
        properties, required = schema.get("properties"), schema.get("required")
        required = required if isinstance(required, list) else ()
        if not isinstance(properties, dict) or not properties:
            if depth:
                raise _CannotCarry("it names no fields")
            return RecordOf(())
        fields = []
        for name in sorted(properties):
            try:
                shape, may_be_null = self._field(name, properties[name], f"{pointer}/{name}", refs, depth + 1)
            except _CannotCarry as why:
                self.leave_out(f"{pointer}/{name}", str(why))
            else:
                fields.append(Field(name, shape, name in required and not may_be_null))
        if depth and not fields:
            raise _CannotCarry("none of its fields can be carried")
        return RecordOf(tuple(fields))

    def _field(self, name: str, schema: Any, pointer: str, refs: tuple[str, ...], depth: int) -> tuple[Shape, bool]:
        if name in ESCAPES:
            raise _CannotCarry("its name means something else to Cedar")
        if self.fields_left <= 0:
            raise _CannotCarry(f"the tool has more than {MAX_FIELDS} fields")
        self.fields_left -= 1
        return self._shape(schema, pointer, refs, depth)

    def _shape(self, schema: Any, pointer: str, refs: tuple[str, ...], depth: int) -> tuple[Shape, bool]:
        """The shape and whether null may stand in its place (policies see null as absent)."""
        if depth > MAX_DEPTH:
            raise _CannotCarry(f"it lies deeper than {MAX_DEPTH} levels")
        schema, refs = self._follow(schema, refs)
        types = _types_of(schema)
        may_be_null = "null" in types
        types.discard("null")
        if len(types) != 1:
            raise _CannotCarry(_why_not_one(types, may_be_null))
        (name,) = types
        if name in SCALARS:
            return Scalar(SCALARS[name]), may_be_null
        if name == "array":
            return self._set(schema, pointer, refs, depth), may_be_null
        if name == "object":
            return self.record(schema, pointer, refs, depth), may_be_null
        if name == "number":
            raise _CannotCarry("a number with a fraction has no exact form in Cedar; use text or whole minor units")
        raise _CannotCarry(f"Cedar has no type for “{name}”")

    def _set(self, schema: dict[str, Any], pointer: str, refs: tuple[str, ...], depth: int) -> SetOf:
        items = schema.get("items")
        if "prefixItems" in schema or not isinstance(items, dict):
            raise _CannotCarry("its items do not share one type")
        element, may_be_null = self._shape(items, f"{pointer}/*", refs, depth + 1)
        if may_be_null:
            raise _CannotCarry("its items may be null")
        return SetOf(element)

    def _follow(self, schema: Any, refs: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The schema behind any `$ref`, with the references on the way to it."""
        while isinstance(schema, dict) and "$ref" in schema:
            ref = schema["$ref"]
            if not isinstance(ref, str) or not ref.startswith("#"):
                raise _CannotCarry("its definition lies outside the tool's schema")
            if ref in refs:
                raise _CannotCarry("its type contains itself")
            refs = (*refs, ref)
            schema = resolve(self.root, ref.removeprefix("#"))
        if not isinstance(schema, dict):
            raise _CannotCarry("it has no type")
        return schema, refs


def _types_of(schema: dict[str, Any]) -> set[str]:
    """The JSON types that `type`, or else the listed values, allow."""
    declared = schema.get("type")
    if isinstance(declared, str):
        return {declared}
    if isinstance(declared, list):
        return {name for name in declared if isinstance(name, str)}
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list):
        return set()
    return {"null" if value is None else PYTHON_KINDS.get(type(value), type(value).__name__) for value in values}


def _why_not_one(types: set[str], may_be_null: bool) -> str:
    if types:
        return "it may be one of several types"
    return "it can only be null" if may_be_null else "it has no type"


def carry(value: Any, shape: Shape, pointer: str = "") -> Any:
    """The part of `value` that `shape` describes, ready for Cedar. Raises Misfit where it is something else."""
    if isinstance(shape, Scalar):
        return _carry_scalar(value, shape.kind, pointer)
    if isinstance(shape, SetOf):
        if not isinstance(value, list):
            raise Misfit(f"{pointer} is not a list")
        return [carry(item, shape.element, f"{pointer}/*") for item in value]
    if not isinstance(value, dict):
        raise Misfit(f"{pointer or 'The whole'} is not an object")
    carried = {}
    for field in shape.fields:
        found = value.get(field.name)
        if found is not None:
            carried[field.name] = carry(found, field.shape, f"{pointer}/{field.name}")
        elif field.is_required:
            raise Misfit(f"{pointer}/{field.name} is missing")
    return carried


def _carry_scalar(value: Any, kind: Kind, pointer: str) -> Any:
    if kind == "String" and isinstance(value, str):
        return value
    if kind == "Boolean" and isinstance(value, bool):
        return value
    if kind == "Long" and not isinstance(value, bool):
        # JSON Schema counts 5.0 as whole, and canonical JSON stores it as 5, in the digits of `repr`: both decide alike
        if isinstance(value, float) and value.is_integer():
            value = int(Decimal(repr(value)))
        if isinstance(value, int):
            return as_long(value, pointer)
    wanted = {"String": "text", "Boolean": "true or false", "Long": "a whole number"}[kind]
    raise Misfit(f"{pointer} is not {wanted}")


def as_long(value: int, name: str) -> int:
    """`value`, if Cedar can count that far. Raises Misfit otherwise."""
    if not LONG_MIN <= value <= LONG_MAX:
        raise Misfit(f"{name} is a larger number than policies can compare")
    return value
