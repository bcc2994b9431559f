"""What one actor sees of a call's arguments and result. The one home of that rule for calls; that of cards is
`apps.approvals.veils`.
"""

from typing import Any

from apps.core.actor import Actor
from apps.gateway.models import Decision, ToolCall
from apps.gateway.redacting import redacted_result, redacted_words, redactions_of
from apps.registry.masking import NONE, SECRET, Classes, mask_of
from apps.registry.models import Tool
from apps.registry.shields import shield_of
from apps.registry.sight import sight_of


def hidden_from(actor: Actor | None, call: ToolCall, *, tool: Tool | None = None) -> Classes:
    """The classes that are masked for this actor; nobody where that is None. An agent sees its own calls. Nothing is
    read for a tool without classes of its own; `tool` is another than the call's, for what would undo it.
    """
    classes = shield_of(tool or call.tool).classes
    if not classes or (actor is not None and actor.is_agent):
        return NONE
    return sight_of(actor).hidden(call.process_id, classes)


def may_be_revealed(actor: Actor, call: ToolCall) -> Classes:
    """Of those, what the right person may ask to see: never what is secret."""
    return hidden_from(actor, call) - {SECRET}


def arguments_for(actor: Actor | None, call: ToolCall, arguments: Any) -> Any:
    return shield_of(call.tool).arguments_without(hidden_from(actor, call), arguments)


def result_for(actor: Actor | None, call: ToolCall, result: Any, decision: Decision | None = None) -> Any:
    """For an agent as policy wants it; `decision` is the one on what the call is now, where it is at hand."""
    if actor is not None and actor.is_agent:
        names = redactions_of(call, decision)
        return redacted_result(call, names, result) if names else result
    return shield_of(call.tool).result_without(hidden_from(actor, call), result)


def words_for(
    actor: Actor | None, call: ToolCall, words: dict[str, Any], decision: Decision | None = None
) -> dict[str, Any]:
    """A system's own words about a failure: they may quote anything, so they are masked as a whole."""
    if actor is not None and actor.is_agent:
        names = redactions_of(call, decision)
        return redacted_words(call, names, words) if names else words
    hidden = hidden_from(actor, call)
    return dict.fromkeys(words, mask_of(hidden)) if hidden else words
