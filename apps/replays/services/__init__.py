"""The acts on replays: asking for one, following what is decided now, calling it off, and carrying it out."""

from apps.replays.services.asking import (
    LONGEST_SHADOW_DAYS,
    cancel_replay,
    replay_draft,
    replay_for_review,
    replay_release,
    shadow_draft,
)
from apps.replays.services.run_asking import cancel_run_replay, replay_run
from apps.replays.services.run_working import advance_run_replay, run_replays_to_advance
from apps.replays.services.running import LANES, advance_replay, replays_to_advance

__all__ = [
    "LANES",
    "LONGEST_SHADOW_DAYS",
    "advance_replay",
    "advance_run_replay",
    "cancel_replay",
    "cancel_run_replay",
    "replay_draft",
    "replay_for_review",
    "replay_release",
    "replay_run",
    "replays_to_advance",
    "run_replays_to_advance",
    "shadow_draft",
]
