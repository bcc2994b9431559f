"""What a call touches, as halts see it: the one place that says so, for intake, release, recovery and edits."""

from uuid import UUID

from apps.core.generations import Moment
from apps.gateway import arguments as args
from apps.gateway.models import ToolCall
from apps.gateway.requests import CallRequest
from apps.halts.models import Halt, Mode
from apps.halts.queries import Reach, halts_over
from apps.registry.models import Agent, Process, Tool
from apps.runs.models import Run


def reach_of(call: ToolCall) -> Reach:
    """Of a call that is there. Its tool and process are at hand."""
    return _reach(
        agent=call.agent,
        process=call.process,
        tool=call.tool,
        run_id=call.run_id,
        entity=(call.entity_type, call.entity_id),
        on_behalf_of=call.on_behalf_of,
    )


def reach_of_request(
    agent: Agent, tool: Tool, request: CallRequest, *, on_behalf_of: UUID | None, run: Run | None
) -> Reach:
    """Of a call that is asked for."""
    return _reach(
        agent=agent,
        process=agent.process,
        tool=tool,
        run_id=run.id if run else None,
        entity=args.entity_in(tool, request.arguments),
        on_behalf_of=on_behalf_of,
    )


def _reach(
    *,
    agent: Agent,
    process: Process,
    tool: Tool,
    run_id: UUID | None,
    entity: tuple[str, str],
    on_behalf_of: UUID | None,
) -> Reach:
    entity_type, entity_id = entity
    return Reach(
        environment=agent.environment,
        process_id=process.id,
        business_unit=process.business_unit,
        agent_id=agent.id,
        tool_id=tool.id,
        connector_id=tool.connector_id,
        run_id=run_id,
        entity_type=entity_type,
        entity_id=entity_id,
        principal_id=on_behalf_of,
    )


def halts_on_release(call: ToolCall, *, moment: Moment | None = None) -> list[Halt]:
    """The halts that keep a waiting call from running now, strictest first. A drain lets runs that were open before it
    finish. The caller holds the shared halts lock.
    """
    halts = halts_over(reach_of(call), moment=moment)
    return [halt for halt in halts if halt.mode != Mode.DRAIN or call.run.started_at >= halt.placed_at]
