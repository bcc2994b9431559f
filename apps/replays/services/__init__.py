"""The acts on replays: asking for one, following what is decided now, calling it off, and carrying it out."""

from apps.replays.services.asking import (
    LONGEST_SHADOW_DAYS,
    cancel_replay,
    replay_draft,
    replay_for_review,
    replay_release,
    shadow_draft,
)
from apps.replays.services.running import LANES, advance_replay, replays_to_advance

__all__ = [
    "LANES",
    "LONGEST_SHADOW_DAYS",
    "advance_replay",
    "cancel_replay",
    "replay_draft",
    "replay_for_review",
    "replay_release",
    "replays_to_advance",
    "shadow_draft",
]
