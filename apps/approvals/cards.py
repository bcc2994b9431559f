"""What was shown for approvals, read for one pair of eyes."""

from typing import Any
from uuid import UUID

from apps.approvals.models import Approval
from apps.approvals.veils import seen_by
from apps.core.actor import Actor
from apps.vault import services as vault

ERASED_CARD: dict[str, Any] = {
    "sentence": "The content of this request was erased",
    "facts": [],
    "why": [],
    "evidence": [],
}


def cards_of(approvals: list[Approval], actor: Actor | None, *, is_judge: bool = False) -> dict[UUID, dict[str, Any]]:
    """What this actor is shown of each approval, by approval id; None is nobody, for what leaves the product. An erased
    card reads as such and never fails a page. `is_judge`: the actor is asked for an opinion on all of them.
    """
    bodies = vault.read_many([approval.card_id for approval in approvals])
    cards = {approval.id: bodies.get(approval.card_id) or ERASED_CARD for approval in approvals}
    return seen_by(actor, approvals, cards, is_judge=is_judge)
