"""Keyset paging over UUIDv7 or sequence keys, newest first: page 1,000 costs what page 1 costs and rows never shift under the reader."""

import base64
import binascii
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

from apps.core.errors import Invalid

M = TypeVar("M", bound=Model)

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """`items` of one page and the opaque cursor of the next, None at the end."""

    items: list[M]
    next: str | None


def page_of(rows: QuerySet[M], *, cursor: str | None, size: int = PAGE_SIZE, key: str = "pk") -> Page[M]:
    """One page of `rows`, ordered by `key` descending, starting after `cursor`. Raises Invalid on a cursor that is not ours."""
    rows = rows.order_by(f"-{key}")
    if cursor:
        rows = rows.filter(**{f"{key}__lt": _decode(cursor)})
    items = list(rows[: size + 1])
    if len(items) <= size:
        return Page(items=items, next=None)
    items = items[:size]
    return Page(items=items, next=_encode(str(getattr(items[-1], key))))


def page_size(text: str | None) -> int:
    """The `limit` a caller asked for, between 1 and MAX_PAGE_SIZE. Raises Invalid on anything else."""
    if not text:
        return PAGE_SIZE
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MAX_PAGE_SIZE:
        raise Invalid("page.bad_limit", f"limit must be a whole number from 1 to {MAX_PAGE_SIZE}.")
    return int(text)


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        key = ""
    if not key or not all(c in "0123456789abcdef-" for c in key) or len(key) > 36 or not (key.isdigit() or len(key) == 36):
        raise Invalid("page.bad_cursor", "That cursor was not made here.")
    return key
