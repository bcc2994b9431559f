"""Reading who may decide how much, by which rules, and for whom."""

from django.db.models import F, Q, QuerySet

from apps.approvals.models import AuthorityLimit, ConsentRules, Delegation
from apps.approvals.queries import rules_for
from apps.core.actor import Actor
from apps.core.errors import NotAllowed, NotFound
from apps.registry.models import Process
from apps.registry.queries import processes_visible_to


def delegations_visible_to(actor: Actor) -> QuerySet[Delegation]:
    """Those the person gave or holds, newest first. Raises NotAllowed for agents."""
    if not actor.is_person:
        raise NotAllowed("people.only", "Only a person may do this.")
    own = Q(giver=actor.known_id) | Q(receiver=actor.known_id)
    return Delegation.objects.filter(own).select_related("giver", "receiver", "process").order_by("-id")


def limits_of(actor: Actor, process: str) -> QuerySet[AuthorityLimit]:
    """The lines of the process's table that are in force: teams first, then people, the highest first."""
    lines = AuthorityLimit.objects.filter(process=_seen(actor, process), ended_at=None)
    teams_first = F("person__name").asc(nulls_first=True)
    return lines.select_related("process", "team", "person").order_by(teams_first, "currency", "-limit_minor", "id")


def process_rules(actor: Actor, process: str) -> ConsentRules:
    """The rules of a process the person sees, the defaults where it has none of its own."""
    seen = _seen(actor, process)
    rules = rules_for(seen)
    rules.process = seen
    return rules


def _seen(actor: Actor, slug: str) -> Process:
    process = processes_visible_to(actor).filter(slug=slug).first() if actor.is_person else None
    if process is None:
        raise NotFound("process.not_found", "There is no such process.")
    return process
