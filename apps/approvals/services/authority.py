"""Who may approve how much, by which rules, and for whom: kept by process owners, and by each person for themselves."""

import datetime as dt
from typing import Any
from uuid import UUID

from babel.numbers import is_currency
from django.db import transaction

from apps.accounts.models import Team, User
from apps.approvals.events import ApprovalDelegated
from apps.approvals.models import Approval, AuthorityLimit, ConsentRules, Delegation
from apps.approvals.queries import approval_for
from apps.approvals.services.votes import refusal_of_vote
from apps.approvals.standing import standings_of
from apps.approvals.telling import record, subject_of
from apps.approvals.worktime import calendar_for
from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound
from apps.registry.models import Process
from apps.registry.permissions import GOVERN
from apps.registry.queries import processes_visible_to, require

LONGEST_DELEGATION = dt.timedelta(days=90)
# Further back is a slip of the pen, and a start in the year 1 cannot be shown west of Greenwich.
LATE_START = dt.timedelta(days=1)
MOST_MINOR = 2**53
RULES = (
    "sla_seconds",
    "work_days",
    "work_starts",
    "work_ends",
    "holidays",
    "counts_twice",
    "undo_seconds",
    "step_up",
    "votes_per_hour",
    "second_look_percent",
    "second_look_team",
)


def delegate(
    *,
    actor: Actor,
    receiver: str,
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    process: str | None = None,
    approval_id: UUID | None = None,
    caps: dict[str, int] | None = None,
    reason: str = "",
) -> Delegation:
    """Let someone vote for oneself: from one moment to another, in one process or all, on one approval or any, up to an
    amount per currency. Only one's own right can be lent, never one that was lent (I5).
    """
    _check_time(starts_at, ends_at)
    _check_amounts(caps or {}, "/caps")
    with transaction.atomic():
        person = _receiver(actor, receiver)
        approval = _approval_to_hand_on(actor, approval_id, person)
        delegation = Delegation.objects.create(
            giver_id=actor.known_id,
            receiver=person,
            process=_process_of(actor, process) if process else None,
            approval=approval,
            caps=caps or {},
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason[:300],
            made_by=actor.key,
            made_at=clock.now(),
        )
        _record_delegation(actor, "delegation.made", delegation)
        if approval is not None:
            approval.version += 1
            approval.save(update_fields=["version"])
            record(actor, "approval.delegated", approval, outcome=approval.state, data={"receiver": person.username})
            outbox.add(ApprovalDelegated(**subject_of(approval), delegation_id=str(delegation.id)))
    return delegation


def end_delegation(*, actor: Actor, delegation_id: UUID) -> Delegation:
    """Take the right back, or give it back: who lent it and who holds it may both end it. Votes cast by it stand."""
    with transaction.atomic():
        delegation = (
            Delegation.objects.select_for_update(of=("self",))
            .select_related("process", "receiver", "giver")
            .filter(id=delegation_id)
            .first()
        )
        if delegation is None or actor.known_id not in (delegation.giver_id, delegation.receiver_id):
            raise NotFound("delegation.not_found", "There is no such delegation.")
        if delegation.ended_at is not None or delegation.ends_at <= clock.now():
            raise Conflict("delegation.over", "This delegation is over already.")
        delegation.ended_at = clock.now()
        delegation.ended_by = actor.key
        delegation.save(update_fields=["ended_at", "ended_by"])
        _record_delegation(actor, "delegation.ended", delegation)
    return delegation


def set_limit(
    *,
    actor: Actor,
    process: str,
    currency: str,
    limit_minor: int,
    reason: str,
    team: str | None = None,
    person: str | None = None,
) -> AuthorityLimit:
    """One line of the process's table: this team, or this person, may approve up to so much. A line that was there for
    the same is ended by it.
    """
    _check_amounts({currency: limit_minor}, "/limit")
    if bool(team) == bool(person):
        raise Invalid("authority.team_or_person", "A limit is that of one team or of one person.")
    if not reason.strip():
        raise Invalid("authority.reason_missing", "Say why, for whoever reviews this.")
    with transaction.atomic():
        owned = _governed(actor, process)
        whose = {"team": _team(team) if team else None, "person": _person(person) if person else None}
        lines = AuthorityLimit.objects.filter(process=owned, currency=currency, ended_at=None, **whose)
        lines.update(ended_at=clock.now(), ended_by=actor.key)
        limit = AuthorityLimit.objects.create(
            process=owned,
            currency=currency,
            limit_minor=limit_minor,
            reason=reason[:300],
            set_by=actor.key,
            set_at=clock.now(),
            **whose,
        )
        _record_limit(actor, "authority.limit_set", limit, reason)
    return limit


def end_limit(*, actor: Actor, limit_id: UUID) -> AuthorityLimit:
    """Take a line out of the table. When it was the last one, the process has no limits any more."""
    with transaction.atomic():
        limit = (
            AuthorityLimit.objects.select_for_update(of=("self",))
            .select_related("process", "team", "person")
            .filter(id=limit_id, process__in=processes_visible_to(actor))
            .first()
        )
        if limit is None:
            raise NotFound("authority.not_found", "There is no such limit.")
        require(actor, GOVERN, limit.process)
        if limit.ended_at is not None:
            raise Conflict("authority.over", "This limit was ended already.")
        limit.ended_at = clock.now()
        limit.ended_by = actor.key
        limit.save(update_fields=["ended_at", "ended_by"])
        _record_limit(actor, "authority.limit_ended", limit, "")
    return limit


def change_rules(*, actor: Actor, process: str, **changes: Any) -> ConsentRules:
    """Change how the process wants to be asked; what is not named stays. What waits already keeps its times."""
    if unknown := set(changes) - set(RULES):
        raise TypeError(f"no such rules: {', '.join(sorted(unknown))}")
    with transaction.atomic():
        owned = _governed(actor, process)
        rules = ConsentRules.objects.select_for_update().filter(process=owned).first() or ConsentRules(process=owned)
        before = {name: getattr(rules, name) for name in RULES}
        for name, value in changes.items():
            setattr(rules, name, value)
        _check_rules(rules)
        after = {name: getattr(rules, name) for name in RULES}
        changed = {name: [_plain(before[name]), _plain(after[name])] for name in RULES if before[name] != after[name]}
        if not changed:
            return rules
        rules.changed_by, rules.changed_at = actor.key, clock.now()
        rules.save()
        audit.record(
            actor,
            "approval_rules.changed",
            subject_type="process",
            subject_id=owned.id,
            subject_name=owned.name,
            process=owned.slug,
            data={"changed": changed},
        )
    return rules


def _check_time(starts_at: dt.datetime, ends_at: dt.datetime) -> None:
    if not starts_at < ends_at or ends_at <= clock.now():
        raise Invalid("delegation.bad_time", "A delegation ends after it starts, and in the future.")
    if starts_at < clock.now() - LATE_START:
        raise Invalid("delegation.bad_start", "A delegation starts today or later.")
    if ends_at - max(starts_at, clock.now()) > LONGEST_DELEGATION:
        raise Invalid(
            "delegation.too_long", "A delegation lasts 90 days at most. For longer, change who is in the team."
        )


def _check_amounts(amounts: dict[str, int], pointer: str) -> None:
    for currency, minor in amounts.items():
        if not is_currency(currency) or not isinstance(minor, int) or not 0 <= minor <= MOST_MINOR:
            errors = [{"pointer": pointer, "sentence": "A currency and an amount in its minor units, not negative."}]
            raise Invalid("authority.bad_amount", f"{currency} {minor} is not an amount of money.", errors=errors)


def _receiver(actor: Actor, username: str) -> User:
    if not actor.is_person:
        raise NotAllowed("people.only", "Only a person may do this.")
    person = _person(username)
    if person.id == actor.id:
        raise Invalid("delegation.to_oneself", "You vote for yourself already.")
    return person


def _approval_to_hand_on(actor: Actor, approval_id: UUID | None, receiver: User) -> Approval | None:
    """The approval, locked, when the actor could vote on it in their own name and the receiver did not ask for it."""
    if approval_id is None:
        if standings_of({actor.known_id})[actor.known_id].approves_in == frozenset():
            raise NotAllowed("delegation.nothing_to_lend", "You have no right to vote that you could lend.")
        return None
    approval = approval_for(actor, approval_id, lock=True)
    refusal = refusal_of_vote(actor, approval)
    if refusal is not None:
        raise refusal
    own = standings_of({actor.known_id})[actor.known_id]
    if approval.open_team_id not in own.teams and approval.escalated_team_id not in own.teams:
        raise NotAllowed("delegation.not_passed_on", "This was delegated to you, and what is lent is not passed on.")
    if receiver.id in approval.barred_people:
        raise Invalid("delegation.receiver_asked", f"{receiver} asked for this and cannot decide it for you.")
    return approval


def _process_of(actor: Actor, slug: str) -> Process:
    process = processes_visible_to(actor).filter(slug=slug).first()
    if process is None:
        raise NotFound("process.not_found", "There is no such process.")
    return process


def _governed(actor: Actor, slug: str) -> Process:
    process = _process_of(actor, slug)
    require(actor, GOVERN, process)
    return process


def _team(slug: str) -> Team:
    team = Team.objects.filter(slug=slug).first()
    if team is None:
        raise Invalid("team.unknown", f"There is no team {slug!r}.", errors=[_unknown("/team")])
    return team


def _person(username: str) -> User:
    person = None if "\0" in username else User.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise Invalid("person.unknown", f"There is nobody called {username!r} here.", errors=[_unknown("/person")])
    return person


def _unknown(pointer: str) -> dict[str, str]:
    return {"pointer": pointer, "sentence": "Not known here."}


def _check_rules(rules: ConsentRules) -> None:
    calendar_for(rules.process, rules)
    _check_amounts(rules.step_up, "/step_up")
    if not 0 <= rules.second_look_percent <= 100:
        raise Invalid("rules.bad_percent", "The share of second looks is between 0 and 100 percent.")
    if rules.sla_seconds is not None and rules.sla_seconds <= 0:
        raise Invalid("rules.bad_sla", "The time to decide is longer than nothing.")
    if rules.undo_seconds > 60:
        raise Invalid("rules.bad_undo", "A decision is held back for 60 seconds at most.")


def _plain(value: Any) -> Any:
    """A rule as the log keeps it."""
    return value if isinstance(value, int | bool | list | dict | None) else str(value)


def _record_delegation(actor: Actor, code: str, delegation: Delegation) -> None:
    audit.record(
        actor,
        code,
        subject_type="delegation",
        subject_id=delegation.id,
        subject_name=str(delegation),
        process=delegation.process.slug if delegation.process else "",
        reason=delegation.reason,
        data={
            "giver": f"person:{delegation.giver_id}",
            "receiver": f"person:{delegation.receiver_id}",
            "approval_id": str(delegation.approval_id or ""),
            "caps": delegation.caps,
            "starts_at": delegation.starts_at.isoformat(),
            "ends_at": delegation.ends_at.isoformat(),
        },
    )


def _record_limit(actor: Actor, code: str, limit: AuthorityLimit, reason: str) -> None:
    audit.record(
        actor,
        code,
        subject_type="authority_limit",
        subject_id=limit.id,
        subject_name=str(limit.team or limit.person),
        process=limit.process.slug,
        reason=reason,
        data={"currency": limit.currency, "limit_minor": limit.limit_minor},
    )
