"""What would break if tools changed, before they do: the releases that decide, drafts, reviews, and calls that wait."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from apps.core.actor import Actor
from apps.gateway.models import CallState, ToolCall
from apps.policies.queries import facts_of_definition, known_to_registry
from apps.policies.tool_changes import Effect, effects_of, standings, with_tools
from apps.registry.definitions import Definition
from apps.registry.models import Tool
from apps.registry.permissions import MANAGE
from apps.registry.queries import require_mesh_wide
from apps.registry.services.tools import require_sense


@dataclass(frozen=True, slots=True)
class ToolChange:
    """One definition against the one in force. `version` is the one it would get; `waiting` the calls of it that wait
    for people and would be invalidated.
    """

    name: str
    change: str
    version: int
    waiting: int

    def as_json(self) -> dict[str, Any]:
        return {"tool": self.name, "change": self.change, "version": self.version, "waiting": self.waiting}


@dataclass(frozen=True, slots=True)
class ToolPreview:
    tools: list[ToolChange]
    effects: list[Effect]

    @property
    def is_refused(self) -> bool:
        """A release that decides now would deny: it takes a reason to do it all the same."""
        return any(effect.breaks for effect in self.effects)

    def as_json(self) -> dict[str, Any]:
        return {
            "refused": self.is_refused,
            "tools": [tool.as_json() for tool in self.tools],
            "effects": [effect.as_json() for effect in self.effects],
        }


def preview_tools(definitions: Sequence[Definition], *, actor: Actor) -> ToolPreview:
    """For whoever may change tools. Raises Invalid where a definition makes no sense. Writes nothing."""
    require_mesh_wide(actor, MANAGE)
    require_sense(definitions)
    facts = [facts_of_definition(definition) for definition in definitions]
    rows = {tool.name: tool for tool in Tool.objects.filter(name__in=[tool.name for tool in facts])}
    waiting = waiting_calls(rows)
    before = known_to_registry()
    tools = []
    for tool in facts:
        row = rows.get(tool.name)
        same = row is not None and row.definition_digest == tool.definition_digest
        change = "same" if same else "changed" if row else "new"
        version = (row.version if row else 0) + (0 if same else 1)
        tools.append(ToolChange(tool.name, change, version, 0 if same else waiting.get(tool.name, 0)))
    return ToolPreview(tools, effects_of(before, with_tools(before, facts), standings()))


def waiting_calls(names: Collection[str]) -> dict[str, int]:
    """How many calls of each tool wait for people."""
    calls = ToolCall.objects.filter(tool__name__in=names, state=CallState.AWAITING_APPROVAL).order_by()
    return dict(calls.values_list("tool__name").annotate(count=Count("id")))


def invalidated_sentences(changed: Collection[str]) -> list[str]:
    """One for each tool that was changed while calls of it wait for people."""
    return [
        f"{name}: {count} call{'' if count == 1 else 's'} that wait{'s' if count == 1 else ''} for people will be "
        "invalidated when it is released."
        for name, count in sorted(waiting_calls(changed).items())
    ]
