"""A person asks to see what is masked for them, of one call, for a reason that stays in the log."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.gateway.arguments import sentence_for
from apps.gateway.events import PayloadRevealed
from apps.gateway.models import CallState, ToolCall
from apps.gateway.queries import call_for
from apps.gateway.seen import may_be_revealed
from apps.gateway.telling import money_of, record_call
from apps.gateway.wording import label_of, names_in_order, shown
from apps.registry.masking import SECRET, Classes
from apps.registry.permissions import REVEAL
from apps.registry.queries import require
from apps.registry.shields import shield_of
from apps.vault import services as vault

MOST_REASON = 300
STAYS_MASKED = frozenset({SECRET})


@dataclass(frozen=True, slots=True)
class Revealed:
    """What one call carried, for this answer only. `arguments` are None where they were erased, `result` where there is
    none. What is secret is masked here as everywhere.
    """

    call: ToolCall
    classes: Classes
    arguments: dict[str, Any] | None
    result: Any

    @property
    def sentence(self) -> str:
        if self.arguments is None:
            return self.call.tool.title
        return sentence_for(self.call.tool, self.arguments, money_of(self.call))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The arguments as people read them."""
        given = self.arguments or {}
        return [(label_of(name), shown(given[name])) for name in names_in_order(self.call.tool, given) if name in given]

    @property
    def answer(self) -> list[tuple[str, str]]:
        """The result as people read it."""
        if self.result is None:
            return []
        if not isinstance(self.result, dict):
            return [("", shown(self.result))]
        return [(label_of(name), shown(value)) for name, value in self.result.items()]


def reveal_payload(*, actor: Actor, call_id: UUID, reason: str) -> Revealed:
    """The content of one call in the clear. Each time it is asked for is a line in the log, with the reason; nothing is
    remembered, so the next page shows masks again.
    """
    call = revealable_call(actor, call_id)
    classes = may_be_revealed(actor, call)
    if not classes:
        raise Conflict("reveal.nothing_masked", "Nothing of this call is masked for you.")
    words = checked_reason(reason)
    with transaction.atomic():
        named = sorted(classes)
        data = {"classes": named, "version": call.version}
        record_call(actor, "payload.revealed", call, outcome="revealed", reason=words, data=data)
        outbox.add(PayloadRevealed(tool_call_id=str(call.id), run_id=str(call.run_id), by=actor.key, classes=named))
    return _revealed(call, classes)


def checked_reason(reason: str) -> str:
    """Why somebody needs to see what is masked, as the log keeps it. Raises Invalid where they do not say."""
    if not reason.strip() or len(reason) > MOST_REASON:
        errors = [{"pointer": "/reason", "sentence": f"Say why you need to see it, in up to {MOST_REASON} characters."}]
        raise Invalid("reveal.reason_needed", errors[0]["sentence"], errors=errors)
    return reason.strip()


def revealable_call(actor: Actor, call_id: UUID) -> ToolCall:
    """The call, for a person who may reveal what belongs to its process."""
    if not actor.is_person:
        raise NotAllowed("people.only", "Only a person may do this.")
    call = call_for(actor, call_id)
    require(actor, REVEAL, call.process)
    return call


def _revealed(call: ToolCall, classes: Classes) -> Revealed:
    shield = shield_of(call.tool)
    bodies = vault.read_many([call.request_id, call.result_id])
    arguments = (bodies.get(call.request_id) or {}).get("arguments")
    result = bodies.get(call.result_id) if call.result_id else None
    if call.state in (CallState.SUCCEEDED, CallState.COMPENSATED):
        result = shield.result_without(STAYS_MASKED, result)
    elif SECRET in shield.classes:
        result = None  # a system's own words, which may quote the secret
    return Revealed(call, classes, shield.arguments_without(STAYS_MASKED, arguments), result)
