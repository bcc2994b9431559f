"""What a run's page shows of what agents keep with it."""

import json
from dataclasses import dataclass
from typing import Any

from apps.artifacts.models import Artifact, StateVersion
from apps.artifacts.queries import artifacts_of, hidden_from, may_reveal, versions_of
from apps.core.actor import Actor
from apps.registry.masking import Classes, mask_of
from apps.runs.models import Run
from apps.runs.sections import Section
from apps.vault import services as vault

MOST_ARTIFACTS = 50
# Of a longer one the beginning: the page stays one that can be read.
MOST_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class ShownState:
    """A version as people read it. `text` is "" where it is masked or erased."""

    version: StateVersion
    text: str
    is_cut: bool
    hidden: Classes
    may_reveal: bool

    @property
    def mask(self) -> str:
        return mask_of(self.hidden)


@dataclass(frozen=True, slots=True)
class ShownArtifact:
    artifact: Artifact
    is_masked: bool
    may_reveal: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """`more`: there are more artifacts than are shown."""

    run: Run
    state: ShownState | None
    artifacts: list[ShownArtifact]
    more: bool


def section_of(actor: Actor, run: Run) -> Section | None:
    """None where nothing was kept with the run."""
    version = versions_of(run).last()
    found = list(artifacts_of(run)[: MOST_ARTIFACTS + 1])
    if version is None and not found:
        return None
    state = shown_state(actor, run, version) if version else None
    artifacts = [shown_artifact(actor, run, artifact) for artifact in found[:MOST_ARTIFACTS]]
    return Section("runs/_kept.html", Kept(run, state, artifacts, len(found) > MOST_ARTIFACTS))


def shown_state(actor: Actor, run: Run, version: StateVersion, *, most: int = MOST_TEXT) -> ShownState:
    hidden = hidden_from(actor, run, version.data_class)
    is_readable = not hidden and not version.is_erased
    text = as_text(vault.body_of(version.document)) if is_readable else ""
    can_reveal = bool(hidden) and not version.is_erased and may_reveal(actor, run, version.data_class)
    return ShownState(version, text[:most], len(text) > most, hidden, can_reveal)


def shown_artifact(actor: Actor, run: Run, artifact: Artifact) -> ShownArtifact:
    hidden = hidden_from(actor, run, artifact.data_class)
    can_reveal = bool(hidden) and not artifact.is_erased and may_reveal(actor, run, artifact.data_class)
    return ShownArtifact(artifact, bool(hidden), can_reveal)


def as_text(document: Any) -> str:
    """Indented, as people read JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False)
