"""Reading what agents keep with a run."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.artifacts.models import Artifact, StateVersion
from apps.core.actor import Actor
from apps.core.errors import Gone, NotFound
from apps.registry.masking import NONE, SECRET, Classes, mask_of
from apps.registry.models import Agent
from apps.registry.permissions import REVEAL
from apps.registry.queries import holds
from apps.registry.sight import sight_of
from apps.runs.models import Run
from apps.runs.queries import run_for
from apps.vault import services as vault


@dataclass(frozen=True, slots=True)
class SeenState:
    """One version of the state as this actor may see it: a mask where its class is hidden from them."""

    version: StateVersion
    document: Any
    hidden: Classes


def run_of(actor: Actor, run_id: UUID, agent: Agent | None) -> Run:
    """The run, for people who see it and for agents of its process and environment. Raises NotFound."""
    run = run_for(actor, run_id)
    if agent is not None and agent.environment != run.environment:
        raise NotFound("run.not_found", "There is no such run.")
    return run


def versions_of(run: Run) -> QuerySet[StateVersion]:
    return StateVersion.objects.filter(run=run).select_related("document")


def version_for(run: Run, number: int | None = None) -> StateVersion:
    """The state, or one version of it. Raises NotFound."""
    versions = versions_of(run)
    found = versions.last() if number is None else versions.filter(number=number).first()
    if found is None:
        sentence = "Nobody has saved a state of this run." if number is None else "There is no such version."
        raise NotFound("state.not_found", sentence)
    return found


def seen_state(actor: Actor, run: Run, version: StateVersion) -> SeenState:
    """What this actor may see of it. Raises Gone where it was erased."""
    hidden = hidden_from(actor, run, version.data_class)
    return SeenState(version, mask_of(hidden) if hidden else document_of(version), hidden)


def document_of(version: StateVersion) -> Any:
    """The document itself. Raises Gone where it was erased."""
    if version.is_erased:
        raise Gone("state.erased", "The content of this state was erased. That it was there stays.")
    return vault.body_of(version.document)


def hidden_from(actor: Actor, run: Run, data_class: str) -> Classes:
    """The class where it is masked for this actor. Agents of the run see what agents keep with it."""
    return NONE if actor.is_agent else sight_of(actor).hidden(run.process_id, frozenset({data_class}))


def may_reveal(actor: Actor, run: Run, data_class: str) -> bool:
    """Whether it is masked for them and they may ask to see it: never what is secret."""
    is_masked = bool(hidden_from(actor, run, data_class) - {SECRET})
    return is_masked and holds(actor, REVEAL, run.process)


def artifacts_of(run: Run) -> QuerySet[Artifact]:
    return Artifact.objects.filter(run=run)


def artifact_for(run: Run, artifact_id: UUID) -> Artifact:
    """One file of the run. Raises NotFound."""
    found = artifacts_of(run).filter(id=artifact_id).first()
    if found is None:
        raise NotFound("artifact.not_found", "There is no such artifact in this run.")
    return found
