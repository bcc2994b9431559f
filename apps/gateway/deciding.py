"""The decision on a call: facts in, verdict out, and the digest that votes bind to. Used at intake, at release and for
dry runs alike.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.canonical import digest
from apps.core.errors import NotFound
from apps.core.generations import CONFIGURATION, Moment, read_moment
from apps.core.memory import Remembered
from apps.core.money import Money
from apps.core.rows import insert, new, sole
from apps.gateway.excepting import note_uses
from apps.gateway.models import Decision, DecisionMoment, ToolCall
from apps.gateway.observed import DECISION
from apps.gateway.requests import CallRequest
from apps.policies.detectors import installed
from apps.policies.evaluation import LoadedRelease, decide
from apps.policies.exception_queries import exceptions_for
from apps.policies.queries import active_releases, tool_facts
from apps.policies.verdicts import CallFacts, Verdict
from apps.registry.models import Agent, ConnectorEndpoint, Grant, Tool
from apps.runs.models import Run
from apps.vault.models import Payload


@dataclass(frozen=True, slots=True)
class Granted:
    """A tool this agent holds a grant for, with the way to its system in the agent's environment."""

    tool: Tool
    endpoint: ConnectorEndpoint | None


_grants: Remembered[tuple[UUID, str], Grant] = Remembered(CONFIGURATION, size=10_000)
_endpoints: Remembered[tuple[UUID, str], ConnectorEndpoint] = Remembered(CONFIGURATION, size=2_000)


def granted_tool(agent: Agent, tool_name: str, *, moment: Moment | None = None) -> Granted:
    """Raises NotFound both for an unknown tool and for one without a grant, in the same words (I13)."""
    grant = _grants.get((agent.id, tool_name), lambda: _read_grant(agent, tool_name), moment=moment)
    if grant is None or not grant.is_in_force(clock.now()):
        raise NotFound("tool_not_found", f"This agent has no tool called {tool_name!r}.")
    return Granted(tool=grant.tool, endpoint=endpoint_of(grant.tool, agent.environment, moment=moment))


def _read_grant(agent: Agent, tool_name: str) -> Grant | None:
    grants = Grant.objects.in_force(clock.now()).filter(agent=agent, tool__name=tool_name)
    return sole(grants.select_related("tool__connector"))


def endpoint_of(tool: Tool, environment: str, *, moment: Moment | None = None) -> ConnectorEndpoint | None:
    """Where the tool's system is reached in this environment, None where it is not set up."""
    connector_id = tool.connector_id
    return _endpoints.get((connector_id, environment), lambda: _read_endpoint(connector_id, environment), moment=moment)


def _read_endpoint(connector_id: UUID, environment: str) -> ConnectorEndpoint | None:
    return sole(ConnectorEndpoint.objects.filter(connector_id=connector_id, environment=environment))


@DECISION
def verdict_on(
    *,
    agent: Agent,
    tool: Tool,
    request: CallRequest,
    money: Money | None,
    run: Run | None,
    moment: Moment | None = None,
    approved_by: tuple[str, ...] = (),
    releases: tuple[LoadedRelease, ...] | None = None,
    exceptions: Collection[str] | None = None,
) -> Verdict:
    """Evaluate the active releases of this moment, or those given, with the exceptions in force, or those of these ids.
    Reads the database, writes nothing.
    """
    moment = moment or read_moment()
    facts = CallFacts(
        agent=agent.slug,
        process=agent.process.slug,
        teams=(agent.owner_team.slug,),
        tool=tool_facts(tool),
        environment=agent.environment,
        arguments=request.arguments,
        money=money,
        confidence=request.confidence,
        run_steps=run.call_count if run else 0,
        run_calls=run.call_count if run else 0,
        run_cost_minor=0,
        approved_by=approved_by,
        region=request.region,
        customer_tier=request.customer_tier,
        detectors=installed(),
        owner_team=agent.process.owner_team.slug if tool.is_irreversible else None,
        exceptions=exceptions_for(agent=agent, tool=tool.name, moment=moment, only=exceptions),
    )
    if releases is None:
        releases = active_releases(process_id=agent.process_id, environment=agent.environment, moment=moment)
    return decide(facts, releases)


def record_decision(call: ToolCall, verdict: Verdict, *, moment: DecisionMoment, stored_input: Payload) -> Decision:
    """Write the immutable answer beside the call, in the caller's transaction."""
    decision = new(
        Decision,
        tool_call=call,
        moment=moment,
        outcome=verdict.outcome,
        policies=[policy.as_json() for policy in verdict.policies],
        obligations=verdict.obligations.as_json(),
        releases=[release.as_json() for release in verdict.releases],
        errors=list(verdict.errors),
        input=stored_input,
        decided_at=clock.now(),
    )
    insert(decision)
    note_uses(call, decision)
    return decision


def call_digest(
    *,
    agent: Agent,
    tool: Tool,
    tool_version: int,
    arguments: dict[str, Any],
    money: Money | None,
    decision: dict[str, Any],
    version: int = 1,
) -> str:
    """What a vote names (I4): agent, tool and version, arguments, money, and the policies that determined it with the
    obligations in force. From the second version of a call on, which version it is.
    """
    named: dict[str, Any] = {
        "agent": agent.slug,
        "environment": agent.environment,
        "tool": tool.name,
        "tool_version": tool_version,
        "arguments": arguments,
        "money": {"minor": money.minor, "currency": money.currency} if money else None,
        "policies": decision["policies"],
        "obligations": decision["obligations"],
    }
    return digest(named | ({"version": version} if version > 1 else {}))


def audit_data(call: ToolCall, decision: Decision) -> dict[str, Any]:
    """The log's view of a decision: codes, versions and digests, never payload."""
    return {
        "tool": call.tool.name,
        "tool_version": call.tool_version,
        "decision_id": str(decision.id),
        "moment": decision.moment,
        "policies": [f"{policy['id']}@{policy['version']}" for policy in decision.policies],
        "releases": decision.releases,
        "errors": decision.errors,
        "arguments_digest": call.request.digest,
        "money": {"minor": call.money_minor, "currency": call.currency} if call.currency else None,
    }


def explain_denial(*, errors: Sequence[str], says: Sequence[str], code: str = "") -> str:
    """One sentence for the agent and the timeline; `says` are the sentences of the policies that forbade it. With a
    `code` the error says it all.
    """
    if code and errors:
        return errors[0]
    if errors:
        return "Policy could not be evaluated, so the call was denied."
    return f"Denied by policy: {'; '.join(says)}." if says else "No policy permits this call."
