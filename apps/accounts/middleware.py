"""The person of the session as `request.actor`."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.accounts.requests import SESSION, actor_for

GetResponse = Callable[[HttpRequest], HttpResponse]


def person_actor(get_response: GetResponse) -> GetResponse:
    """Set `request.actor` to the person who is signed in, or None.

    Not a lazy object, which would never be `None`. A request without a session cookie costs no query here, so agents
    and health checks pay nothing; a view behind a session needs the person anyway.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user
        request.actor = actor_for(user, via=SESSION) if isinstance(user, User) else None  # type: ignore[attr-defined]
        return get_response(request)

    return middleware
