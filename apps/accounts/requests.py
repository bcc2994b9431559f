"""Who asks, on both faces: HTML requests carry the person of the session, DRF requests whoever its classes let in."""

import datetime as dt

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest
from rest_framework.request import Request

from apps.accounts.models import User
from apps.core.actor import Actor, person_actor
from apps.core.errors import NotAllowed, NotAuthenticated

SESSION, TOKEN = "session", "token"


def actor_of(request: HttpRequest | Request) -> Actor:
    """The actor behind the request. Raises NotAuthenticated when there is none."""
    actor = actor_or_none(request)
    if actor is None:
        raise NotAuthenticated("token.missing", "Sign in, or send a bearer token.")
    return actor


def actor_or_none(request: HttpRequest | Request) -> Actor | None:
    """The actor behind the request, None for a stranger. On a DRF request this is where a bad token is refused."""
    actor = request.auth if isinstance(request, Request) else getattr(request, "actor", None)
    return actor if isinstance(actor, Actor) else None


def person_of(request: HttpRequest | Request) -> User:
    """The person behind the request. Raises NotAuthenticated for nobody and NotAllowed for an agent."""
    actor_of(request)
    if not isinstance(request.user, User):
        raise NotAllowed("people.only", "Only a person may do this.")
    return request.user


def confirmed_at(request: HttpRequest | Request) -> dt.datetime | None:
    """When the person of this session last proved who they are; None for tokens, which prove nothing of the moment."""
    actor, user = actor_or_none(request), request.user
    if actor is None or actor.via != SESSION or not isinstance(user, User):
        return None
    plain = request._request if isinstance(request, Request) else request
    proofs = [proof["at"] for proof in get_authentication_records(plain, user)]
    return dt.datetime.fromtimestamp(max(proofs), dt.UTC) if proofs else None


def actor_for(user: User, *, via: str) -> Actor:
    """The person as an actor; `via` is "session", "token" or "command"."""
    return person_actor(user_id=user.id, name=str(user), via=via)


def bind_actor(request: Request, actor: Actor) -> Actor:
    """For authentication classes: make `request.actor` the one they let in, whoever the session may name."""
    request._request.actor = actor  # type: ignore[attr-defined]
    return actor


def bearer_token(request: Request) -> str | None:
    """What stands behind `Authorization: Bearer`, None when the header is absent or of another scheme."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
