"""The person of the session as `request.actor`, and their time zone."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.requests import SESSION, actor_for

GetResponse = Callable[[HttpRequest], HttpResponse]


def person_actor(get_response: GetResponse) -> GetResponse:
    """Set `request.actor` to the person who is signed in, or None; a person reads times in their own zone.

    Not a lazy object, which would never be `None`. Nobody has a session without its cookie, so agents and health checks
    pay nothing here; a view behind a session needs the person anyway.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        person = user if isinstance(user, User) else None
        request.actor = actor_for(person, via=SESSION) if person else None  # type: ignore[attr-defined]
        if person is None:
            return get_response(request)
        with timezone.override(person.time_zone):
            return get_response(request)

    return middleware
