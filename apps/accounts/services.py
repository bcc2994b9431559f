"""Acts on people, teams and tokens.

People and teams are made by an administrator: a superuser, or the product itself (the bootstrap and the command line).
What is already as it should be is left alone, without a line in the log, so that a declaration can be applied twice.
"""

import datetime as dt
import secrets

from django.db import transaction

from apps.accounts.models import Membership, PersonalToken, Team, User
from apps.accounts.queries import require_administrator
from apps.accounts.requests import SESSION
from apps.accounts.tokens import digest_of, new_secret
from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Invalid, NotAllowed, NotFound

# 120 bits: nobody guesses it, and it can still be typed
GENERATED_PASSWORD_BYTES = 15
MAX_TOKEN_DAYS = 365


def create_person(
    *,
    username: str,
    email: str,
    name: str,
    actor: Actor,
    password: str | None = None,
    time_zone: str = "UTC",
) -> tuple[User, str | None]:
    """(the person, the password that was made for them where none was given)."""
    require_administrator(actor)
    made = None if password is not None else secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)
    with transaction.atomic():
        user = User.objects.create_user(username, email, password or made, name=name, time_zone=time_zone)
        _record(actor, "person.created", user)
    return user, made


def change_person(*, user: User, email: str, name: str, time_zone: str, actor: Actor) -> bool:
    """Bring what is known of the person up to date. True when anything was different."""
    require_administrator(actor)
    wanted = {"email": User.objects.normalize_email(email), "name": name, "time_zone": time_zone}
    changed = [field for field, value in wanted.items() if getattr(user, field) != value]
    if not changed:
        return False
    for field in changed:
        setattr(user, field, wanted[field])
    with transaction.atomic():
        user.save(update_fields=changed)
        _record(actor, "person.changed", user, {"fields": changed})
    return True


def make_team(*, slug: str, name: str, actor: Actor) -> Team:
    """The team with this slug, made or renamed as needed."""
    require_administrator(actor)
    with transaction.atomic():
        team, is_new = Team.objects.get_or_create(slug=slug, defaults={"name": name})
        if is_new:
            _record_team(actor, "team.made", team)
        elif team.name != name:
            team.name = name
            team.save(update_fields=["name"])
            _record_team(actor, "team.renamed", team)
    return team


def add_member(*, team: Team, user: User, actor: Actor) -> Membership:
    """The person's membership in the team."""
    require_administrator(actor)
    with transaction.atomic():
        membership, is_new = Membership.objects.get_or_create(team=team, user=user, defaults={"since": clock.now()})
        if is_new:
            audit.record(
                actor,
                "team.member_added",
                subject_type="team",
                subject_id=team.id,
                subject_name=team.name,
                data={"person": str(user.id), "name": str(user)},
            )
    return membership


def make_token(*, user: User, name: str, days: int, actor: Actor) -> tuple[PersonalToken, str]:
    """(the token, its secret). The secret is told here and never again. A token cannot make tokens."""
    _require_owner(user, actor)
    if not user.is_active:
        raise Invalid("token.inactive_person", f"{user} is deactivated.")
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise Invalid("token.bad_days", f"A token is good for 1 to {MAX_TOKEN_DAYS} days.")
    now = clock.now()
    secret = new_secret()
    with transaction.atomic():
        token = PersonalToken.objects.create(
            user=user,
            name=name,
            digest=digest_of(secret),
            created_at=now,
            expires_at=now + dt.timedelta(days=days),
        )
        _record_token(actor, "token.made", token)
    return token, secret


def revoke_token(*, token: PersonalToken, actor: Actor) -> PersonalToken:
    """End the token now. Ending it twice is one end."""
    _require_owner(token.user, actor)
    now = clock.now()
    with transaction.atomic():
        if PersonalToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
            token.revoked_at = now
            _record_token(actor, "token.revoked", token)
    return token


def _require_owner(user: User, actor: Actor) -> None:
    """The person in their own session, or the product on its operator's word."""
    if actor.is_system:
        return
    if not actor.is_person or actor.id != user.id:
        raise NotFound("token.not_found")
    if actor.via != SESSION:
        raise NotAllowed("token.session_only", "Tokens are made and revoked in a signed-in session, not by a token.")


def _record(actor: Actor, code: str, user: User, data: dict[str, object] | None = None) -> None:
    audit.record(actor, code, subject_type="person", subject_id=user.id, subject_name=str(user), data=data)


def _record_team(actor: Actor, code: str, team: Team) -> None:
    audit.record(actor, code, subject_type="team", subject_id=team.id, subject_name=team.name)


def _record_token(actor: Actor, code: str, token: PersonalToken) -> None:
    audit.record(
        actor,
        code,
        subject_type="token",
        subject_id=token.id,
        subject_name=token.name,
        data={"person": str(token.user_id)},
    )
