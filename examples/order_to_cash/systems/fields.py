"""Reads fields of request bodies and query strings, refusing what does not fit with the field's name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from examples.order_to_cash.money import CURRENCIES, minor_from_text

IDENTIFIER = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"
INVOICE_NUMBER = r"INV-[0-9]+"
LONGEST_TEXT = 4000
LARGEST_PAGE = 500
DEFAULT_PAGE = 100


class Refusal(Exception):
    """A request that is answered with a 4xx: a stable code and a sentence for whoever sent it."""

    def __init__(self, status: int, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.document = {"code": code, "detail": detail} | ({"field": field} if field else {})


def invalid(field: str, problem: str) -> Refusal:
    return Refusal(422, "invalid_field", f"{field} {problem}", field)


def body_object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_body", "the body must be a JSON object")
    return body


def text(source: Mapping[str, Any], name: str, pattern: str | None = None) -> str:
    value = source.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT:
        raise invalid(name, f"must be a text of 1 to {LONGEST_TEXT} characters")
    if pattern and not re.fullmatch(pattern, value):
        raise invalid(name, f"does not look like {pattern}")
    return value


def optional_text(source: Mapping[str, Any], name: str) -> str | None:
    return None if source.get(name) is None else text(source, name)


def choice(source: Mapping[str, Any], name: str, allowed: Collection[str]) -> str:
    value = source.get(name)
    if value not in allowed:
        raise invalid(name, f"must be one of {', '.join(allowed)}")
    return str(value)


def amount_minor(source: Mapping[str, Any], name: str = "amount") -> int:
    try:
        minor = minor_from_text(text(source, name))
    except ValueError as problem:
        raise invalid(name, str(problem)) from None
    if minor <= 0:
        raise invalid(name, "must be more than zero")
    return minor


def currency(source: Mapping[str, Any]) -> str:
    return choice(source, "currency", CURRENCIES)


def day(source: Mapping[str, Any], name: str) -> str:
    value = text(source, name)
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise invalid(name, "must be a date such as 2026-02-25") from None


def whole_number(source: Mapping[str, Any], name: str, *, default: int, largest: int) -> int:
    """A number from JSON or from a query string, where it comes as text."""
    value = source.get(name, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise invalid(name, "must be a whole number") from None
    if not 0 <= number <= largest:
        raise invalid(name, f"must be from 0 to {largest}")
    return number


def page_size(query: Mapping[str, str]) -> int:
    return max(1, whole_number(query, "limit", default=DEFAULT_PAGE, largest=LARGEST_PAGE))


def cursor(query: Mapping[str, str]) -> int:
    """The number of the last row already seen."""
    return whole_number(query, "after", default=0, largest=2**53)
