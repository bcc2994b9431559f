"""Keyset paging: page 1,000 costs what page 1 costs, and rows never shift under the reader."""

import base64
import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Field, GeneratedField, Model, Q, QuerySet

from apps.core.errors import Invalid

M = TypeVar("M", bound=Model)

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
NEWEST_FIRST = ("-id",)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """`items` of one page and the opaque cursor of the next, None at the end."""

    items: list[M]
    next: str | None


def page_of(
    rows: QuerySet[M], *, cursor: str | None, size: int = PAGE_SIZE, order: tuple[str, ...] = NEWEST_FIRST
) -> Page[M]:
    """One page of `rows` in `order` (all ascending or all descending, ending in a unique column) after `cursor`.

    Raises Invalid on a cursor that was not made for this order.
    """
    rows = rows.order_by(*order)
    if cursor:
        rows = rows.filter(_after(order, _decode(cursor, order, rows.model)))
    items = list(rows[: size + 1])
    if len(items) <= size:
        return Page(items=items, next=None)
    items = items[:size]
    return Page(items=items, next=_encode([getattr(items[-1], column.lstrip("-")) for column in order]))


def page_size(text: str | None) -> int:
    """The `limit` a caller asked for, between 1 and MAX_PAGE_SIZE. Raises Invalid on anything else."""
    if not text:
        return PAGE_SIZE
    if not text.isascii() or not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= MAX_PAGE_SIZE:
        raise Invalid("page.bad_limit", f"limit must be a whole number from 1 to {MAX_PAGE_SIZE}.")
    return int(text)


def _after(order: tuple[str, ...], values: list[Any]) -> Q:
    """(a, b) after (x, y), spelled so that an index on both columns serves it."""
    condition = Q(pk__in=[])
    equal = Q()
    for column, value in zip(order, values, strict=True):
        name = column.lstrip("-")
        condition |= equal & Q(**{f"{name}__{'lt' if column.startswith('-') else 'gt'}": value})
        equal &= Q(**{name: value})
    return condition


def _encode(values: list[Any]) -> str:
    texts = [value.isoformat() if isinstance(value, dt.datetime) else str(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def _decode(cursor: str, order: tuple[str, ...], model: type[Model]) -> list[Any]:
    """The values of a cursor, each of its column's type."""
    try:
        texts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        values = [
            _column(model, column).to_python(text)
            for column, text in zip(order, texts, strict=True)
            if isinstance(text, str)
        ]
    except (ValueError, TypeError, RecursionError, ValidationError):
        values = []
    if len(values) != len(order) or None in values or any(_is_naive(value) for value in values):
        raise Invalid("page.bad_cursor", "That cursor was not made here.")
    return values


def _is_naive(value: Any) -> bool:
    return isinstance(value, dt.datetime) and value.tzinfo is None


def _column(model: type[Model], name: str) -> "Field[Any, Any]":
    field: Any = model._meta.get_field(name.lstrip("-"))
    if isinstance(field, GeneratedField):  # which knows nothing of its values
        field = field.output_field
    if not isinstance(field, Field):
        raise TypeError(f"{name} is no column")
    return field
