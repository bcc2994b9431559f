"""What asks for consent, by kind. The apps above register theirs; the engine imports none of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.approvals.models import Approval
from apps.core.actor import Actor


def _no_url(approval: Approval) -> str | None:
    return None


def _nothing(actor: Actor, approval: Approval) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class SubjectKind:
    """`edit_url`: where `Approve with edits` leads, None where this subject cannot be edited. `can_change`: whether who
    asked can answer `Ask for changes` with a new version. `context`: what the card shows beside what is bound by the
    digest, read at the moment: {"precedents": {"sentence", "rows"}, "waits": sentence, ...}.
    """

    name: str
    edit_url: Callable[[Approval], str | None] = _no_url
    can_change: bool = False
    context: Callable[[Actor, Approval], dict[str, Any]] = _nothing


_kinds: dict[str, SubjectKind] = {}


def register(kind: SubjectKind) -> None:
    """Called from `AppConfig.ready`."""
    _kinds[kind.name] = kind


def kind_of(approval: Approval) -> SubjectKind:
    """The kind of the approval's subject; one that nobody registered can be voted on and nothing more."""
    return _kinds.get(approval.subject_type) or SubjectKind(approval.subject_type)
