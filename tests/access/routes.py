"""Every URL the resolver knows."""

from collections.abc import Iterator
from typing import Any

from django.urls import get_resolver


def all_routes() -> set[str]:
    """Each route as its patterns spell it, without a leading slash: `inbox/<uuid:approval_id>/`."""
    return set(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[Any], before: str) -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield route
