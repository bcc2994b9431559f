"""The two ways a person reaches the API: the browser's session, and a personal token that a program of theirs carries.

Every class of the product answers `(who, Actor)`: the person or the signed-in agent as `request.user`, the actor as
`request.auth` and, for code that knows nothing of DRF, as `request.actor`.
"""

from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from apps.accounts.models import User
from apps.accounts.requests import SESSION, TOKEN, actor_for, bearer_token, bind_actor
from apps.accounts.tokens import token_for
from apps.core.actor import Actor
from apps.core.errors import NotAllowed

REALM = 'Bearer realm="mesh-console"'


class PersonalTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer mcp_…`. Stands behind the classes that know theirs by prefix: what is left is ours."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        secret = bearer_token(request)
        if secret is None:
            return None
        user = token_for(secret).user
        return user, bind_actor(request, actor_for(user, via=TOKEN))

    def authenticate_header(self, request: Request) -> str:
        return REALM


class PersonSessionAuthentication(SessionAuthentication):
    """The session of a browser; anything but reading needs the CSRF token too."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user: Any = found[0]
        return user, bind_actor(request, actor_for(user, via=SESSION))

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied:
            sentence = "The request came without the token that proves it is from our own pages. Reload and try again."
            raise NotAllowed("csrf.failed", sentence) from None

    def authenticate_header(self, request: Request) -> str:
        return REALM
