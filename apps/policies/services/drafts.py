"""Drafts: started from what decides now, saved by version, brought up to date, discarded.

Two people may have one draft open. A save names the version it began from; when somebody saved in between, nothing is
written, and the refusal carries what they changed and what both together would be.
"""

import re
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.canonical import canonical_bytes
from apps.core.errors import Conflict, Invalid
from apps.policies.cases import case_problems
from apps.policies.cedar_text import MAX_TEXT_LENGTH
from apps.policies.characters import tidy
from apps.policies.differences import Content, difference
from apps.policies.events import PolicyDraftChanged
from apps.policies.merging import DraftContent, Merged, Side, merge
from apps.policies.models import DraftState, DraftVersion, PolicyDraft, PolicyRelease, PolicySet
from apps.policies.queries import (
    content_of,
    draft_for,
    ground_of,
    present_release,
    release_for,
    require_writer,
    set_for,
    version_of,
)
from apps.policies.services.publishing import own_set
from apps.policies.telling import content_digest, record_draft
from apps.registry.queries import processes_visible_to

MAX_MESSAGE_LENGTH = 300
MAX_JSON_BYTES = 256 * 1024
# PostgreSQL holds neither
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def start_draft(*, actor: Actor, policy_set: str, version: int | None = None, message: str = "") -> PolicyDraft:
    """Begin from a release: the one named, else what decides in production. A process without policies gets its set."""
    with transaction.atomic():
        owner = _set_or_new(actor, policy_set)
        base = release_for(owner, version) if version is not None else present_release(owner)
        now = clock.now()
        draft = PolicyDraft.objects.create(
            policy_set=owner, base=base, author_id=actor.known_id, message=_said(message), opened_at=now, changed_at=now
        )
        _write(draft, content_of(base), actor)
        record_draft(actor, "policy.draft_started", draft, data={"base": base.version if base else None})
        outbox.add(PolicyDraftChanged(str(draft.id), owner.slug, draft.version))
    return draft


def save_draft(
    *,
    actor: Actor,
    draft_id: UUID,
    version: int,
    text: str | None = None,
    parameters: dict[str, Any] | None = None,
    cases: list[Any] | None = None,
    message: str | None = None,
) -> PolicyDraft:
    """Write the next version. What is not given stays as it was in `version`. A text with mistakes is saved: it is
    checked when it is shown, and before it is released.

    Raises Conflict("policy.draft_stale") with `version`, `changed_by`, `changed` and `rebased` when somebody saved in
    between.
    """
    with transaction.atomic():
        draft = _open_draft(actor, draft_id)
        began = content_of(version_of(draft, version))
        content = DraftContent(
            began.text if text is None else _text(text),
            began.parameters if parameters is None else _parameters(parameters),
            began.cases if cases is None else _cases(cases),
        )
        if draft.version != version:
            raise _stale(draft, began, content)
        is_same = content_digest(content) == content_digest(began)
        words = draft.message if message is None else _said(message)
        if is_same and words == draft.message:
            return draft
        draft.message = words
        _next(draft, content, actor)
        record_draft(actor, "policy.draft_saved", draft, data={"content": content_digest(content)})
        outbox.add(PolicyDraftChanged(str(draft.id), draft.policy_set.slug, draft.version))
    return draft


def rebase_draft(*, actor: Actor, draft_id: UUID, version: int, prefer: Side = "") -> PolicyDraft:
    """Bring the draft up to what decides now: what the draft changed stays, what was released since comes in.

    Raises Conflict("policy.rebase_clash") with `clashes` where both changed the same thing and no side is preferred.
    """
    with transaction.atomic():
        draft = _open_draft(actor, draft_id)
        _same_version(draft, version)
        present = present_release(draft.policy_set)
        if present == draft.base:
            return draft
        merged = rebased(draft, present, prefer=prefer)
        if merged.clashes and not prefer:
            raise Conflict(
                "policy.rebase_clash",
                f"Both changed {', '.join(str(clash) for clash in merged.clashes)}. Say whose is to stay.",
                clashes=[{"kind": clash.kind, "name": clash.name} for clash in merged.clashes],
            )
        before = draft.base
        draft.base = present
        _next(draft, merged.content, actor)
        data = {"base_before": before.version if before else None, "base": present.version if present else None}
        record_draft(actor, "policy.draft_rebased", draft, data=data)
        outbox.add(PolicyDraftChanged(str(draft.id), draft.policy_set.slug, draft.version))
    return draft


def rebased(draft: PolicyDraft, present: PolicyRelease | None, *, prefer: Side = "") -> Merged:
    """The draft on top of another release than it began from. Writes nothing."""
    return merge(content_of(draft.base), content_of(version_of(draft)), content_of(present), prefer=prefer)


def discard_draft(*, actor: Actor, draft_id: UUID, version: int) -> PolicyDraft:
    """Lay it aside. Its versions stay."""
    with transaction.atomic():
        draft = _open_draft(actor, draft_id)
        _same_version(draft, version)
        draft.state = DraftState.DISCARDED
        draft.changed_at = clock.now()
        draft.save(update_fields=["state", "changed_at"])
        record_draft(actor, "policy.draft_discarded", draft)
        outbox.add(PolicyDraftChanged(str(draft.id), draft.policy_set.slug, draft.version))
    return draft


def _set_or_new(actor: Actor, slug: str) -> PolicySet:
    process = processes_visible_to(actor).filter(slug=slug).first()
    if process is not None and not PolicySet.objects.filter(slug=slug).exists():
        require_writer(actor, process)
        return own_set(slug, process)
    found = set_for(actor, slug)
    require_writer(actor, found.process)
    return found


def _open_draft(actor: Actor, draft_id: UUID) -> PolicyDraft:
    """The draft, locked, when it may be changed."""
    draft = draft_for(actor, draft_id, lock=True)
    require_writer(actor, draft.policy_set.process)
    if draft.state == DraftState.IN_REVIEW:
        raise Conflict("policy.draft_in_review", "This draft is in review. Take the review back to change it.")
    if draft.state != DraftState.OPEN:
        raise Conflict("policy.draft_closed", f"This draft is {draft.get_state_display().lower()}.")
    return draft


def _same_version(draft: PolicyDraft, version: int) -> None:
    if draft.version != version:
        who = version_of(draft).edited_by
        raise Conflict(
            "policy.draft_stale",
            f"{who} has changed this draft since you opened it. Look again.",
            version=draft.version,
            changed_by=str(who),
        )


def _stale(draft: PolicyDraft, began: DraftContent, mine: DraftContent) -> Conflict:
    present = version_of(draft)
    theirs = content_of(present)
    setting = ground_of(draft.policy_set).setting
    changed = difference(Content(began.text, began.parameters), Content(theirs.text, theirs.parameters), setting)
    merged = merge(began, mine, theirs)
    return Conflict(
        "policy.draft_stale",
        f"{present.edited_by} has saved this draft since you opened it ({changed.summary}). Yours is not written.",
        version=draft.version,
        changed_by=str(present.edited_by),
        changed=changed.as_json(),
        rebased={
            "text": merged.content.text,
            "parameters": dict(merged.content.parameters),
            "cases": list(merged.content.cases),
            "clashes": [{"kind": clash.kind, "name": clash.name} for clash in merged.clashes],
        },
    )


def _next(draft: PolicyDraft, content: DraftContent, actor: Actor) -> None:
    """The next version. The caller holds the draft's row lock."""
    draft.version += 1
    draft.changed_at = clock.now()
    draft.save(update_fields=["version", "changed_at", "message", "base"])
    _write(draft, content, actor)


def _write(draft: PolicyDraft, content: DraftContent, actor: Actor) -> None:
    DraftVersion.objects.create(
        draft=draft,
        number=draft.version,
        text=content.text,
        parameters=dict(content.parameters),
        cases=list(content.cases),
        edited_by_id=actor.known_id,
        edited_at=draft.changed_at,
    )


def _text(text: str) -> str:
    if len(text) > MAX_TEXT_LENGTH:
        raise _bad("/text", f"The text is longer than {MAX_TEXT_LENGTH:,} characters.")
    if _NO_TEXT.search(text):
        raise _bad("/text", "The text holds a character that no text has.")
    return tidy(text)


def _parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(parameters, dict):
        raise _bad("/parameters", "Parameters are an object of named parameters.")
    _sized("/parameters", parameters)
    return parameters


def _cases(cases: list[Any]) -> tuple[Any, ...]:
    problems = case_problems(cases)
    if problems:
        raise Invalid(
            "policy.bad_cases",
            f"The test cases cannot be read: {problems[0]['sentence']}",
            errors=[{**problem, "pointer": f"/cases{problem['pointer']}"} for problem in problems],
        )
    _sized("/cases", cases)
    return tuple(cases)


def _sized(pointer: str, value: Any) -> None:
    """Raises Invalid for what JSON cannot carry exactly, PostgreSQL cannot hold, or nobody would write."""
    written = canonical_bytes(value)
    if len(written) > MAX_JSON_BYTES:
        raise _bad(pointer, "This is larger than 256 KiB.")
    if b"\\u0000" in written:
        raise _bad(pointer, "This holds a character that no text has.")


def _said(message: str) -> str:
    return message.replace("\0", "").strip()[:MAX_MESSAGE_LENGTH]


def _bad(pointer: str, sentence: str) -> Invalid:
    return Invalid("policy.bad_draft", sentence, errors=[{"pointer": pointer, "sentence": sentence}])
