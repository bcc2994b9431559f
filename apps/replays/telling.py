"""What a replay leaves in the audit log."""

from apps.audit import services as audit
from apps.core.actor import Actor, system_actor
from apps.core.clock import rfc3339
from apps.replays.models import ImpactReplay, RunReplay
from apps.runs.telling import record

# Who does what nobody asked for.
ACTOR = system_actor("replays")


def record_replay(actor: Actor, act: str, replay: ImpactReplay) -> None:
    """One line, in the transaction of the act: `impact_replay.started`, `policy_shadow.stopped` and so on."""
    process, version = replay.policy_set.process, replay.draft_version
    audit.record(
        actor,
        f"{'policy_shadow' if replay.is_shadow else 'impact_replay'}.{act}",
        subject_type="impact_replay",
        subject_id=replay.id,
        subject_name=str(replay),
        process=process.slug if process else "",
        environment=replay.environment,
        outcome=replay.state,
        data={
            "set": replay.policy_set.slug,
            "draft_id": str(version.draft_id) if version else None,
            "draft_version": version.number if version else None,
            "release": replay.release.version if replay.release else None,
            "since": rfc3339(replay.since),
            "until": rfc3339(replay.until),
            "done": replay.done_count,
        },
    )


def record_run_replay(actor: Actor, act: str, replay: RunReplay) -> None:
    """The same of the replay of a run: `run_replay.started`, `.cancelled`, `.ended`."""
    version = replay.draft_version
    record(
        actor,
        f"run_replay.{act}",
        replay.run,
        outcome=replay.state,
        data={
            "replay_id": str(replay.id),
            "under": replay.under,
            "draft_id": str(version.draft_id) if version else None,
            "draft_version": version.number if version else None,
            "done": replay.done_count,
            "steps": replay.tally,
        },
    )
