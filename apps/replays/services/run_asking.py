"""Asking for the replay of a run, and calling it off. Workers do it, chunk by chunk."""

from uuid import UUID

from django.db import transaction

from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.gateway.models import ToolCall
from apps.policies.models import DraftVersion
from apps.policies.queries import active_releases
from apps.registry.models import Environment
from apps.replays.events import RunReplayAsked, RunReplayEnded
from apps.replays.models import OPEN_STATES, ReplayState, RunReplay, Under
from apps.replays.run_queries import require_replayer, run_replay_for
from apps.replays.services.asking import checked_version
from apps.replays.telling import record_run_replay
from apps.runs.models import Run
from apps.runs.queries import run_for

# A run of more calls is a service that never ends; its decisions are for the impact replay of a window.
MOST_CALLS = 10_000
# Of a run so many replays are kept, the newest.
KEPT = 20


def replay_run(*, actor: Actor, run_id: UUID, under: str = Under.THEN, draft_id: UUID | None = None) -> RunReplay:
    """What would become of the calls of an ended run: the same inputs, decided again in their order, answered from the
    record. Nothing is sent to any system.

    Raises Conflict("replay.run_open") while the run goes on, Conflict("replay.under_way") while another replay of it
    does; the same one again is that one. Raises Invalid for policies that are none.
    """
    found = run_for(actor, run_id)
    require_replayer(actor, found)
    if under not in Under.values or (under == Under.DRAFT) != (draft_id is not None):
        raise Invalid("replay.bad_policies", f"Replay under one of {', '.join(Under.values)}; a draft by its draft_id.")
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).select_related("process").get(id=found.id)
        if run.is_open:
            raise Conflict("replay.run_open", "This run goes on. What has not ended cannot be replayed.")
        version = checked_version(actor, draft_id) if draft_id is not None else None
        under_way = RunReplay.objects.filter(run=run, state__in=OPEN_STATES).first()
        if under_way is not None:
            return _same_or_refused(under_way, under, version)
        _check_policies(run, under, version)
        return _ask(actor, run, under, version)


def cancel_run_replay(*, actor: Actor, run_id: UUID, replay_id: UUID) -> RunReplay:
    """Replay no more of it: what was done stays."""
    with transaction.atomic():
        replay = run_replay_for(actor, run_id, replay_id, lock=True)
        require_replayer(actor, replay.run)
        if not replay.is_open:
            raise Conflict("replay.ended", "This has come to its end already.")
        replay.state, replay.ended_at = ReplayState.CANCELLED, clock.now()
        replay.save(update_fields=["state", "ended_at"])
        record_run_replay(actor, "cancelled", replay)
        outbox.add(RunReplayEnded(str(replay.id), str(replay.run_id), replay.state))
    return replay


def _ask(actor: Actor, run: Run, under: str, version: DraftVersion | None) -> RunReplay:
    count = ToolCall.objects.filter(run=run).count()
    if not count:
        raise Conflict("replay.nothing_asked", "No tool call was asked for in this run. There is nothing to replay.")
    if count > MOST_CALLS:
        raise Conflict("replay.run_too_long", f"Runs of up to {MOST_CALLS:,} calls can be replayed.")
    now = clock.now()
    replay = RunReplay.objects.create(
        run=run,
        under=under,
        draft_version=version,
        total_count=count,
        asked_by=actor.key,
        asked_by_name=actor.name[:160],
        asked_at=now,
        moved_at=now,
    )
    kept = RunReplay.objects.filter(run=run).order_by("-id").values_list("id", flat=True)[:KEPT]
    RunReplay.objects.filter(run=run).exclude(id__in=list(kept)).delete()
    record_run_replay(actor, "started", replay)
    outbox.add(RunReplayAsked(str(replay.id), str(run.id)))
    return replay


def _check_policies(run: Run, under: str, version: DraftVersion | None) -> None:
    if version is not None and version.draft.policy_set.process_id not in (None, run.process_id):
        raise Invalid("replay.bad_policies", "This draft is of another process: it decides nothing of this run.")
    environment = {Under.TODAY: run.environment, Under.SANDBOX: Environment.SANDBOX}.get(Under(under))
    if environment and not active_releases(process_id=run.process_id, environment=environment):
        raise Invalid("replay.bad_policies", f"No policies decide in {environment} today.")


def _same_or_refused(under_way: RunReplay, under: str, version: DraftVersion | None) -> RunReplay:
    """Asked for twice it runs once."""
    if (under_way.under, under_way.draft_version_id) == (under, version.id if version else None):
        return under_way
    raise Conflict(
        "replay.under_way",
        f"Another replay of this run was begun by {under_way.asked_by_name}. Wait for it, or cancel it.",
        replay_id=str(under_way.id),
    )
