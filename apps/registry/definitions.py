"""What a tool's definition says, as it is written in a bootstrap file, and whether it makes sense.

Pointers lead into the arguments, except where a definition tells another tool what to be called with: there they lead
into `{"arguments": …, "result": …, "idempotency_key": …}` of the call that is looked up or compensated.
"""

import string
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from apps.core.canonical import digest
from apps.core.errors import Invalid
from apps.registry.masking import mark_problems, marked_at, marks_of
from apps.registry.models import Effect, Tool, WhenDown
from apps.registry.schemas import (
    Problem,
    Schema,
    closed_object,
    compile_schema,
    declares,
    is_pointer,
    schema_problems,
    violations,
)

Definition = Mapping[str, Any]

MAX_TIMEOUT_SECONDS = 300
MAX_KEEP_DAYS = 3650
# What a process of ours holds in memory for one answer, whatever a tool asks for.
MOST_RESULT_BYTES = 16 * 1024 * 1024
# `{money}` in `says` is the formatted amount, every other placeholder an argument.
MONEY_PLACEHOLDER = "money"
NEWCOMERS = ("idempotency_keep_days", "when_down", "max_result_bytes")
# What a call is known by in columns of its own: money, and the record it is about.
NAMED_OPENLY = ("/money/amount", "/money/currency", "/entity/id")
LOOKUP_SOURCES = ("arguments", "idempotency_key")
COMPENSATION_SOURCES = ("arguments", "idempotency_key", "result")

_POINTER: Schema = {"type": "string", "pattern": "^/", "maxLength": 120}
_POINTERS: Schema = {"type": "object", "additionalProperties": _POINTER}
_SLUG: Schema = {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$", "maxLength": 50}
_TOOL_NAME: Schema = {"type": "string", "pattern": "^[-a-zA-Z0-9_]+\\.[-a-zA-Z0-9_]+$", "maxLength": 120}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


SHAPE: Schema = closed_object(
    ("name", "connector", "title", "says", "effect", "request", "input_schema"),
    name=_TOOL_NAME,
    connector=_SLUG,
    title={"type": "string", "minLength": 1, "maxLength": 120},
    says={"type": "string", "minLength": 1, "maxLength": 300},
    effect={"enum": Effect.values},
    reversible={"type": "boolean"},
    idempotent={"type": "boolean"},
    timeout_seconds={"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT_SECONDS},
    when_down={"enum": WhenDown.values},
    idempotency_keep_days={"type": ["integer", "null"], "minimum": 1, "maximum": MAX_KEEP_DAYS},
    data_classes={"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 40}},
    max_result_bytes={"type": ["integer", "null"], "minimum": 1, "maximum": MOST_RESULT_BYTES},
    money=_or_null(closed_object(("amount", "currency"), amount=_POINTER, currency=_POINTER)),
    entity=_or_null(
        closed_object(("type", "id"), type={"type": "string", "minLength": 1, "maxLength": 40}, id=_POINTER)
    ),
    compensation=_or_null(closed_object(("tool", "arguments"), tool=_TOOL_NAME, arguments=_POINTERS)),
    lookup=_or_null(
        closed_object(("tool", "arguments", "found"), tool=_TOOL_NAME, arguments=_POINTERS, found=_POINTER)
    ),
    request=closed_object(
        ("method", "path"),
        method={"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
        path={"type": "string", "pattern": "^/([^/?#\\s][^?#\\s]*)?$", "maxLength": 300},
        query=_POINTERS,
        body=_POINTER,
    ),
    input_schema={"type": "object"},
    output_schema={"type": ["object", "null"]},
)
_SHAPE = compile_schema(SHAPE)


def problems_of(definition: Any, *, connectors: Collection[str], tools: Mapping[str, Definition]) -> list[Problem]:
    """Everything that is wrong with the definition; empty when it can be registered.

    `connectors` and `tools` are what it may refer to: those that are registered and those that come with it.
    """
    found = violations(_SHAPE, definition)
    return found or list(_senseless(definition, connectors, tools))


def normalized(definition: Definition) -> dict[str, Any]:
    """The definition with every default written out, so that the same meaning has the same digest."""
    plain = {key: definition.get(key) for key in SHAPE["properties"]}
    plain["reversible"] = definition.get("reversible", False)
    plain["idempotent"] = definition.get("idempotent", False)
    # what a field is marked with is a class of the tool, whether it says so twice or not
    marked = (marks_of(definition.get(key)).classes for key in ("input_schema", "output_schema"))
    plain["data_classes"] = sorted(set(definition.get("data_classes", ())).union(*marked))
    return _without_newcomers(plain)


def _without_newcomers(plain: dict[str, Any]) -> dict[str, Any]:
    """Keys that came later are left out where they say nothing: a release of this product makes no new version of a
    tool that nobody changed.
    """
    return {key: value for key, value in plain.items() if key not in NEWCOMERS or value is not None}


def columns_of(definition: Definition) -> dict[str, Any]:
    """The columns of `Tool` that a definition fills, its connector and its version excepted."""
    plain = normalized(definition)
    money, entity = plain["money"] or {}, plain["entity"] or {}
    return {
        "definition_digest": digest(plain),
        "title": plain["title"],
        "says": plain["says"],
        "effect": plain["effect"],
        "is_reversible": plain["reversible"],
        "is_idempotent": plain["idempotent"],
        "timeout_seconds": plain["timeout_seconds"],
        "when_down": plain.get("when_down") or "",
        "idempotency_keep_days": plain.get("idempotency_keep_days"),
        "data_classes": plain["data_classes"],
        "max_result_bytes": plain.get("max_result_bytes"),
        "money_amount": money.get("amount", ""),
        "money_currency": money.get("currency", ""),
        "entity_type": entity.get("type", ""),
        "entity_pointer": entity.get("id", ""),
        "compensation": plain["compensation"],
        "lookup": plain["lookup"],
        "request": plain["request"],
        "input_schema": plain["input_schema"],
        "output_schema": plain["output_schema"],
    }


def definition_of(tool: Tool) -> dict[str, Any]:
    """The definition a tool was registered with, in its normalized form. Asks for the tool's connector."""
    plain = {
        "name": tool.name,
        "connector": tool.connector.slug,
        "title": tool.title,
        "says": tool.says,
        "effect": tool.effect,
        "reversible": tool.is_reversible,
        "idempotent": tool.is_idempotent,
        "timeout_seconds": tool.timeout_seconds,
        "idempotency_keep_days": tool.idempotency_keep_days,
        "when_down": tool.when_down or None,
        "data_classes": tool.data_classes,
        "max_result_bytes": tool.max_result_bytes,
        "money": {"amount": tool.money_amount, "currency": tool.money_currency} if tool.money_amount else None,
        "entity": {"type": tool.entity_type, "id": tool.entity_pointer} if tool.entity_type else None,
        "compensation": tool.compensation,
        "lookup": tool.lookup,
        "request": tool.request,
        "input_schema": tool.input_schema,
        "output_schema": tool.output_schema,
    }
    return _without_newcomers(plain)


def _senseless(
    definition: Definition, connectors: Collection[str], tools: Mapping[str, Definition]
) -> Iterator[Problem]:
    """What a definition of the right shape still gets wrong."""
    schemas_hold = True
    for key in ("input_schema", "output_schema"):
        for problem in schema_problems(definition.get(key) or {}):
            schemas_hold = False
            yield problem.under(f"/{key}")
    for key in ("input_schema", "output_schema") if schemas_hold else ():
        for problem in mark_problems(definition.get(key) or {}):
            yield problem.under(f"/{key}")
    yield from _names(definition, connectors)
    if not schemas_hold:
        return
    try:
        digest(normalized(definition))
    except Invalid as error:
        yield Problem("", error.sentence)
    if definition["input_schema"].get("type") != "object":
        yield Problem("/input_schema/type", "Arguments are an object: this must be “object”.")
    yield from _pointers(definition)
    yield from _says(definition)
    yield from _request(definition)
    yield from _other_tool(definition, "lookup", LOOKUP_SOURCES, tools)
    yield from _other_tool(definition, "compensation", COMPENSATION_SOURCES, tools)


def _names(definition: Definition, connectors: Collection[str]) -> Iterator[Problem]:
    connector = definition["connector"]
    if connector not in connectors:
        yield Problem("/connector", f"There is no connector “{connector}”.")
    if not definition["name"].startswith(f"{connector}."):
        yield Problem("/name", f"The name of a tool begins with its connector: “{connector}.”.")


def _pointers(definition: Definition) -> Iterator[Problem]:
    """Pointers into the arguments must lead to something the input schema declares."""
    for pointer, value in _pointers_into_arguments(definition):
        if not is_pointer(value):
            yield Problem(pointer, f"“{value}” is not a JSON Pointer.")
        elif not declares(definition["input_schema"], value):
            yield Problem(pointer, f"“{value}” leads to no argument of the input schema.")
        elif pointer in NAMED_OPENLY and (classes := marked_at(definition["input_schema"], value)):
            yield Problem(pointer, f"This stands openly in lists and in the log, so it cannot be {min(classes)}.")
    found = (definition.get("lookup") or {}).get("found")
    if found is not None and not is_pointer(found):
        yield Problem("/lookup/found", f"“{found}” is not a JSON Pointer.")


def _pointers_into_arguments(definition: Definition) -> Iterator[tuple[str, str]]:
    money, entity, request = definition.get("money") or {}, definition.get("entity") or {}, definition["request"]
    for name in ("amount", "currency"):
        if name in money:
            yield f"/money/{name}", money[name]
    if "id" in entity:
        yield "/entity/id", entity["id"]
    for name, value in request.get("query", {}).items():
        yield f"/request/query/{name}", value
    if "body" in request:
        yield "/request/body", request["body"]


def _says(definition: Definition) -> Iterator[Problem]:
    known = set(definition["input_schema"].get("properties", {}))
    if definition.get("money"):
        known.add(MONEY_PLACEHOLDER)
    yield from _placeholders("/says", definition["says"], known)


def _request(definition: Definition) -> Iterator[Problem]:
    """A path is filled from required arguments; a write is not sent by a method that promises to change nothing."""
    request, schema = definition["request"], definition["input_schema"]
    yield from _placeholders("/request/path", request["path"], set(schema.get("required", ())))
    if ".." in request["path"].split("/"):
        yield Problem("/request/path", "A path does not climb.")
    if request["method"] == "GET" and definition["effect"] == Effect.WRITE:
        yield Problem("/request/method", "A write cannot be a GET.")
    if request["method"] == "GET" and "body" in request:
        yield Problem("/request/body", "A GET has no body.")


def _placeholders(pointer: str, template: str, known: set[str]) -> Iterator[Problem]:
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError:
        yield Problem(pointer, "A brace is not closed.")
        return
    for _, name, spec, conversion in fields:
        if name is None:
            continue
        if spec or conversion or name not in known:
            names = ", ".join(sorted(known)) or "none"
            yield Problem(pointer, f"“{{{name}}}” cannot be filled in. What can be: {names}.")


def _other_tool(
    definition: Definition, key: str, sources: Collection[str], tools: Mapping[str, Definition]
) -> Iterator[Problem]:
    """The tool that looks up or compensates exists, is of the right kind, and gets the arguments it needs."""
    reference = definition.get(key)
    if not reference:
        return
    if reference["tool"] not in tools:
        yield Problem(f"/{key}/tool", f"There is no tool “{reference['tool']}”.")
        return
    other = tools[reference["tool"]]
    wanted = Effect.READ if key == "lookup" else Effect.WRITE
    if reference["tool"] == definition["name"] or other["effect"] != wanted:
        yield Problem(f"/{key}/tool", f"This must be another tool, one with the effect “{wanted}”.")
    schema = other["input_schema"]
    for name, value in reference["arguments"].items():
        pointer = f"/{key}/arguments/{name}"
        if name not in schema.get("properties", {}):
            yield Problem(pointer, f"{reference['tool']} has no argument “{name}”.")
        yield from _source(definition, pointer, value, sources)
    for name in schema.get("required", ()):
        if name not in reference["arguments"]:
            yield Problem(f"/{key}/arguments/{name}", f"{reference['tool']} needs this argument.")


def _source(definition: Definition, pointer: str, value: str, sources: Collection[str]) -> Iterator[Problem]:
    """A pointer into the call that is looked up or compensated."""
    source, _, rest = value.removeprefix("/").partition("/")
    if not is_pointer(value) or source not in sources:
        yield Problem(pointer, f"A JSON Pointer must begin with {' or '.join('/' + name for name in sources)}.")
    elif source == "arguments" and not declares(definition["input_schema"], f"/{rest}"):
        yield Problem(pointer, f"“/{rest}” leads to no argument of the input schema.")
