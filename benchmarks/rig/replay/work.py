"""One worker: chunk after chunk of a replay, as the Celery task does, and what memory that took."""

import json
import resource
import sys
import time
from uuid import UUID

import django

django.setup()

from apps.replays import services  # noqa: E402  models are there once Django is set up

KILOBYTES_PER_MEGABYTE = 1024
# Until then a process loads what it needs for any chunk.
WARM_UP = 3


def main(replay_id: UUID) -> None:
    chunks, settled, began = 0, 0.0, time.process_time()
    while services.advance_replay(replay_id):
        chunks += 1
        if chunks == WARM_UP:
            settled = _peak_mb()
    grew = _peak_mb() - settled if settled else 0.0
    used = time.process_time() - began
    print(json.dumps({"chunks": chunks, "peak_mb": _peak_mb(), "grew_mb": grew, "processor_seconds": used}))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES_PER_MEGABYTE


if __name__ == "__main__":
    main(UUID(sys.argv[1]))
