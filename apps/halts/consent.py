"""Lifting a wide halt as a request for human consent: who is asked, who may not answer, what votes bind to."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count

from apps.accounts.models import Membership, Team
from apps.approvals.models import Risk
from apps.approvals.requests import ConsentRequest, StageRequest
from apps.approvals.second_person import team_that_can_agree
from apps.core.canonical import digest
from apps.core.clock import rfc3339
from apps.core.errors import Conflict
from apps.halts.above import Restarts, above
from apps.halts.models import RAMP, Halt, LiftRequest
from apps.halts.targets import Target, agents_under
from apps.registry.models import Process

SUBJECT_TYPE = "halt_lift"
# Long enough for a colleague to be found, short enough that what was looked at is still what restarts.
COUNTS_FOR_SECONDS = 4 * 3600


@dataclass(frozen=True, slots=True)
class SecondPerson:
    """Who is asked: a team that has somebody who may say yes, in the process that most of the agents work in."""

    process: Process
    team: Team
    barred: frozenset[UUID]


def second_person_for(halt: Halt, target: Target, requester: UUID) -> SecondPerson:
    """Raises Conflict when nobody could agree: that is set up by an administrator, not waited for."""
    barred = _barred(halt, target, requester)
    for process in _processes_by_agents(halt, target):
        team = team_that_can_agree(process, barred)
        if team is not None:
            return SecondPerson(process, team, barred)
    raise Conflict(
        "halt.nobody_to_ask",
        "Nobody could agree to this: it takes an approver who neither asks, placed it, nor built what it holds.",
    )


def _barred(halt: Halt, target: Target, requester: UUID) -> frozenset[UUID]:
    """Who asks, who placed it, and whoever built what would start again: none of them is a second pair of eyes (I5)."""
    makers = Membership.objects.filter(team__in=agents_under(target, halt.environment).values("built_by"))
    barred = {requester, *makers.values_list("user", flat=True)}
    kind, _, key = halt.placed_by.partition(":")
    return frozenset(barred | ({UUID(key)} if kind == "person" else set()))


def _processes_by_agents(halt: Halt, target: Target) -> list[Process]:
    counts = dict(
        agents_under(target, halt.environment)
        .order_by()
        .values("process")
        .annotate(count=Count("id", distinct=True))
        .values_list("process", "count")
    )
    processes = Process.objects.filter(id__in=target.processes).select_related("owner_team", "oncall_team")
    return sorted(processes, key=lambda process: (-counts.get(process.id, 0), process.slug))


def consent_request(request: LiftRequest, target: Target, second: SecondPerson) -> ConsentRequest:
    """Everything the approvals engine needs."""
    halt = request.halt
    return ConsentRequest(
        subject_type=SUBJECT_TYPE,
        subject_id=request.id,
        digest=binding_digest(request),
        card=_card(request, above().restarts(target, halt.environment)),
        process=second.process,
        environment=halt.environment,
        agent=None,
        run_id=None,
        stages=(StageRequest(second.team.slug),),
        expires_seconds=COUNTS_FOR_SECONDS,
        risk=Risk.HIGH,
        money=None,
        policy_ref="halt-lift@1",
        is_reversible=False,
        barred_people=tuple(sorted(second.barred)),
    )


def binding_digest(request: LiftRequest) -> str:
    """What a vote names (I4): which halt, who wants it lifted and why, and the steps in which it starts again."""
    halt = request.halt
    return digest(
        {
            "request": str(request.id),
            "halt": str(halt.id),
            "scope": [halt.scope_type, str(halt.scope_id or ""), str(halt.scope_agent_id or ""), halt.scope_text],
            "environment": halt.environment,
            "mode": halt.mode,
            "placed_at": rfc3339(halt.placed_at),
            "requested_by": request.requested_by,
            "reason": request.reason,
            "ramp": [[int(after.total_seconds()), percent] for after, percent in RAMP],
        }
    )


def ramp_in_words() -> str:
    return ", ".join(
        f"{percent} % at once" if not after else f"{percent} % after {int(after.total_seconds()) // 60} min"
        for after, percent in RAMP
    )


def _card(request: LiftRequest, restarts: Restarts) -> dict[str, Any]:
    halt = request.halt
    return {
        "sentence": f"Lift the {halt.mode} on {halt.scope_name} in {halt.environment}",
        "tool": "halt.lift",
        "tool_title": "Lift a halt",
        "tool_version": 1,
        "system": "Mesh Console",
        "agent": "",
        "agent_name": request.requested_by_name,
        "facts": [
            ["Asked by", request.requested_by_name],
            ["Why it is safe", request.reason],
            ["Placed by", halt.placed_by_name],
            ["Why it was placed", f"{halt.get_reason_code_display()}{f': {halt.reason}' if halt.reason else ''}"],
            ["In force since", rfc3339(halt.placed_at)],
            ["Calls that run at once, in steps", str(restarts.queued_count)],
            ["Runs that go on", str(restarts.open_run_count)],
            ["Approvals whose clocks run on", str(restarts.waiting_count)],
            ["Steps", ramp_in_words()],
        ],
        "why": [
            {
                "says": "Lifting a halt this wide in production takes a second person",
                "ref": "halt-lift@1",
                "set": "built in",
            }
        ],
        "evidence": [],
        "statement": "",
        "confidence": None,
        "reversible": False,
        "compensation": None,
        "on_behalf_of": "",
    }
