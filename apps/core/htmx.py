"""Page or part: one URL answers a browser with the page and htmx with the part of it that changed."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

VARY = ("HX-Request", "HX-Boosted", "HX-History-Restore-Request")


def wants_partial(request: HttpRequest) -> bool:
    """True when htmx asks for a part; a boosted link or a restored history entry needs the whole page."""
    htmx = getattr(request, "htmx", None)
    if not htmx:  # a refusal may come before the middleware that sets it
        return False
    return not htmx.boosted and not htmx.history_restore_request


def page_or_part(
    request: HttpRequest, page: str, part: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render `part` for htmx and `page`, which includes it, for everyone else."""
    response = render(request, part if wants_partial(request) else page, context, status=status)
    patch_vary_headers(response, VARY)
    return response


def unchanged() -> HttpResponse:
    """204: htmx leaves the page alone. (A 304 would not: the browser hides it and htmx swaps the cached answer.)"""
    return HttpResponse(status=204)
