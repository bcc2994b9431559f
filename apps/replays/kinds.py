"""How an old decision and the new one may differ, and why one cannot be made again: names and sentences. Pure."""

from dataclasses import dataclass

from django.db import models

from apps.core.errors import NotFound


class Kind(models.TextChoices):
    """What became of one decision that is not the same. Those of `REASONS` could not be made again."""

    DENY_TO_ALLOW = "deny-to-allow", "Forbidden → allowed"
    APPROVAL_TO_ALLOW = "approval-to-allow", "Approval → allowed"
    DENY_TO_APPROVAL = "deny-to-approval", "Forbidden → approval"
    ALLOW_TO_APPROVAL = "allow-to-approval", "Allowed → approval"
    APPROVAL_TO_DENY = "approval-to-deny", "Approval → forbidden"
    ALLOW_TO_DENY = "allow-to-deny", "Allowed → forbidden"
    OTHER_DEMANDS = "other-demands", "Other demands"
    ERASED = "erased", "Erased"
    UNREADABLE = "unreadable", "Unreadable"
    RELEASE_GONE = "release-gone", "Release unreadable"
    TOOL_GONE = "tool-gone", "Tool gone"
    TOOL_CHANGED = "tool-changed", "Tool changed"
    NO_DETECTOR = "no-detector", "Detector missing then"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Kinds that are read together, the gravest first."""

    name: str
    title: str
    kinds: tuple[Kind, ...]


BUCKETS = (
    Bucket("relaxed", "Relaxed", (Kind.DENY_TO_ALLOW, Kind.APPROVAL_TO_ALLOW, Kind.DENY_TO_APPROVAL)),
    Bucket("tightened", "Tightened", (Kind.ALLOW_TO_DENY, Kind.APPROVAL_TO_DENY, Kind.ALLOW_TO_APPROVAL)),
    Bucket("changed", "Other demands", (Kind.OTHER_DEMANDS,)),
)
DIFFERENCES = tuple(kind for bucket in BUCKETS for kind in bucket.kinds)
REASONS = (
    Kind.ERASED,
    Kind.UNREADABLE,
    Kind.RELEASE_GONE,
    Kind.TOOL_GONE,
    Kind.TOOL_CHANGED,
    Kind.NO_DETECTOR,
)

_STEPS = {"allow": "allow", "deny": "deny", "require_approval": "approval"}

# One decision, several of them.
_SENTENCES = {
    Kind.DENY_TO_ALLOW: (
        "decision would be allowed without asking anyone, and was forbidden",
        "decisions would be allowed without asking anyone, and were forbidden",
    ),
    Kind.APPROVAL_TO_ALLOW: ("decision would no longer ask anyone", "decisions would no longer ask anyone"),
    Kind.DENY_TO_APPROVAL: (
        "decision would ask people, and was forbidden",
        "decisions would ask people, and were forbidden",
    ),
    Kind.ALLOW_TO_APPROVAL: ("decision would ask people first", "decisions would ask people first"),
    Kind.APPROVAL_TO_DENY: (
        "decision would be forbidden, and people were asked",
        "decisions would be forbidden, and people were asked",
    ),
    Kind.ALLOW_TO_DENY: (
        "decision would be forbidden, and was allowed",
        "decisions would be forbidden, and were allowed",
    ),
    Kind.OTHER_DEMANDS: (
        "decision would ask for other people, another time or other masking",
        "decisions would ask for other people, another time or other masking",
    ),
    Kind.ERASED: ("decision was made on what has been erased", "decisions were made on what has been erased"),
    Kind.UNREADABLE: ("decision has an input that cannot be read", "decisions have an input that cannot be read"),
    Kind.RELEASE_GONE: (
        "decision was made beside a release that cannot be read any more",
        "decisions were made beside a release that cannot be read any more",
    ),
    Kind.TOOL_GONE: (
        "decision is on a tool that is gone, and these policies do not fit what it was",
        "decisions are on tools that are gone, and these policies do not fit what they were",
    ),
    Kind.TOOL_CHANGED: (
        "decision is on a tool as it was before it changed, and these policies do not fit it",
        "decisions are on tools as they were before they changed, and these policies do not fit them",
    ),
    Kind.NO_DETECTOR: (
        "decision was made where a detector that these policies ask for was not installed",
        "decisions were made where a detector that these policies ask for was not installed",
    ),
}


def kind_named(name: str) -> Kind:
    """Raises NotFound."""
    if name not in Kind.values:
        raise NotFound("replay.kind_not_found", f"No decisions are called “{name[:40]}”.")
    return Kind(name)


def kind_between(before: str, after: str) -> Kind:
    """The kind of a changed outcome."""
    return Kind(f"{_STEPS[before]}-to-{_STEPS[after]}")


def sentence_of(kind: Kind, count: int) -> str:
    """“63 decisions would no longer ask anyone”."""
    one, many = _SENTENCES[kind]
    return f"{count:,} {one if count == 1 else many}"
