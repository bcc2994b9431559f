"""Taking a file out, and seeing what is masked: both stay in the log."""

from typing import IO, Any
from uuid import UUID

from django.db import transaction

from apps.artifacts import files
from apps.artifacts.events import RunContentRevealed
from apps.artifacts.models import Artifact, StateVersion
from apps.artifacts.queries import artifact_for, document_of, hidden_from, version_for
from apps.core import outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Gone, NotAllowed, Unavailable
from apps.gateway.services.revealing import people_only, reason_given
from apps.registry.masking import SECRET, Classes
from apps.registry.permissions import REVEAL
from apps.registry.queries import require
from apps.runs.models import Run
from apps.runs.queries import run_for
from apps.runs.telling import record


def open_artifact(*, actor: Actor, run: Run, artifact_id: UUID) -> tuple[Artifact, IO[bytes]]:
    """The file, for whoever sees its class. That it was taken is in the log."""
    artifact = artifact_for(run, artifact_id)
    if hidden_from(actor, run, artifact.data_class):
        sentence = f"This artifact is masked for you: {artifact.data_class}."
        raise NotAllowed("artifact.masked", sentence)
    content = _content(artifact)
    with transaction.atomic():
        record(actor, "run.artifact_downloaded", run, data=_told(artifact))
    return artifact, content


def reveal_artifact(*, actor: Actor, run_id: UUID, artifact_id: UUID, reason: str) -> tuple[Artifact, IO[bytes]]:
    """The file in spite of its mask, once, for a reason that stays in the log. What is secret stays masked."""
    run = revealable_run(actor, run_id)
    artifact = artifact_for(run, artifact_id)
    classes, words = _masked_classes(actor, run, artifact.data_class), reason_given(reason)
    content = _content(artifact)
    _tell(actor, run, classes, words, _told(artifact))
    return artifact, content


def reveal_state(*, actor: Actor, run_id: UUID, number: int | None, reason: str) -> tuple[StateVersion, Any]:
    """A version of the state in spite of its mask, in the same way."""
    run = revealable_run(actor, run_id)
    version = version_for(run, number)
    classes, words = _masked_classes(actor, run, version.data_class), reason_given(reason)
    document = document_of(version)
    _tell(actor, run, classes, words, {"state_version": version.number, "digest": version.document.digest})
    return version, document


def revealable_run(actor: Actor, run_id: UUID) -> Run:
    """The run, for a person who may reveal what belongs to its process."""
    people_only(actor)
    run = run_for(actor, run_id)
    require(actor, REVEAL, run.process)
    return run


def _masked_classes(actor: Actor, run: Run, data_class: str) -> Classes:
    classes = hidden_from(actor, run, data_class) - {SECRET}
    if not classes:
        raise Conflict("reveal.nothing_masked", "Nothing of this is masked for you that could be revealed.")
    return classes


def _content(artifact: Artifact) -> IO[bytes]:
    if artifact.is_erased:
        raise Gone("artifact.erased", "The content of this artifact was erased. That it was there stays.")
    try:
        opened: IO[bytes] = files.storage().open(artifact.file)
    except OSError:
        raise Unavailable("artifact.storage", "The file cannot be read from its storage at present.") from None
    return opened


def _told(artifact: Artifact) -> dict[str, Any]:
    return {"artifact_id": str(artifact.id), "sha256": artifact.sha256}


def _tell(actor: Actor, run: Run, classes: Classes, reason: str, data: dict[str, Any]) -> None:
    named = sorted(classes)
    with transaction.atomic():
        record(actor, "payload.revealed", run, outcome="revealed", reason=reason, data={**data, "classes": named})
        outbox.add(RunContentRevealed(run_id=str(run.id), by=actor.key, classes=named))
