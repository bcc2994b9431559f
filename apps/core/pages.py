"""Refusals that happen outside of any view: no such URL, a broken request, a body too large, a bug. Programs get JSON,
people a page.
"""

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from apps.core.errors import BadRequest, MeshError, NotAllowed, NotFound, TooLarge
from apps.core.middleware import error_page
from apps.core.rest import problem_json

PROGRAM_PATHS = ("/api/", "/oauth/", "/v1/", "/mcp")


def refuse(request: HttpRequest, error: MeshError) -> HttpResponse:
    """The refusal in the form that this URL's callers read."""
    return problem_json(error) if request.path.startswith(PROGRAM_PATHS) else error_page(request, error)


def refuse_unreadable(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse what nothing behind could take: a body over the limit (DRF's parsers read the stream past Django's own),
    and NUL in the address, which PostgreSQL's text cannot hold.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.headers.get("Content-Length") or "0"
        # a view that takes more refuses what is more than that in its own words
        if length.isdigit() and request.path not in settings.LARGE_BODIES and int(length) > _most_bytes(request.path):
            return refuse(request, TooLarge("request.too_large", _too_large(request.path)))
        if "%00" in request.META.get("QUERY_STRING", ""):
            return refuse(request, BadRequest("request.bad", "The address holds a character that no text has."))
        return get_response(request)

    return middleware


def _most_bytes(path: str) -> int:
    return settings.ARTIFACT_BODY_BYTES if _takes_artifacts(path) else settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def _too_large(path: str) -> str:
    if _takes_artifacts(path):
        return f"An artifact has at most {settings.ARTIFACT_MAX_BYTES:,} bytes."
    return "The body is larger than 1 MiB."


def _takes_artifacts(path: str) -> bool:
    return re.fullmatch(settings.ARTIFACT_PATH, path) is not None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, BadRequest("request.bad", "This request cannot be understood."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, NotAllowed("page.not_allowed", "You may not do this."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return refuse(
        request,
        NotAllowed("csrf.failed", "This form was open for too long. Load the page again and repeat what you did."),
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, NotFound("page.not_found", "There is no such page, or it is not yours to see."))


def server_error(request: HttpRequest, *args: Any) -> HttpResponse:
    """Programs get a problem; people a page that needs neither database nor session, for those may be what is
    broken.
    """
    if request.path.startswith(PROGRAM_PATHS):
        return problem_json(
            MeshError("bug", "That is our fault. Nothing was left half done; the log has the request id.")
        )
    return HttpResponse(render_to_string("errors/500.html"), status=500)
