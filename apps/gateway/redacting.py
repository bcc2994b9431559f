"""What an agent gets of a result when policy wants parts of it masked. The vault keeps the truth, and people see it by
their own rules.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from apps.core.memory import BoundedCache
from apps.gateway.models import Decision, ToolCall
from apps.policies.detectors import PREFIX, all_text_masked, without_detected
from apps.registry.masking import Classes, mask_of
from apps.registry.models import Tool
from apps.registry.shields import shield_of

# A result never changes, and an agent that waits asks for it again and again. Only what was looked through is kept.
_looked_through: BoundedCache[tuple[UUID, tuple[str, ...], str], Any] = BoundedCache(200)


def redactions_of(call: ToolCall, decision: Decision | None) -> tuple[str, ...]:
    """What policy wants masked of this call: by the decision on what it is now, and of one that was changed by every
    other on it too, because a change never shows more.
    """
    decisions = [decision] if decision is not None and call.version == 1 else call.decisions.all()
    return tuple(sorted({name for each in decisions for name in each.obligations.get("redact", ())}))


def redacted_result(call: ToolCall, names: Sequence[str], result: Any) -> Any:
    """The result with “[masked: …]” in the place of what these classes and detectors name."""
    classes, detectors = _parted(names)
    result = _without_classes(call.tool, classes, result)
    return _without_detected(call, detectors, result) if detectors else result


def redacted_words(call: ToolCall, names: Sequence[str], words: dict[str, Any]) -> dict[str, Any]:
    """A system's own words about a failure. Whatever belongs to a class may be quoted in them."""
    classes, detectors = _parted(names)
    if named := classes & (shield_of(call.tool).classes | frozenset(call.tool.data_classes)):
        return dict.fromkeys(words, _bracketed(named))
    masked: dict[str, Any] = _without_detected(call, detectors, words) if detectors else words
    return masked


def _parted(names: Sequence[str]) -> tuple[Classes, tuple[str, ...]]:
    detectors = tuple(name for name in names if name.startswith(PREFIX))
    return frozenset(names) - frozenset(detectors), detectors


def _without_classes(tool: Tool, classes: Classes, result: Any) -> Any:
    shield = shield_of(tool)
    placed = shield.arguments.classes | shield.result.classes
    if unplaced := classes & (frozenset(tool.data_classes) - placed):
        # the tool says that its data is of this class, and nobody said where
        return all_text_masked(result, _bracketed(unplaced))
    return shield.result_without(classes, result, cover=lambda found, _value: _bracketed(found))


def _without_detected(call: ToolCall, detectors: tuple[str, ...], document: Any) -> Any:
    key = (call.result_id or call.id, detectors, call.tool.definition_digest)
    kept = _looked_through.get(key)
    if kept is None:
        kept = _looked_through.put(key, {"of": without_detected(document, detectors, _found)})
    return kept["of"]


def _found(name: str) -> str:
    return f"[masked: {name.removeprefix(PREFIX)}]"


def _bracketed(classes: Classes) -> str:
    return f"[{mask_of(classes)}]"
