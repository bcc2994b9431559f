"""Request id and logs around every request, and the error family as pages."""

import re
import time
from collections.abc import Callable

import structlog
from csp.constants import HEADER
from csp.utils import build_policy
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from apps.core.errors import MeshError, NotAllowed, NotAuthenticated, NotFound
from apps.core.htmx import wants_partial
from apps.core.ids import uuid7

log = structlog.get_logger("meshconsole.request")

GetResponse = Callable[[HttpRequest], HttpResponse]
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def request_context(get_response: GetResponse) -> GetResponse:
    """Give the request an id (a caller's own if it is sane), bind it to every log line and answer it in
    `X-Request-Id`.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else str(uuid7())
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        response = get_response(request)
        response["X-Request-Id"] = request_id
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        return response

    return middleware


def content_policy(get_response: GetResponse) -> GetResponse:
    """What a page may load, said with every response. It is the same for all, so it is written once."""
    policy = build_policy()

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response[HEADER] = policy
        return response

    return middleware


def current_request_id() -> str:
    """The id of the request or task under way, "" outside of both."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def errors_as_pages(get_response: GetResponse) -> GetResponse:
    """The HTML face of the error family: a page for a visit, a sentence in the toast region for htmx."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_exception(request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, Http404):
            error = NotFound("page.not_found")
        elif isinstance(error, PermissionDenied):
            error = NotAllowed("page.not_allowed", "You may not do this.")
        if not isinstance(error, MeshError):
            return None
        return error_page(request, error)

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware


def error_page(request: HttpRequest, error: MeshError) -> HttpResponse:
    """Render a refusal: who is not signed in is sent to sign in, everyone else reads what happened and what to do."""
    if isinstance(error, NotAuthenticated):
        return redirect_to_login(request.get_full_path())
    context = {"error": error, "request_id": getattr(request, "request_id", "")}
    if wants_partial(request):
        response = render(request, "errors/_toast.html", context, status=error.status)
        response["HX-Retarget"] = "#toasts"
        response["HX-Reswap"] = "beforeend"
        return response
    return render(request, "errors/error.html", context, status=error.status)
