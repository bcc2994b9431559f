"""Who could agree to something that belongs to no tool call: a team with somebody who may say yes."""

from collections import Counter
from collections.abc import Collection
from uuid import UUID

from apps.accounts.models import Membership, Team
from apps.registry.models import Process
from apps.registry.permissions import APPROVE
from apps.registry.queries import holders_among


def team_that_can_agree(process: Process, barred: Collection[UUID]) -> Team | None:
    """The owner's team, else that on call, else the one with most people who may approve in the process. Reads the
    process's teams: select them with it.
    """
    members = Membership.objects.filter(user__is_active=True).exclude(user__in=barred)
    people = set(members.values_list("user", flat=True))
    able = {person for person, where in holders_among(people, APPROVE).items() if where is None or process.id in where}
    teams = Counter(members.filter(user__in=able).values_list("team", flat=True))
    for team in (process.owner_team, process.oncall_team):
        if team.id in teams:
            return team
    found = Team.objects.filter(id__in=teams)
    return min(found, key=lambda team: (-teams[team.id], team.slug), default=None)
