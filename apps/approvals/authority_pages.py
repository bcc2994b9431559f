"""What the settings show: what one may set, who votes for whom, and a process's limits and rules."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from apps.accounts.models import Team, User
from apps.approvals.authority import delegations_visible_to, limits_of
from apps.approvals.authority_forms import DAYS, DelegationForm, LimitForm, RulesForm
from apps.approvals.models import AuthorityLimit, ConsentRules, Delegation
from apps.approvals.standing import in_force, voter_of
from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import parse_uuid
from apps.core.money import Money
from apps.core.paging import Page, page_of
from apps.registry.models import Process
from apps.registry.permissions import APPROVE, GOVERN
from apps.registry.queries import holds, processes_visible_to, processes_where


def settings_for(actor: Actor) -> dict[str, Any]:
    """What this person can set, and what they can read of it."""
    governed = set(processes_where(actor, GOVERN).values_list("id", flat=True))
    processes = processes_visible_to(actor).select_related("owner_team").order_by("name")
    stand_ins = list(in_force().filter(giver=actor.known_id).select_related("receiver").order_by("ends_at"))
    return {
        "stand_ins": stand_ins,
        "processes": [(process, process.id in governed) for process in processes],
    }


# --- absence ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DelegationRow:
    """One line of who votes for whom. `state` is upcoming, in force or over."""

    delegation: Delegation
    is_given: bool
    state: str
    caps: list[Money]

    @property
    def is_over(self) -> bool:
        return self.state == "over"


def absence_for(actor: Actor, *, cursor: str | None) -> dict[str, Any]:
    """Every delegation the person gave or holds, a page at a time."""
    page: Page[Delegation] = page_of(delegations_visible_to(actor), cursor=cursor)
    return {"page": page, "rows": [_row(actor, delegation) for delegation in page.items]}


def may_lend(actor: Actor) -> bool:
    """Whether the person has a right to vote of their own, in any process."""
    return voter_of(actor).own.approves_in != frozenset()


def delegation_form(actor: Actor, data: Any = None) -> DelegationForm:
    """With those who work where the person votes."""
    processes = list(processes_where(actor, APPROVE).order_by("name"))
    people = people_in(processes).exclude(pk=actor.known_id)
    return DelegationForm(data, people=list(people), processes=processes)


def people_in(processes: Collection[Process]) -> QuerySet[User]:
    """The active people who hold a role in any of the processes, or in the whole mesh."""
    has_role = Q(roles__process__in=processes) | Q(roles__isnull=False, roles__process=None)
    return User.objects.filter(has_role, is_active=True).distinct().order_by("name", "username")


def _row(actor: Actor, delegation: Delegation) -> DelegationRow:
    now = clock.now()
    is_over = delegation.ended_at is not None or delegation.ends_at <= now
    state = "over" if is_over else "upcoming" if delegation.starts_at > now else "in force"
    caps = [Money(minor, currency) for currency, minor in sorted(delegation.caps.items())]
    return DelegationRow(delegation, delegation.giver_id == actor.known_id, state, caps)


# --- the approvals of a process ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One line of the table of limits, with the name of who set it."""

    limit: AuthorityLimit
    set_by: str


def process_for(actor: Actor, rules: ConsentRules) -> dict[str, Any]:
    """The limits and rules of a process the person sees, and the forms to change them where they may."""
    process = rules.process
    limits = list(limits_of(actor, process.slug))
    names = _names_of({*(limit.set_by for limit in limits), rules.changed_by})
    may_change = holds(actor, GOVERN, process)
    return {
        "process": process,
        "rules": rules,
        "work_days": [DAYS[day] for day in sorted(rules.work_days)],
        "step_up": [Money(minor, currency) for currency, minor in sorted(rules.step_up.items())],
        "changed_by": names.get(rules.changed_by),
        "limits": [LimitRow(limit, names[limit.set_by]) for limit in limits],
        "limit_form": limit_form(process) if may_change else None,
        "rules_form": rules_form(rules) if may_change else None,
    }


def limit_form(process: Process, data: Any = None) -> LimitForm:
    return LimitForm(data, teams=teams_in(process), people=list(people_in([process])), currencies=process.currencies)


def rules_form(rules: ConsentRules, data: Any = None) -> RulesForm:
    teams = teams_in(rules.process)
    if rules.second_look_team is not None and rules.second_look_team not in teams:
        teams.append(rules.second_look_team)  # it has no role here any more; saving must not take it out unasked
    return RulesForm(data, rules=rules, teams=teams, currencies=rules.process.currencies)


def teams_in(process: Process) -> list[Team]:
    """The teams of those who hold a role in the process, and those that answer for it."""
    of_people = Team.objects.filter(members__in=people_in([process]))
    its_own = Team.objects.filter(pk__in=[process.owner_team_id, process.oncall_team_id])
    return list(Team.objects.filter(Q(pk__in=of_people) | Q(pk__in=its_own)).order_by("name"))


def _names_of(keys: Iterable[str]) -> dict[str, str]:
    """The name behind each key of an actor; the product's own jobs are the product."""
    ids = {key: parse_uuid(key.removeprefix("person:")) for key in keys if key}
    people = {user.pk: str(user) for user in User.objects.filter(pk__in=[pk for pk in ids.values() if pk])}
    return {key: people.get(pk, "Mesh Console") if pk else "Mesh Console" for key, pk in ids.items()}
