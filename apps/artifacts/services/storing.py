"""Keeping a file with a run."""

import datetime as dt
import re
from contextlib import suppress
from uuid import UUID

from django.db import transaction

from apps.artifacts import files
from apps.artifacts.events import ArtifactStored
from apps.artifacts.incoming import Incoming
from apps.artifacts.models import Artifact
from apps.artifacts.queries import artifacts_of
from apps.artifacts.services.writing import check_data_class, open_run_of
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, Unavailable
from apps.core.ids import uuid7
from apps.registry.models import Agent
from apps.runs.telling import record

MOST_ARTIFACTS = 1000
LONGEST_NAME = 200
MEDIA_TYPE = re.compile(r"[a-zA-Z0-9!#$&^_.+-]{1,60}/[a-zA-Z0-9!#$&^_.+-]{1,59}")
UNKNOWN_TYPE = "application/octet-stream"


def store_artifact(
    *, agent: Agent, actor: Actor, run_id: UUID, incoming: Incoming, name: str, media_type: str, data_class: str
) -> tuple[Artifact, bool]:
    """Keep the file, and whether it is new: the same content is kept once in a run, under the name it came with first.

    The file is written before the row, outside of any transaction: what is killed in between leaves a file that the
    sweeper removes.
    """
    check_artifact(name=name, media_type=media_type, data_class=data_class)
    with transaction.atomic():
        if known := _same_in(open_run_of(agent, run_id).id, incoming):
            return known, False
    artifact_id, begun = uuid7(), clock.now()
    file = files.keep(artifact_id, incoming)
    try:
        made, is_new = _recorded(
            Artifact(
                id=artifact_id,
                name=name,
                media_type=media_type or UNKNOWN_TYPE,
                data_class=data_class,
                sha256=incoming.sha256,
                size_bytes=incoming.size_bytes,
                file=file,
                stored_by=actor.key,
                stored_by_name=actor.name,
            ),
            agent=agent,
            actor=actor,
            run_id=run_id,
            begun=begun,
        )
    except Exception:
        _forget(file)
        raise
    if not is_new:
        _forget(file)
    return made, is_new


def check_artifact(*, name: str, media_type: str, data_class: str) -> None:
    """Raises Invalid for what cannot be a file's name, type or class."""
    check_data_class(data_class)
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or set(name) & set("/\\") or name in (".", ".."):
        errors = [{"pointer": "/name", "sentence": f"Up to {LONGEST_NAME} printable characters, no slashes."}]
        raise Invalid("artifact.bad_name", "This is no name of a file.", errors=errors)
    if media_type and not MEDIA_TYPE.fullmatch(media_type):
        errors = [{"pointer": "/media_type", "sentence": "As in application/pdf."}]
        raise Invalid("artifact.bad_media_type", "This is no media type.", errors=errors)


def _recorded(
    artifact: Artifact, *, agent: Agent, actor: Actor, run_id: UUID, begun: dt.datetime
) -> tuple[Artifact, bool]:
    # the sweeper takes a file that has no row by then for one that nobody keeps
    if clock.now() - begun > files.LONGEST_UPLOAD:
        raise Unavailable("artifact.too_slow", "It took too long to store this. Nothing was kept; send it again.")
    with transaction.atomic():
        run = open_run_of(agent, run_id)
        if known := _same_in(run.id, artifact):
            return known, False
        if artifacts_of(run).count() >= MOST_ARTIFACTS:
            raise Conflict("artifact.too_many", f"A run keeps at most {MOST_ARTIFACTS:,} artifacts.")
        artifact.run, artifact.stored_at = run, clock.now()
        artifact.save(force_insert=True)
        data = {
            "artifact_id": str(artifact.id),
            "sha256": artifact.sha256,
            "bytes": artifact.size_bytes,
            "data_class": artifact.data_class,
        }
        record(actor, "run.artifact_stored", run, data=data)
        outbox.add(ArtifactStored(run_id=str(run.id), artifact_id=str(artifact.id), sha256=artifact.sha256))
    return artifact, True


def _same_in(run_id: UUID, content: Incoming | Artifact) -> Artifact | None:
    return Artifact.objects.filter(run_id=run_id, sha256=content.sha256, erased_at=None).first()


def _forget(file: str) -> None:
    """What cannot be removed now is left to the sweeper."""
    with suppress(OSError):
        files.storage().delete(file)
