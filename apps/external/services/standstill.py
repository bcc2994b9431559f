"""Halts, as far as they reach what happens outside."""

from uuid import UUID

from apps.core.errors import Halted
from apps.external.models import ExternalRequest
from apps.halts.models import Halt, Mode
from apps.halts.queries import Reach, halts_over
from apps.registry.models import Agent


def refuse_under_halt(agent: Agent, *, on_behalf_of: UUID | None, request: ExternalRequest | None = None) -> None:
    """Raises Halted when a halt covers the agent or whom it acts for. A drain lets a request that is older than it
    finish.

    The caller holds the shared halts lock, so the answer stands until its transaction ends (I6).
    """
    for halt in halts_over(_reach(agent, on_behalf_of)):
        if halt.mode != Mode.DRAIN or request is None or request.requested_at >= halt.placed_at:
            raise Halted("halted", halt.sentence, halt=_shown(halt))


def _reach(agent: Agent, on_behalf_of: UUID | None) -> Reach:
    """The tool, the run and the record are the outside system's own: no halt of one of ours names them."""
    return Reach(
        environment=agent.environment,
        process_id=agent.process_id,
        business_unit=agent.process.business_unit,
        agent_id=agent.id,
        tool_id=None,
        connector_id=None,
        run_id=None,
        entity_type="",
        entity_id="",
        principal_id=on_behalf_of,
    )


def _shown(halt: Halt) -> dict[str, str]:
    """What an agent may know of it: never the operator's own words."""
    return {"id": str(halt.id), "mode": halt.mode, "reason_code": halt.reason_code}
