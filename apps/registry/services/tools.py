"""Tools."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.registry.definitions import Definition, columns_of, definition_of, normalized, problems_of
from apps.registry.models import Connector, Tool
from apps.registry.permissions import MANAGE
from apps.registry.queries import require_mesh_wide
from apps.registry.schemas import Problem
from apps.registry.services.changes import bring_up_to_date


def register_tool(*, definition: Definition, actor: Actor) -> Tool:
    """The tool of this definition. Raises Invalid with a pointer for each thing that is wrong with it."""
    return register_tools(definitions=[definition], actor=actor)[0]


def register_tools(*, definitions: Sequence[Definition], actor: Actor) -> list[Tool]:
    """The tools of these definitions, in order; they may refer to each other in any order.

    A definition that differs from the one in force becomes the tool's next version. All are registered or none.
    """
    require_mesh_wide(actor, MANAGE)
    with transaction.atomic():
        known = {tool.name: tool for tool in _locked_tools()}
        connectors = {connector.slug: connector for connector in Connector.objects.all()}
        _require_sense(definitions, known, connectors)
        return [
            _register(definition, known.get(definition["name"]), connectors[definition["connector"]], actor)
            for definition in definitions
        ]


def require_sense(definitions: Sequence[Definition]) -> None:
    """Raises Invalid with a pointer for each thing that is wrong with them. Writes nothing."""
    known = {tool.name: tool for tool in Tool.objects.select_related("connector")}
    _require_sense(definitions, known, {connector.slug: connector for connector in Connector.objects.all()})


def _require_sense(
    definitions: Sequence[Definition], known: Mapping[str, Tool], connectors: Mapping[str, Connector]
) -> None:
    referable = {name: definition_of(tool) for name, tool in known.items()} | by_name(definitions)
    found = [
        problem.under(f"/{index}" if len(definitions) > 1 else "")
        for index, definition in enumerate(definitions)
        for problem in problems_of(definition, connectors=connectors, tools=referable)
    ]
    if found:
        raise _invalid(found)


def by_name(definitions: Iterable[Any]) -> dict[str, Definition]:
    """Those of the definitions that others can refer to: whole enough to have a name, an effect and a schema."""
    return {
        definition["name"]: definition
        for definition in definitions
        if isinstance(definition, dict)
        and isinstance(definition.get("name"), str)
        and isinstance(definition.get("input_schema"), dict)
        and "effect" in definition
    }


def _locked_tools() -> Iterable[Tool]:
    return Tool.objects.select_related("connector").order_by("pk").select_for_update(of=("self",), no_key=True)


def _register(definition: Definition, tool: Tool | None, connector: Connector, actor: Actor) -> Tool:
    columns = columns_of(definition)
    if tool is None:
        tool = Tool.objects.create(name=definition["name"], connector=connector, **columns)
        _record(actor, "tool.registered", tool, changed=[])
        return tool
    if tool.definition_digest == columns["definition_digest"]:
        return tool
    before, after = definition_of(tool), normalized(definition)
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    bring_up_to_date(tool, {"version": tool.version + 1, **columns})
    _record(actor, "tool.changed", tool, changed=changed)
    return tool


def _record(actor: Actor, code: str, tool: Tool, *, changed: list[str]) -> None:
    audit.record(
        actor,
        code,
        subject_type="tool",
        subject_id=tool.id,
        subject_name=tool.name,
        data={"version": tool.version, "digest": tool.definition_digest, "fields": changed},
    )


def _invalid(found: list[Problem]) -> Invalid:
    errors = [problem.as_dict() for problem in found]
    return Invalid("tool.invalid", "The definition of a tool does not make sense.", errors=errors)
