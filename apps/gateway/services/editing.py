"""Approve with edits: a person changes what an agent asked for before it runs. The edit is a new version of the call,
checked, decided and voted again (I4), and whoever makes one asks for it (I5, decision 18).
"""

import copy
import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.approvals import services as approvals
from apps.approvals.models import Approval, Verdict, Vote
from apps.approvals.queries import approval_for
from apps.core import locks
from apps.core.actor import Actor
from apps.core.errors import Conflict, MeshError, NotAllowed
from apps.gateway.changes import only_lowers_money
from apps.gateway.consent import SUBJECT_TYPE
from apps.gateway.deciding import explain_denial
from apps.gateway.models import CallVersion, Outcome, ToolCall
from apps.gateway.queries import call_for
from apps.gateway.services.changing import Answer, Change, lock_call, prepare_change, write_change
from apps.gateway.stored import stored_request
from apps.gateway.unmasking import with_masks_undone
from apps.registry.shields import shield_of


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """The new version and its approval. `vote` is the editor's own on it; None where somebody else has to decide, for
    good (`is_barred`) or first.
    """

    call: ToolCall
    version: CallVersion
    approval: Approval
    vote: Vote | None
    is_barred: bool

    @property
    def sentence(self) -> str:
        """What became of it, for the person who made the edit."""
        if self.is_barred:
            return "Your changes are in. Somebody else has to approve them, because you made them."
        if self.vote is None:
            return "The lower amount is in. It starts over, so it waits for the stages before yours."
        if self.approval.is_open and self.approval.settles_at is None:
            return "The lower amount is in, with your vote. It waits for the others."
        return "The lower amount is approved."


def edit_tool_call(
    *,
    actor: Actor,
    approval_id: UUID,
    digest: str,
    arguments: dict[str, Any],
    comment: str = "",
    undo_seconds: int | None = 0,
    dwell_seconds: float | None = None,
    confirmed_at: dt.datetime | None = None,
) -> EditOutcome:
    """Replace what waits by the same call with these arguments. The person must be able to approve it, amounts aside.

    An edit that only lowers the money carries the editor's vote at once, where their stage is the first; any other bars
    them from voting on it. Refuses what misses the tool's schema (422 with pointers), changes nothing (422), is not
    what was shown (409), is under a halt (423) or denied by policy (403 `edit.denied`); then nothing is written.
    """
    found = approval_for(actor, approval_id)
    with transaction.atomic():
        locks.take_shared(locks.HALTS)
        call = lock_call(found.subject_id) if found.subject_type == SUBJECT_TYPE else None
        approval = approval_for(actor, approval_id, lock=True)
        _check_editor(actor, call, approval, digest)
        if call is None or call.approval_id != approval.id:
            raise Conflict("edit.not_editable", "This is nothing that can be changed here.")
        change = prepare_change(actor=actor, call=call, approval=approval, answer=Answer(_as_meant(call, arguments)))
        _check_allowed(change)
        is_lowered = only_lowers_money(change.granted.tool, change.before, change.after)
        version = write_change(change, words=comment, maker=None if is_lowered else actor.known_id)
        vote = None
        if is_lowered:
            ballot = {"undo_seconds": undo_seconds, "dwell_seconds": dwell_seconds, "confirmed_at": confirmed_at}
            vote = _cast_own_vote(actor, version, comment=comment, **ballot)
    approval = approval_for(actor, _asked_again(version).id)
    return EditOutcome(call_for(actor, call.id), version, approval, vote, is_barred=not is_lowered)


def _as_meant(call: ToolCall, arguments: dict[str, Any]) -> dict[str, Any]:
    if not shield_of(call.tool).classes:
        return arguments
    return with_masks_undone(call.tool, arguments, stored_request(call).arguments)


def _cast_own_vote(actor: Actor, version: CallVersion, **ballot: Any) -> Vote | None:
    """The editor's vote on the version that is just written; None where another stage is asked first. Every other
    refusal of it refuses the edit.
    """
    try:
        return approvals.cast_vote(
            actor=actor,
            approval_id=_asked_again(version).id,
            verdict=Verdict.APPROVE,
            digest=version.digest,
            **ballot,
        )
    except NotAllowed as refusal:
        if refusal.code != "approval.not_your_stage":
            raise
        return None


def _asked_again(version: CallVersion) -> Approval:
    """The approval of a version that people decide on. One that policy denied has none, and no edit makes one."""
    if version.approval is None:
        raise RuntimeError(f"{version} of {version.tool_call_id} has no approval")
    return version.approval


def refusal_of_edit(actor: Actor, approval: Approval) -> MeshError | None:
    """Why this actor could not edit what waits here; None when they could. How much they may approve is no reason: the
    new amount is what counts.
    """
    without_amount = copy.copy(approval)
    without_amount.money_minor = None
    return approvals.refusal_of_vote(actor, without_amount, Verdict.APPROVE)


def _check_editor(actor: Actor, call: ToolCall | None, approval: Approval, digest: str) -> None:
    refusal = refusal_of_edit(actor, approval)
    if refusal is not None:
        raise refusal
    if digest != approval.digest:
        raise Conflict(
            "stale",
            "This is not what you were shown: it has changed since. Look again before you change it.",
            digest=approval.digest,
        )


def _check_allowed(change: Change) -> None:
    verdict = change.verdict
    if Outcome(verdict.outcome) is not Outcome.DENY:
        return
    sentence = explain_denial(
        errors=verdict.errors, says=[policy.says for policy in verdict.policies], code=verdict.code
    )
    raise NotAllowed(
        "edit.denied",
        f"With these changes policy would not allow it. {sentence}",
        decision={
            "outcome": verdict.outcome,
            "policies": [policy.as_json() for policy in verdict.policies],
            "errors": list(verdict.errors),
        },
    )
