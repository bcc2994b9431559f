"""What news can be about besides approvals and calls: for each kind who hears of it, and what it says."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.core.actor import Actor
from apps.notifications.answering import Audience
from apps.notifications.broken import audience_of_broken, told_of_broken
from apps.notifications.emergencies import audience_of_emergency, told_of_emergencies
from apps.notifications.models import News, NewsKind
from apps.notifications.overtime import audience_of_overtime, told_of_overtime
from apps.notifications.spending import audience_of_budget, audience_of_hold, told_of_budgets, told_of_holds
from apps.notifications.stops import audience_of_halt, told_of_halts
from apps.notifications.systems import audience_of_outage, audience_of_return, told_of_systems
from apps.notifications.told import Told
from apps.notifications.ungoverned import audience_of_ungoverned, told_of_ungoverned


@dataclass(frozen=True, slots=True)
class Subject:
    """`told` says what the person may see of these pieces of news; None stands for a room, in which somebody was
    told.
    """

    audience: Callable[[News], Audience]
    told: Callable[[Actor | None, Sequence[News]], dict[UUID, Told]]


SUBJECTS = {
    NewsKind.BUDGET: Subject(audience_of_budget, told_of_budgets),
    NewsKind.SPENT: Subject(audience_of_budget, told_of_budgets),
    NewsKind.HELD: Subject(audience_of_hold, told_of_holds),
    NewsKind.OVERTIME: Subject(audience_of_overtime, told_of_overtime),
    NewsKind.BROKEN: Subject(audience_of_broken, told_of_broken),
    NewsKind.UNGOVERNED: Subject(audience_of_ungoverned, told_of_ungoverned),
    NewsKind.DOWN: Subject(audience_of_outage, told_of_systems),
    NewsKind.BACK: Subject(audience_of_return, told_of_systems),
    NewsKind.HALTED: Subject(audience_of_halt, told_of_halts),
    NewsKind.LIFTED: Subject(audience_of_halt, told_of_halts),
    NewsKind.ALONE: Subject(audience_of_emergency, told_of_emergencies),
    NewsKind.REFUSED: Subject(audience_of_emergency, told_of_emergencies),
}


def told_of(actor: Actor | None, news: Iterable[News]) -> dict[UUID, Told]:
    """What each says, as far as it may be seen; approvals and calls are not among them. A few queries for any
    number.
    """
    groups: dict[Callable[[Actor | None, Sequence[News]], dict[UUID, Told]], list[News]] = defaultdict(list)
    for one in news:
        if one.kind in SUBJECTS:
            groups[SUBJECTS[NewsKind(one.kind)].told].append(one)
    found: dict[UUID, Told] = {}
    for told, group in groups.items():
        found |= told(actor, group)
    return found
