"""Who hears of a piece of news. People are asked for in sets, so that a large team costs what a small one does."""

from collections.abc import Collection
from uuid import UUID

from apps.accounts.models import Membership, Team, User
from apps.accounts.requests import actor_for
from apps.approvals.ballots import Ballot, Cast, capacity_for
from apps.approvals.models import Approval, Delegation, Verdict, Vote
from apps.approvals.queries import approvals_visible_to, ballots_of
from apps.approvals.standing import Loan, Voter, in_force, standings_of
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import MeshError
from apps.gateway.models import CallState, ToolCall
from apps.notifications.answering import Audience
from apps.notifications.models import News, NewsKind
from apps.notifications.subjects import SUBJECTS
from apps.registry.permissions import VIEW
from apps.registry.queries import holders_among

OF_A_CALL = (NewsKind.UNKNOWN, NewsKind.STALE)
REMINDERS = (NewsKind.HALF, NewsKind.SOON, NewsKind.OVERDUE)


def reader(person: User) -> Actor:
    """The person as the product reads for them."""
    return actor_for(person, via="notification")


def audience_of(news: News) -> Audience:
    """Everyone who is to hear of it at this moment."""
    kind, approval = NewsKind(news.kind), news.approval
    if kind in SUBJECTS:
        return SUBJECTS[kind].audience(news)
    if kind in OF_A_CALL:
        return _keepers(news.tool_call, kind)
    if approval is None:
        return Audience()
    if kind is NewsKind.OPENED:
        return _voters(approval, Team.objects.filter(slug=news.data["team"]), kind)
    if kind in REMINDERS:
        waiting = [team for team in (approval.open_team_id, approval.escalated_team_id) if team]
        return _voters(approval, Team.objects.filter(id__in=waiting), kind)
    if kind is NewsKind.ESCALATED:
        return _lookers(approval, Team.objects.filter(slug=news.data["team"]), kind)
    if kind is NewsKind.DELEGATED:
        return _receiver(approval, news.data["delegation"])
    return _participants(approval, kind, news.data)


def _keepers(call: ToolCall | None, kind: NewsKind) -> Audience:
    """Those who own the process and those on call for it, as far as they may see it; nobody once it is known."""
    if call is None or call.state != CallState.OUTCOME_UNKNOWN:
        return Audience()
    rooms = frozenset({call.process.owner_team_id, call.process.oncall_team_id})
    members = set(Membership.objects.filter(team__in=rooms, user__is_active=True).values_list("user", flat=True))
    holders = holders_among(members, VIEW)
    seeing = [person for person, processes in holders.items() if processes is None or call.process_id in processes]
    return Audience(dict.fromkeys(seeing, kind), rooms if seeing else frozenset())


def _voters(approval: Approval, teams: Collection[Team], kind: NewsKind) -> Audience:
    """The members who could approve it now, and those who could do so for one of them. One whom only a delegation lets
    vote hears of what is new as delegated.
    """
    rooms = frozenset(team.id for team in teams)
    members = set(Membership.objects.filter(team__in=rooms, user__is_active=True).values_list("user", flat=True))
    lent = list(in_force().filter(giver__in=members, receiver__is_active=True).select_related("giver"))
    standings = standings_of(members | {delegation.receiver_id for delegation in lent})
    [ballot] = ballots_of([approval])
    people = {}
    for person, own in standings.items():
        loans = tuple(Loan(one, standings[one.giver_id]) for one in lent if one.receiver_id == person)
        means = _means(Voter(own=own, loans=loans), ballot)
        if means is not None:
            people[person] = NewsKind.DELEGATED if means == "loan" and kind is NewsKind.OPENED else kind
    return Audience(people, rooms if people.keys() & members else frozenset())


def _means(voter: Voter, ballot: Ballot) -> str | None:
    """By what the person could approve it, "own" or "loan"; None when they could not. That they would have to prove who
    they are, or have voted a lot this hour, does not keep them from hearing of it.
    """
    now = clock.now()
    try:
        capacity = capacity_for(voter, ballot, Cast(Verdict.APPROVE, confirmed_at=now), now)
    except MeshError:
        return None
    return "own" if capacity.delegation is None else "loan"


def _lookers(approval: Approval, teams: Collection[Team], kind: NewsKind) -> Audience:
    """The members who may see it and did not ask for it. Who is on call looks, whether they may vote or not."""
    if not approval.is_open:
        return Audience()
    rooms = frozenset(team.id for team in teams)
    members = set(Membership.objects.filter(team__in=rooms, user__is_active=True).values_list("user", flat=True))
    holders = holders_among(members, VIEW)
    people = {
        person: kind
        for person, processes in holders.items()
        if (processes is None or approval.process_id in processes) and person not in approval.barred_people
    }
    return Audience(people, rooms if people else frozenset())


def _receiver(approval: Approval, delegation_id: str) -> Audience:
    delegation = Delegation.objects.select_related("receiver").get(id=UUID(delegation_id))
    if not approval.is_open or delegation.receiver_id in approval.barred_people:
        return Audience()
    return _who_see(approval, [delegation.receiver], NewsKind.DELEGATED)


def _participants(approval: Approval, kind: NewsKind, data: dict[str, str]) -> Audience:
    """Who voted and for whom, but for the one who brought the news about and knows."""
    votes = Vote.objects.filter(approval=approval, withdrawal=None).select_related("voter", "on_behalf_of")
    votes_cast = list(votes.order_by("id"))
    decided = kind is NewsKind.RESOLVED and data["state"] in ("approved", "rejected")
    author = votes_cast[-1].id if votes_cast and decided else UUID(data["vote"]) if "vote" in data else None
    knows = {vote.voter_id for vote in votes_cast if vote.id == author}
    people = {vote.voter_id: vote.voter for vote in votes_cast}
    people |= {vote.on_behalf_of.id: vote.on_behalf_of for vote in votes_cast if vote.on_behalf_of is not None}
    return _who_see(approval, [person for person in people.values() if person.id not in knows], kind)


def _who_see(approval: Approval, people: Collection[User], kind: NewsKind) -> Audience:
    """Those of a few people who may see it."""
    active = [person for person in people if person.is_active]
    return Audience(
        {person.id: kind for person in active if approvals_visible_to(reader(person)).filter(pk=approval.pk).exists()}
    )
