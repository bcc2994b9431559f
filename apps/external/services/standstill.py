"""Halts, as far as they reach what happens outside."""

from uuid import UUID

from apps.core.errors import Halted
from apps.external.models import ExternalRequest
from apps.halts.models import Halt, Mode
from apps.halts.queries import Reach, halts_over
from apps.registry.models import Agent

# The tool is the outside system's own: no halt of one of ours names it.
NO_TOOL = UUID(int=0)


def refuse_under_halt(agent: Agent, *, request: ExternalRequest | None = None) -> None:
    """Raises Halted when a halt covers the agent. A drain lets a request that is older than it finish.

    The caller holds the shared halts lock, so the answer stands until its transaction ends (I6).
    """
    for halt in halts_over(Reach(agent.environment, agent.process_id, agent.id, NO_TOOL)):
        if halt.mode != Mode.DRAIN or request is None or request.requested_at >= halt.placed_at:
            raise Halted("halted", halt.sentence, halt=_shown(halt))


def _shown(halt: Halt) -> dict[str, str]:
    """What an agent may know of it: never the operator's own words."""
    return {"id": str(halt.id), "mode": halt.mode, "reason_code": halt.reason_code}
