"""The files of artifacts in their storage, and the sweeper that removes those nobody keeps.

A file is written before its row and removed after its row was marked, so whatever is killed when, there may be a file
without a row and never a row without its file. What is left over is removed from here.
"""

import datetime as dt
from uuid import UUID

import structlog
from django.core.files.base import File
from django.core.files.storage import Storage, storages

from apps.artifacts.incoming import Incoming
from apps.artifacts.models import Artifact
from apps.core import clock
from apps.core.ids import parse_uuid

log = structlog.get_logger(__name__)

ROOT = "artifacts"
# A row is written within this time after its file was begun, or not at all; the sweeper waits twice as long.
LONGEST_UPLOAD = dt.timedelta(hours=1)
GRACE = 2 * LONGEST_UPLOAD
# The sweeper comes by every hour; older days were looked through often enough.
DAYS_LOOKED_AT = 3
BATCH_SIZE = 500


def storage() -> Storage:
    return storages["artifacts"]


def keep(artifact_id: UUID, incoming: Incoming) -> str:
    """Write the file and return its name in the storage. The id holds when that was begun."""
    return storage().save(f"{ROOT}/{begun_at(artifact_id):%Y-%m-%d}/{artifact_id.hex}", File(incoming.file))


def begun_at(artifact_id: UUID) -> dt.datetime:
    """The time in an id that was made here."""
    return dt.datetime.fromtimestamp((artifact_id.int >> 80) / 1000, dt.UTC)


def remove_erased() -> int:
    """Remove the files of artifacts that were erased; returns how many."""
    erased = Artifact.objects.filter(erased_at__isnull=False, is_file_gone=False).order_by("id")
    count = 0
    for artifact in list(erased[:BATCH_SIZE]):
        storage().delete(artifact.file)
        count += Artifact.objects.filter(id=artifact.id, is_file_gone=False).update(is_file_gone=True)
    return count


def remove_left_over(*, days: int | None = DAYS_LOOKED_AT) -> int:
    """Remove files that have no row: of uploads that were killed. Of the last days, or of all; returns how many."""
    now = clock.now()
    earliest = "" if days is None else f"{now - dt.timedelta(days=days):%Y-%m-%d}"
    return sum(_sweep(f"{ROOT}/{day}", now) for day in _listed(ROOT, 0) if day >= earliest)


def _sweep(folder: str, now: dt.datetime) -> int:
    named = {artifact_id: name for name in _listed(folder, 1) if (artifact_id := parse_uuid(name.partition("_")[0]))}
    old = [artifact_id for artifact_id in named if now - begun_at(artifact_id) > GRACE]
    count = 0
    for start in range(0, len(old), BATCH_SIZE):
        some = old[start : start + BATCH_SIZE]
        kept = set(Artifact.objects.filter(id__in=some).values_list("id", flat=True))
        for artifact_id in some:
            if artifact_id not in kept:
                storage().delete(f"{folder}/{named[artifact_id]}")
                log.info("artifacts.left_over_removed", file=f"{folder}/{named[artifact_id]}")
                count += 1
    return count


def _listed(folder: str, part: int) -> list[str]:
    """The folders (0) or files (1) in a folder; none where there is no such."""
    try:
        return sorted(storage().listdir(folder)[part])
    except FileNotFoundError:
        return []
