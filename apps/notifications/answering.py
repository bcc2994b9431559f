"""Who answers for processes: the teams that own them or are on call for them, and whoever operates them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from apps.accounts.models import Membership
from apps.notifications.models import NewsKind
from apps.registry.models import Process
from apps.registry.permissions import VIEW
from apps.registry.queries import holders_among, operators_of


@dataclass(frozen=True, slots=True)
class Audience:
    """`people`: each person with what it is to them. `teams`: whose rooms hear of it, none if nobody of theirs does."""

    people: dict[UUID, NewsKind] = field(default_factory=dict)
    teams: frozenset[UUID] = frozenset()


def who_answer_for(
    processes: Collection[UUID], kind: NewsKind, *, with_team: UUID | None = None, but: str = ""
) -> Audience:
    """The members of the teams that own these processes or are on call for them, and whoever operates one of them.
    `but` is the key of who brought it about and knows.
    """
    rows = Process.objects.filter(id__in=processes).values_list("owner_team", "oncall_team")
    teams = {team for pair in rows for team in pair} | ({with_team} if with_team else set())
    return _who_see(processes, kind, teams=teams, others=operators_of(processes), but=but)


def members_who_see(team: UUID, processes: Collection[UUID], kind: NewsKind) -> Audience:
    """The members of one team, as far as they may see one of the processes."""
    return _who_see(processes, kind, teams={team}, others=())


def _who_see(
    processes: Collection[UUID], kind: NewsKind, *, teams: set[UUID], others: Collection[UUID], but: str = ""
) -> Audience:
    teams_of: dict[UUID, set[UUID]] = {person: set() for person in others}
    members = Membership.objects.filter(team__in=teams, user__is_active=True)
    for person, team in members.values_list("user", "team"):
        teams_of.setdefault(person, set()).add(team)
    seeing = [
        person
        for person, where in holders_among(teams_of.keys(), VIEW).items()
        if where is None or not where.isdisjoint(processes)
    ]
    people = {person: kind for person in seeing if f"person:{person}" != but}
    return Audience(people, frozenset(team for person in seeing for team in teams_of[person]))
