"""Where nobody could agree to a change of policy: why that is, and what can be done about it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from apps.accounts.models import Membership, User
from apps.policies.wording import listed
from apps.registry.models import Process
from apps.registry.permissions import APPROVE
from apps.registry.queries import holders_among

# Of each, so that a sentence stays one.
MOST_NAMED = 4


def ways_out(processes: Sequence[Process], makers: Iterable[UUID]) -> list[str]:
    """Sentences for who would release: who may approve and why each of them does not count, then what helps."""
    written_by = frozenset(makers)
    people = {user.id: user for user in User.objects.filter(is_active=True)}
    holders = holders_among(set(people), APPROVE)
    here = {process.id for process in processes}
    approvers = [people[person] for person, where in holders.items() if where is None or where & here]
    teams: dict[UUID, dict[UUID, str]] = defaultdict(dict)
    for person, team, name in Membership.objects.values_list("user", "team", "team__name"):
        teams[person][team] = name
    found = [_why_not(each, written_by, teams) for each in sorted(approvers, key=lambda user: user.username)]
    return [*_shortened(found), *_what_helps(processes, bool(approvers))]


def _why_not(approver: User, written_by: frozenset[UUID], teams: dict[UUID, dict[UUID, str]]) -> str:
    if approver.id in written_by:
        return f"{approver} may approve, and wrote it or asks for it."
    own = teams[approver.id]
    shared = sorted({own[team] for maker in written_by for team in teams[maker] if team in own})
    if shared:
        return f"{approver} may approve, and shares the team {listed(shared)} with who wrote it or asks for it."
    return f"{approver} may approve, and is in no team that could be asked."


def _shortened(found: list[str]) -> Iterator[str]:
    yield from found[:MOST_NAMED]
    if len(found) > MOST_NAMED:
        yield f"So it is with {len(found) - MOST_NAMED} more."


def _what_helps(processes: Sequence[Process], is_anybody: bool) -> Iterator[str]:
    where = listed((process.name for process in processes[:MOST_NAMED]), "or") if processes else "any process"
    if not is_anybody:
        yield f"Nobody may approve in {where}."
    yield (
        f"What helps: an administrator gives the role “approver” in {where} to a person of another team, and that team "
        "is asked. The bootstrap file does it (“people”, with “teams” and “roles”), and it can be loaded at any time."
    )
    if is_anybody:
        yield (
            "Or somebody else writes the draft, whose teams have no approver in them: then the approvers named here "
            "can be asked."
        )
