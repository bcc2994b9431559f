"""Saving the workflow state of a run."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.artifacts.events import RunStateSaved
from apps.artifacts.models import StateVersion
from apps.artifacts.queries import versions_of
from apps.artifacts.services.writing import check_data_class, open_run_of
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.canonical import canonical_bytes
from apps.core.errors import Conflict, Invalid, PreconditionFailed, PreconditionRequired, TooLarge
from apps.gateway.limits import excess_of
from apps.registry.models import Agent
from apps.registry.schemas import pointer_of
from apps.runs.telling import record
from apps.vault import services as vault

STATE = "run.state"
# More saves than that in one run are a loop, and each keeps its document.
MOST_VERSIONS = 10_000


def save_state(
    *, agent: Agent, actor: Actor, run_id: UUID, document: Any, data_class: str, if_match: str, if_none_match: str
) -> StateVersion:
    """Put the document in the place of the version that the agent has read, which `if_match` names; `if_none_match` is
    `*` for the first. Of two who start from one version the second is refused, so nothing is overwritten unread.

    A hold does not keep an agent from it: what it remembers has no effect on any system.
    """
    _check_precondition(if_match, if_none_match)
    check_data_class(data_class)
    size = _checked_size(document)
    with transaction.atomic():
        run = open_run_of(agent, run_id)
        before = versions_of(run).last()
        _check_current(before, if_match)
        number = before.number + 1 if before else 1
        if number > MOST_VERSIONS:
            raise Conflict("state.too_many", f"The state of a run is saved at most {MOST_VERSIONS:,} times.")
        [stored] = vault.store(vault.Document(kind=STATE, body=document, subject=f"run:{run.id}"))
        version = StateVersion.objects.create(
            run=run,
            number=number,
            document=stored,
            data_class=data_class,
            size_bytes=size,
            saved_by=actor.key,
            saved_by_name=actor.name,
            saved_at=clock.now(),
        )
        data = {"version": number, "digest": stored.digest, "bytes": size, "data_class": data_class}
        record(actor, "run.state_saved", run, data=data)
        outbox.add(RunStateSaved(run_id=str(run.id), version=number, by=actor.key))
    return version


def _check_precondition(if_match: str, if_none_match: str) -> None:
    """One of the two says what the agent has read. `If-Match: *` does not: it would overwrite what nobody has."""
    if if_match and if_match != "*":
        return
    if if_match or if_none_match != "*":
        sentence = "Send If-Match with the ETag of the state you have read, or If-None-Match: * for the first."
        raise PreconditionRequired("state.precondition_required", sentence)


def _check_current(before: StateVersion | None, if_match: str) -> None:
    current = before.etag if before else None
    named = [tag.strip() for tag in if_match.split(",")] if if_match else []
    if (current in named) if named else (current is None):
        return
    sentence = "Nobody has saved a state of this run yet."
    if before:
        sentence = f"{before.saved_by_name} has saved version {before.number}. Read it, and save yours on top of it."
    raise PreconditionFailed("state.stale", sentence, etag=current)


def _checked_size(document: Any) -> int:
    excess = excess_of(document)
    if excess is not None:
        errors = [{"pointer": pointer_of(excess.path), "sentence": excess.sentence}]
        raise Invalid("state.too_much", f"The state carries too much. {excess.sentence}", errors=errors)
    size = len(canonical_bytes(document))
    if size > settings.RUN_STATE_MAX_BYTES:
        sentence = f"A state has at most {settings.RUN_STATE_MAX_BYTES:,} bytes. Keep what is larger as an artifact."
        raise TooLarge("state.too_large", sentence)
    return size
