"""JSON Schema: compiling it, what is wrong with a document, and what a pointer finds in it. Nothing is ever fetched."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jsonschema_rs

Schema = dict[str, Any]

POINTER = re.compile(r"(/([^~/]|~[01])*)*")
# Said in place of the value, which may be a secret or personal.
MASK = "This value"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: a JSON Pointer (RFC 6901) into the document."""

    pointer: str
    sentence: str

    def under(self, pointer: str) -> "Problem":
        """The same problem, seen from a document that holds this one at `pointer`."""
        return Problem(pointer + self.pointer, self.sentence)

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def compile_schema(schema: Schema) -> jsonschema_rs.Validator:
    """A validator, reusable and safe to share. Raises jsonschema_rs.ValidationError on what is no JSON Schema."""
    return jsonschema_rs.validator_for(schema, offline=True, mask=MASK)


def schema_problems(schema: Schema) -> list[Problem]:
    """Why this is not a JSON Schema that can be used here; empty when it is."""
    try:
        compile_schema(schema)
    except jsonschema_rs.ValidationError as error:
        return [Problem(pointer_of(error.instance_path), f"This is not a JSON Schema: {error.message}.")]
    return []


def violations(validator: jsonschema_rs.Validator, document: Any) -> list[Problem]:
    """Every way in which the document breaks the schema, each at its own pointer, without any of its values."""
    return sorted(set(_violations(validator, document)), key=lambda problem: (problem.pointer, problem.sentence))


def declares(schema: Schema, pointer: str) -> bool:
    """Whether documents of this schema may hold something at `pointer`.

    The first step must be a property the schema names; below it, a part that says nothing of itself may hold anything.
    """
    steps = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
    if pointer in ("", "/"):
        return True
    return any(_leads(part, steps[1:], schema) for part in _named(schema, steps[0], schema))


def is_pointer(text: str) -> bool:
    """Whether the text is a JSON Pointer."""
    return POINTER.fullmatch(text) is not None


def _violations(validator: jsonschema_rs.Validator, document: Any) -> Iterator[Problem]:
    kinds = jsonschema_rs.ValidationErrorKind
    for error in validator.iter_errors(document):
        at = pointer_of(error.instance_path)
        match error.kind:
            case kinds.AdditionalProperties() | kinds.UnevaluatedProperties():
                for name in error.kind.unexpected:
                    yield Problem(at + pointer_of([name]), "Nothing of this name is expected here.")
            case kinds.Required():
                yield Problem(at + pointer_of([error.kind.property]), "This is missing.")
            case _:
                yield Problem(at, f"{error.message}.")


def pointer_of(path: Sequence[str | int]) -> str:
    """The JSON Pointer that takes these steps."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _named(schema: Any, name: str, root: Schema) -> Iterator[Any]:
    """The parts of the schema that speak of the property or the element `name`."""
    if not isinstance(schema, dict):
        return
    if name in schema.get("properties", {}):
        yield schema["properties"][name]
    if name.isdigit() and isinstance(schema.get("items"), dict):
        yield schema["items"]
    if isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"]
    for part in _parts(schema, root):
        yield from _named(part, name, root)


def _leads(schema: Any, steps: list[str], root: Schema) -> bool:
    if not steps or schema is True:
        return True
    if not isinstance(schema, dict):
        return False
    is_open = not {"properties", "items", "$ref", "allOf", "anyOf", "oneOf"} & schema.keys()
    if is_open and schema.get("additionalProperties") is not False:
        return schema.get("type", "object") in ("object", "array")
    return any(_leads(part, steps[1:], root) for part in _named(schema, steps[0], root))


def _parts(schema: Schema, root: Schema) -> Iterator[Any]:
    """Sub-schemas that hold for the same document: combinators, and references into the schema itself."""
    for combinator in ("allOf", "anyOf", "oneOf"):
        yield from schema.get(combinator, ())
    reference = schema.get("$ref", "")
    if reference.startswith("#/$defs/"):
        yield root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})


def closed_object(required: Collection[str], **properties: Schema) -> Schema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": properties,
    }
