"""The views of the inbox as tabs, and how much is in each."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy

from apps.approvals.filters import QueueFilter
from apps.approvals.models import Snooze
from apps.approvals.queries import MOST_COUNTED, QueueSummary, counted, waiting_count
from apps.approvals.standing import Voter
from apps.core import clock
from apps.core.actor import Actor

TABS: dict[str, Any] = {
    "mine": gettext_lazy("Waiting for me"),
    "team": gettext_lazy("My team"),
    "delegated": gettext_lazy("Delegated to me"),
    "snoozed": gettext_lazy("Snoozed"),
    "decided": gettext_lazy("Decided by me"),
    "all": gettext_lazy("All"),
}
# Views whose rows wait for somebody; only these are counted on their tabs.
WAITING = ("mine", "team", "delegated", "snoozed")


@dataclass(frozen=True, slots=True)
class Tab:
    """`count` is None where nothing is counted; past MOST_COUNTED it says so."""

    label: str
    url: str
    current: bool
    count: str | None


def tabs_for(actor: Actor, voter: Voter, shown: QueueFilter, summary: QueueSummary) -> list[Tab]:
    """Every view; of those that wait, how many. `summary` is that of the one that is shown, `voter` the actor's own."""
    return [
        Tab(
            label=label,
            url=view_url(name),
            current=name == shown.view,
            count=_count(actor, voter, name, shown, summary),
        )
        for name, label in TABS.items()
    ]


def _count(actor: Actor, voter: Voter, view: str, shown: QueueFilter, summary: QueueSummary) -> str | None:
    """Everything in the view, whatever narrows the list below."""
    if view not in WAITING or _is_surely_empty(voter, view):
        return None
    if view == shown.view and not shown.is_narrowed:
        return capped(summary.count)
    if view == "mine":
        return capped(waiting_count(actor))
    return capped(counted(QueueFilter(view=view).apply(actor, voter=voter)))


def _is_surely_empty(voter: Voter, view: str) -> bool:
    """What one query tells, so that most people pay for no count of what they never use."""
    if view == "delegated":
        return not voter.loans
    return view == "snoozed" and not Snooze.objects.filter(person=voter.own.person, until__gt=clock.now()).exists()


def capped(count: int) -> str:
    """ "14", and "1,000+" for more than anybody counts."""
    return f"{count:,}" if count <= MOST_COUNTED else f"{MOST_COUNTED:,}+"


def in_words(summary: QueueSummary) -> str:
    """How many it counts, in words."""
    return f"{summary.count:,}" if summary.is_exact else capped(summary.count)


def view_url(view: str) -> str:
    """A view without conditions, named even where it is the first: a person may start with another."""
    return f"{reverse('inbox')}?view={view}"
