"""The words of a filter: which names a query may hold, what their values must look like, how each is printed again."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from babel.numbers import get_currency_precision, is_currency
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

from apps.approvals.models import ApprovalState, Risk, Urgency
from apps.approvals.queries import QUEUE_ORDER, VIEWS
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.core.paging import NEWEST_FIRST

# What a saved view and a selection keep of it.
LONGEST_QUERY = 1000
LONGEST_SOURCE = 10_000
LONGEST_TEXT = 200
MOST_WORDS = 8
MOST_CHOICES = 50
TOO_MUCH = "There are more conditions than a filter can hold."

SLUG = re.compile(r"[A-Za-z0-9_-]{1,50}")
URGENCIES = {urgency.name.lower(): urgency for urgency in Urgency}
SORTS = {
    "queue": QUEUE_ORDER,
    "newest": NEWEST_FIRST,
    "oldest": ("id",),
    "amount": ("-size", "-id"),
    "due": ("expires_at", "id"),
}

Source = str | Mapping[str, Any]
Problem = dict[str, str]


def _one_of(choices: Iterable[str]) -> Callable[[str], str]:
    allowed = tuple(choices)

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"is one of {', '.join(allowed)}.")
        return text

    return read


def _text(text: str) -> str:
    words = text.split()
    if len(text) > LONGEST_TEXT or len(words) > MOST_WORDS:
        raise ValueError(f"holds at most {MOST_WORDS} words and {LONGEST_TEXT} characters.")
    return " ".join(words)


def _slug(text: str) -> str:
    if not SLUG.fullmatch(text):
        raise ValueError("is a slug: letters, digits, hyphens.")
    return text


def _currency(text: str) -> str:
    if not is_currency(text):
        raise ValueError("is an ISO 4217 code such as EUR.")
    return text


def _moment(text: str) -> dt.date:
    """A day as such, a moment in UTC."""
    try:
        found = parse_datetime(text) if len(text) > len("2026-01-31") else parse_date(text)
        if isinstance(found, dt.datetime):
            found = None if timezone.is_naive(found) else found.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise ValueError("is a date such as 2026-01-31, or a time with its zone such as 2026-01-31T14:00:00Z.")
    return found


AMOUNTS = ("amount_min", "amount_max")
# Names that stand once, and those that may stand several times, each with what reads its value.
ONCE: dict[str, Callable[[str], Any]] = {
    "view": _one_of(VIEWS),
    "q": _text,
    "currency": _currency,
    "amount_min": str,
    "amount_max": str,
    "requested_after": _moment,
    "requested_before": _moment,
    "sort": _one_of(SORTS),
}
MANY: dict[str, Callable[[str], str]] = {
    "risk": _one_of(Risk.values),
    "process": _slug,
    "agent": _slug,
    "team": _slug,
    "state": _one_of(ApprovalState.values),
    "urgency": _one_of(URGENCIES),
}
LABELS: dict[str, Any] = {
    "q": _("Text"),
    "currency": _("Currency"),
    "amount_min": _("From"),
    "amount_max": _("Up to"),
    "requested_after": _("Asked since"),
    "requested_before": _("Asked before"),
    "risk": _("Risk"),
    "process": _("Process"),
    "agent": _("Agent"),
    "team": _("Waits for"),
    "state": _("State"),
    "urgency": _("Urgency"),
}


def read(source: Source, *, ignores_others: bool) -> tuple[dict[str, Any], list[Problem]]:
    """Values by name, and a problem for each that is none. A name that is no filter is a problem too, or ignored."""
    try:
        texts = _texts_of(source)
    except ValueError as error:
        return {}, [problem("", str(error))]
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, given in texts.items():
        if name in ONCE or name in MANY:
            try:
                values[name] = _value_of(name, given)
            except ValueError as error:
                problems.append(problem(name, f"{name} {error}"))
        elif not ignores_others:
            problems.append(problem(name, f"{name[:40]!r} is nothing one can filter by."))
    return values, problems + _read_amounts(values)


def problem(name: str, sentence: str) -> Problem:
    return {"pointer": f"/{name[:40]}" if name else "", "sentence": sentence}


def printed(name: str, value: Any, *, currency: str) -> str:
    """The text that reads as this value."""
    if name in AMOUNTS:
        precision = get_currency_precision(currency)
        return f"{Decimal(value).scaleb(-precision):.{precision}f}"
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def shown(name: str, value: Any, *, currency: str) -> str:
    """The value in the words of the page."""
    if name in AMOUNTS:
        return str(Money(value, currency))
    if name == "urgency":
        return str(URGENCIES[value].label)
    choices = {"risk": Risk, "state": ApprovalState}.get(name)
    return str(choices(value).label) if choices else printed(name, value, currency=currency)


def _texts_of(source: Source) -> dict[str, list[str]]:
    """Texts by name, blank ones left out. Raises ValueError with a sentence when there is too much of it."""
    pairs = list(_pairs_of(source))
    if sum(len(name) + len(text) for name, text in pairs) > LONGEST_SOURCE:
        raise ValueError(TOO_MUCH)
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        if text.strip():
            texts.setdefault(name, []).append(text.strip())
    return texts


def _pairs_of(source: Source) -> Iterable[tuple[str, str]]:
    if isinstance(source, str):
        if len(source) > LONGEST_SOURCE:
            raise ValueError(TOO_MUCH)
        return parse_qsl(source.removeprefix("?"))
    # a QueryDict tells all values of a name only through `lists`
    given = source.lists() if hasattr(source, "lists") else source.items()
    return [(name, str(text)) for name, texts in given for text in _listed(texts)]


def _listed(texts: Any) -> Sequence[Any]:
    return texts if isinstance(texts, list | tuple) else [texts]


def _value_of(name: str, given: list[str]) -> Any:
    if any("\0" in text for text in given):
        raise ValueError("holds a character that no text has.")
    if name in ONCE:
        if len(given) > 1:
            raise ValueError("is given more than once.")
        return ONCE[name](given[0])
    if len(given) > MOST_CHOICES:
        raise ValueError(f"has at most {MOST_CHOICES} values.")
    return tuple(dict.fromkeys(MANY[name](text) for text in given))


def _read_amounts(values: dict[str, Any]) -> list[Problem]:
    """Put minor units in the place of the texts: how many decimals there are only the currency tells."""
    problems = []
    for name in AMOUNTS:
        if (text := values.pop(name, None)) is None:
            continue
        if "currency" not in values:
            problems.append(problem(name, "An amount needs a currency."))
            continue
        try:
            values[name] = Money.parse(text, values["currency"]).minor
        except Invalid as error:
            problems.append(problem(name, error.sentence))
    return problems
