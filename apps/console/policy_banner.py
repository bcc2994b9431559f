"""What every page says of policies that one person released alone."""

from typing import Any

from django.urls import reverse

from apps.core.actor import Actor
from apps.core.generations import CONFIGURATION, Moment
from apps.core.memory import Remembered
from apps.policies.afterwards import sentence_of, unsettled
from apps.policies.models import EmergencyRelease, EmergencyState
from apps.policies.queries import sets_visible_to

WORDS = {
    EmergencyState.OPEN: "Emergency release",
    EmergencyState.OVERDUE: "Never reviewed",
    EmergencyState.REJECTED: "Rejected, still decides",
}


_unsettled: Remembered[str, tuple[EmergencyRelease, ...]] = Remembered(CONFIGURATION, size=1)


def emergencies_shown(actor: Actor | None, moment: Moment) -> list[dict[str, Any]]:
    """Each that is not settled, of the sets this person may see; a stranger at the sign-in page learns that there are
    some, not which. Costs no query as long as there is none.
    """
    found = _unsettled.get("", _read, moment=moment) or ()
    if not found:
        return []
    if actor is None:
        sentence = f"{len(found)} emergency release{'s' if len(found) > 1 else ''} of policies not settled."
        return [{"word": WORDS[EmergencyState.OPEN], "sentence": sentence, "since": None, "due": None, "url": None}]
    seen = set(sets_visible_to(actor).values_list("id", flat=True))
    return [
        {
            "word": WORDS[EmergencyState(each.state)],
            "sentence": sentence_of(each),
            "since": each.request.requested_at,
            "due": each.due_at if each.waits else None,
            "url": reverse("policy-review", args=[each.request_id]),
        }
        for each in found
        if each.request.policy_set_id in seen
    ]


def _read() -> tuple[EmergencyRelease, ...]:
    return tuple(unsettled().select_related("request__policy_set", "request__requester", "request__release"))
