"""The acts on what agents keep with a run."""

from apps.artifacts.services.reading import open_artifact, reveal_artifact, reveal_state
from apps.artifacts.services.state import save_state
from apps.artifacts.services.storing import store_artifact

__all__ = ["open_artifact", "reveal_artifact", "reveal_state", "save_state", "store_artifact"]
