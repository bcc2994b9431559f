"""Histories for tests: decisions made by the function that decides calls, and stored as the gateway stores them."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.ids import uuid7
from apps.core.money import Money
from apps.gateway.models import CallState, Decision, DecisionMoment, ToolCall
from apps.policies.detectors import installed
from apps.policies.evaluation import LoadedRelease, decide
from apps.policies.queries import active_releases, tool_facts
from apps.policies.verdicts import CallFacts
from apps.registry.models import Tool
from apps.replays import services
from apps.replays.models import ImpactReplay
from apps.runs import services as runs
from apps.vault.services import Document, sealed
from tests.conftest import credit, robot_named


def facts(amount: str = "180.00", *, tool: str = "erp.issue_credit_memo", **changes: Any) -> CallFacts:
    """As the gateway would put a call of the writer before the policies."""
    agent = robot_named("writer").agent
    found = Tool.objects.select_related("connector").get(name=tool)
    currency = changes.pop("currency", "EUR")
    values: dict[str, Any] = {
        "agent": agent.slug,
        "process": agent.process.slug,
        "teams": (agent.owner_team.slug,),
        "tool": tool_facts(found),
        "environment": agent.environment,
        "arguments": credit(amount, currency),
        "money": Money.parse(amount, currency) if found.has_money else None,
        "confidence": None,
        "run_steps": 0,
        "run_calls": 0,
        "run_cost_minor": 0,
        "detectors": installed(),
        "owner_team": agent.process.owner_team.slug if found.is_irreversible else None,
    }
    return CallFacts(**(values | changes))


def stored(
    calls: Iterable[CallFacts], releases: Sequence[LoadedRelease] | None = None, *, at: dt.datetime | None = None
) -> list[Decision]:
    """Each decided under these releases, those of now unless given, and written with its call and its input."""
    agent = robot_named("writer").agent
    if releases is None:
        releases = active_releases(process_id=agent.process_id, environment=agent.environment)
    run = runs.open_run(agent=agent, title="History", actor=robot_named("writer").actor)
    tools = {tool.name: tool for tool in Tool.objects.all()}
    payloads, rows, decisions = [], [], []
    for each in calls:
        verdict = decide(each, releases)
        request, given = sealed(Document("call.request", {"arguments": each.arguments})), None
        given = sealed(Document("decision.input", verdict.input))
        call = ToolCall(
            id=uuid7(),
            agent=agent,
            tool=tools[each.tool.name],
            tool_version=1,
            process=agent.process,
            environment=each.environment,
            run=run,
            idempotency_key=str(uuid7()),
            holds_key=False,
            state=CallState.CANCELLED,
            request=request,
            arguments_digest="",
            money_minor=each.money.minor if each.money else None,
            currency=each.money.currency if each.money else "",
            requested_at=at or clock.now(),
        )
        payloads += [request, given]
        rows.append(call)
        decisions.append(
            Decision(
                id=uuid7(),
                tool_call=call,
                moment=DecisionMoment.INTAKE,
                **verdict.as_json(),
                input=given,
                decided_at=at or clock.now(),
            )
        )
    type(payloads[0]).objects.bulk_create(payloads) if payloads else None
    ToolCall.objects.bulk_create(rows)
    return Decision.objects.bulk_create(decisions)


def carried_out(replay: ImpactReplay) -> ImpactReplay:
    """What the workers do."""
    while services.advance_replay(replay.id):
        pass
    replay.refresh_from_db()
    return replay


def kinds(replay: ImpactReplay) -> dict[str, int]:
    """How many of each kind, as counted."""
    return {name: count for name, (count, *_) in replay.tally.get("kinds", {}).items()}


def listed(replay: ImpactReplay) -> dict[UUID, str]:
    """The kind of each decision that is in a list."""
    return dict(replay.rows.values_list("decision_id", "kind"))
