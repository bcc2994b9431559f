"""Reading replays of runs."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from apps.core.actor import Actor
from apps.core.errors import NotAllowed, NotFound
from apps.registry.permissions import MANAGE, OPERATE
from apps.registry.queries import holds, processes_visible_to
from apps.replays.models import RunReplay, RunReplayStep
from apps.runs.models import Run


def run_replays_visible_to(actor: Actor, run: Run) -> QuerySet[RunReplay]:
    """Those of a run, newest first."""
    return _to_read().filter(run=run, run__process__in=processes_visible_to(actor))


def run_replay_for(actor: Actor, run_id: UUID, replay_id: UUID, *, lock: bool = False) -> RunReplay:
    """Raises NotFound when unseen."""
    replays = _to_read().filter(id=replay_id, run_id=run_id, run__process__in=processes_visible_to(actor))
    found = (replays.select_for_update(of=("self",)) if lock else replays).first()
    if found is None:
        raise NotFound("replay.not_found", "There is no such replay.")
    return found


def steps_to_show(replay: RunReplay) -> QuerySet[RunReplayStep]:
    """In their order, with what a page says of each."""
    return replay.steps.select_related("tool_call__tool", "tool_call__agent", "tool_call__process", "decision")


def may_replay(actor: Actor, run: Run) -> bool:
    """Who settles what agents left unclear in its process, and who builds them."""
    return actor.is_person and any(holds(actor, permission, run.process) for permission in (OPERATE, MANAGE))


def require_replayer(actor: Actor, run: Run) -> None:
    """Raises NotAllowed."""
    if not may_replay(actor, run):
        raise NotAllowed("permission.missing", f"You may not replay runs in {run.process.name}.")


def _to_read() -> QuerySet[RunReplay]:
    content = ("draft_version__text", "draft_version__parameters", "draft_version__cases")
    return RunReplay.objects.select_related("run__process", "run__opened_by", "draft_version").defer(*content)
