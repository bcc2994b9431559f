"""Who could agree to something that belongs to no tool call: a team with somebody who may say yes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.accounts.models import Membership, Team
from apps.registry.models import Process
from apps.registry.permissions import APPROVE
from apps.registry.queries import holders_among


@dataclass(frozen=True, slots=True)
class AgreeingTeam:
    """A team that could be asked in this process. `able_count` of its members may vote there at this moment."""

    process: Process
    team: Team
    able_count: int


def teams_that_can_agree(processes: Sequence[Process], barred: Collection[UUID]) -> list[AgreeingTeam]:
    """Every team with somebody who may approve in one of the processes, the one with most of them first; among equals
    the process's owners, then who is on call, then by name. A team stands there once, with the process in which most of
    it may vote. Four queries for any number of processes.
    """
    members = list(
        Membership.objects.filter(user__is_active=True).exclude(user__in=barred).values_list("user", "team").distinct()
    )
    holders = holders_among({person for person, _ in members}, APPROVE)
    teams = Team.objects.in_bulk({team for person, team in members if person in holders})
    best: dict[UUID, AgreeingTeam] = {}
    for process in processes:
        able = {person for person, where in holders.items() if where is None or process.id in where}
        for team in teams.values():
            count = sum(1 for person, of_team in members if of_team == team.id and person in able)
            if count > (best[team.id].able_count if team.id in best else 0):
                best[team.id] = AgreeingTeam(process, team, count)
    return sorted(best.values(), key=_first_the_largest)


def _first_the_largest(found: AgreeingTeam) -> tuple[int, bool, bool, str]:
    team, process = found.team, found.process
    return (-found.able_count, team.id != process.owner_team_id, team.id != process.oncall_team_id, team.slug)


def team_that_can_agree(process: Process, barred: Collection[UUID]) -> Team | None:
    """Where nobody chooses: the owner's team, else that on call, else the one with most people who may approve in the
    process. Reads the process's teams: select them with it.
    """
    teams = [found.team for found in teams_that_can_agree([process], barred)]
    own = [team for team in (process.owner_team, process.oncall_team) if team in teams]
    return next(iter([*own, *teams]), None)
