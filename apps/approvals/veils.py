"""Cards whose content is not for everyone.

Who writes a card puts `cover` in the place of each value that may have to be hidden: a sign that stands for the value,
which itself is kept beside the card with its classes. `seen_by` puts values back for who may see them and masks for
everyone else. Whoever forgets to ask shows a sign, and never a value.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from apps.approvals.models import OPEN_STATES, Approval, Stage, Vote
from apps.approvals.queries import lent_by
from apps.approvals.standing import voter_of
from apps.core.actor import Actor
from apps.registry.masking import SECRET, Classes, mask_of
from apps.registry.sight import sight_of

VEILED = "veiled"
# Private characters: no text needs them, and what holds them loses them here.
_START, _END = "\ue000", "\ue001"
_SIGN = re.compile(f"{_START}([0-9]+){_END}")
# Of one value within the sentence; the card shows it whole.
SENTENCE_CHARACTERS = 80

Card = dict[str, Any]


class Veil:
    """The values of one card that may have to be hidden."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Any]] = []

    def cover(self, classes: Classes, text: str) -> str:
        """The sign that stands for this text."""
        self.parts.append({"classes": sorted(classes), "text": text})
        return f"{_START}{len(self.parts) - 1}{_END}"


def without_signs(value: Any) -> Any:
    """The same without the characters that signs are made of: nobody outside makes one."""
    if isinstance(value, str):
        return value.replace(_START, "\ufffd").replace(_END, "\ufffd")
    if isinstance(value, dict):
        return {without_signs(name): without_signs(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_signs(part) for part in value]
    return value


def seen_by(
    actor: Actor | None, approvals: Collection[Approval], cards: Mapping[UUID, Card], *, is_judge: bool = False
) -> dict[UUID, Card]:
    """The cards as this actor sees them: nobody where that is None, so that nothing hidden leaves the product. Whoever
    is asked to decide sees what they decide on; `is_judge` says that the actor is asked about all of them.
    """
    veiled = [approval for approval in approvals if VEILED in cards[approval.id]]
    if not veiled:
        return dict(cards)
    ids = {approval.id for approval in veiled}
    sight, decides = sight_of(actor), ids if is_judge else _decided_by(actor, ids)
    seen = dict(cards)
    for approval in veiled:
        card = cards[approval.id]
        classes = frozenset(name for part in card[VEILED] for name in part["classes"])
        hidden = sight.hidden(approval.process_id, classes)
        seen[approval.id] = _seen(card, hidden & {SECRET} if approval.id in decides else hidden)
    return seen


def _decided_by(actor: Actor | None, ids: Collection[UUID]) -> set[UUID]:
    """Of these approvals, those that ask this person while they are open, and those they voted on."""
    if actor is None or not actor.is_person:
        return set()
    voter = voter_of(actor)
    asks_them = Exists(Stage.objects.filter(approval=OuterRef("pk"), team__in=voter.own.teams))
    own = asks_them | Q(escalated_team__in=voter.own.teams)
    if voter.own.approves_in is not None:
        own &= Q(process__in=voter.own.approves_in)
    asked = Approval.objects.filter(id__in=ids, state__in=OPEN_STATES)
    asked = asked.exclude(barred_people__contains=[actor.known_id]).filter(own | lent_by(voter.loans))
    voted = Vote.objects.filter(approval__in=ids, voter=actor.known_id)
    return {*asked.values_list("id", flat=True), *voted.values_list("approval_id", flat=True)}


def _seen(card: Card, hidden: Classes) -> Card:
    parts = card[VEILED]
    shown = {name: _put_back(value, parts, hidden) for name, value in card.items() if name != VEILED}
    shown["sentence"] = _put_back(card["sentence"], parts, hidden, most=SENTENCE_CHARACTERS)
    masked = hidden & {name for part in parts for name in part["classes"]}
    return shown | ({"masked": sorted(masked)} if masked else {})


def _put_back(value: Any, parts: list[dict[str, Any]], hidden: Classes, *, most: int | None = None) -> Any:
    if isinstance(value, str):
        return _SIGN.sub(lambda sign: _text(parts[int(sign[1])], hidden, most), value)
    if isinstance(value, dict):
        return {_put_back(name, parts, hidden): _put_back(part, parts, hidden) for name, part in value.items()}
    if isinstance(value, list):
        return [_put_back(part, parts, hidden) for part in value]
    return value


def _text(part: dict[str, Any], hidden: Classes, most: int | None) -> str:
    if covered := hidden.intersection(part["classes"]):
        return mask_of(covered)
    text = str(part["text"])
    return text if most is None or len(text) <= most else text[: most - 1] + "…"
