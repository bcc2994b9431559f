"""Middleware that only browsers need, passed by for programs.

A program signs in with a token in each request. Without a cookie it has no session, nobody behind one and no messages,
and each of these would find that out anew with every call.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from apps.core.pages import PROGRAM_PATHS

GetResponse = Callable[[HttpRequest], HttpResponse]


def for_browsers(path: str) -> Callable[[GetResponse], GetResponse]:
    """The middleware of that name, which must be one that looks neither at views nor at exceptions."""

    def built(get_response: GetResponse) -> GetResponse:
        inner: GetResponse = import_string(path)(get_response)

        def middleware(request: HttpRequest) -> HttpResponse:
            is_program = not request.META.get("HTTP_COOKIE") and request.path.startswith(PROGRAM_PATHS)
            return get_response(request) if is_program else inner(request)

        return middleware

    return built


sessions = for_browsers("django.contrib.sessions.middleware.SessionMiddleware")
people = for_browsers("django.contrib.auth.middleware.AuthenticationMiddleware")
messages = for_browsers("django.contrib.messages.middleware.MessageMiddleware")
htmx = for_browsers("django_htmx.middleware.HtmxMiddleware")
