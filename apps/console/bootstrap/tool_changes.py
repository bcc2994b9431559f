"""What the tools of a bootstrap file do to what stands on them: policies, and calls that wait for people."""

from apps.core.actor import Actor
from apps.gateway.tool_changes import invalidated_sentences
from apps.policies.queries import known_to_registry
from apps.policies.services import accept_tool_change
from apps.policies.tool_changes import Before


def tell_tool_change(before: Before, actor: Actor, *, force: str) -> list[str]:
    """A sentence for each thing that is not as it was. The tools are registered and the policies of the file released.
    Raises Conflict where a release that decides now would break, unless `force` says why it has to.
    """
    effects = accept_tool_change(before=before, actor=actor, force=force)
    said = [sentence for effect in effects for sentence in effect.sentences()]
    was = {tool.name: tool.definition_digest for tool in before.known.tools}
    changed = [tool.name for tool in known_to_registry().tools if was.get(tool.name, "") != tool.definition_digest]
    return said + invalidated_sentences(changed)
