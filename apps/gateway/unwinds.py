"""Undoing a run as people and programs see it: what would happen, and how far it has come."""

from dataclasses import dataclass
from typing import Any

from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.money import Money
from apps.gateway.compensation import Plan, calls_to_undo, plans_for, sums_of
from apps.gateway.models import Unwind, UnwindState, UnwindStep
from apps.registry.permissions import OPERATE
from apps.registry.queries import holds
from apps.runs.models import Run


@dataclass(frozen=True, slots=True)
class UnwindPreview:
    """What undoing the run would do now, and what was done so far. `latest` is None when nobody asked for it yet."""

    run: Run
    undoable: list[Plan]
    stays: list[Plan]
    undone: list[Plan]
    latest: Unwind | None
    steps: list[UnwindStep]
    may_unwind: bool

    @property
    def undoable_sums(self) -> list[Money]:
        return sums_of(self.undoable)

    @property
    def staying_sums(self) -> list[Money]:
        return sums_of(self.stays)

    @property
    def is_running(self) -> bool:
        return self.latest is not None and self.latest.state == UnwindState.RUNNING


def unwind_preview(actor: Actor, run: Run) -> UnwindPreview:
    """The actor sees the run."""
    plans = plans_for(calls_to_undo(run), seen_by=actor)
    latest = Unwind.objects.filter(run=run).order_by("-id").first()
    steps = latest.steps.select_related("call__tool", "compensation__approval") if latest else []
    return UnwindPreview(
        run=run,
        undoable=[plan for plan in plans if plan.can_be_undone],
        stays=[plan for plan in plans if not plan.can_be_undone and plan.obstacle != "already_undone"],
        undone=[plan for plan in plans if plan.obstacle == "already_undone"],
        latest=latest,
        steps=list(steps),
        may_unwind=run.opened_by_id == actor.id if actor.is_agent else holds(actor, OPERATE, run.process),
    )


def preview_resource(found: UnwindPreview) -> dict[str, Any]:
    return {
        "run_id": str(found.run.id),
        "will_be_undone": [_plan(plan) for plan in found.undoable],
        "stays": [_plan(plan) for plan in found.stays],
        "sums": _sums(found.undoable_sums),
        "staying_sums": _sums(found.staying_sums),
        "unwind": unwind_resource(found.latest, found.steps) if found.latest else None,
    }


def unwind_resource(unwind: Unwind, steps: list[UnwindStep]) -> dict[str, Any]:
    return {
        "id": str(unwind.id),
        "run_id": str(unwind.run_id),
        "own_run_id": str(unwind.own_run_id),
        "state": unwind.state,
        "sentence": unwind.sentence,
        "started_by": unwind.started_by_name,
        "started_at": rfc3339(unwind.started_at),
        "ended_at": rfc3339(unwind.ended_at),
        "steps": [_step(step) for step in steps],
    }


def _step(step: UnwindStep) -> dict[str, Any]:
    compensation = step.compensation
    return {
        "position": step.position,
        "tool_call_id": str(step.call_id),
        "tool": step.call.tool.name,
        "state": step.state,
        "sentence": step.sentence,
        "compensation": {"id": str(compensation.id), "state": compensation.state} if compensation else None,
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "tool_call_id": str(plan.call.id),
        "what": plan.what,
        "by": plan.tool.name if plan.tool else None,
        "arguments": plan.shown,
        "money": {"minor": plan.money.minor, "currency": plan.money.currency} if plan.money else None,
        "obstacle": plan.obstacle or None,
        "why": plan.why or None,
    }


def _sums(sums: list[Money]) -> list[dict[str, Any]]:
    return [{"minor": money.minor, "currency": money.currency} for money in sums]
