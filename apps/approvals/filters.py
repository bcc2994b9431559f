"""What a list of approvals shows, as one value: read from a query string, printed back to one, applied to the database.

The page, the API, saved views, selections and exports all hold the same object, so that a number, its list and its file
cannot differ (I14).
"""

import dataclasses
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

from babel.numbers import get_currency_precision, list_currencies
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from apps.approvals import filter_text
from apps.approvals.filter_text import LABELS, LONGEST_QUERY, MANY, ONCE, TOO_MUCH, URGENCIES, Problem, Source
from apps.approvals.filter_text import SORTS as SORTS
from apps.approvals.models import Approval
from apps.approvals.queries import approvals_in_view
from apps.approvals.standing import Voter
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.core.ids import parse_uuid
from apps.core.money import AMOUNT, MAX_MINOR

# Where something waits, what is pressing comes first.
WORKED_THROUGH = ("mine", "team", "delegated", "snoozed")
# The one name that is shorter in a URL.
ATTRIBUTES = {"q": "text"}


class Chip(NamedTuple):
    """One condition as the page shows it, and where the list without it is."""

    label: str
    value: str
    url: str


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Conditions that all hold; of several values of one condition any.

    `text` (`q` in a query) looks for each of its words in the columns at hand: slug and name of the agent and the
    process, the policies, an exact amount ("1280.00"), the id of the approval, its subject or its run. The sentence and
    the arguments lie in the vault, where nothing is searched. `process`, `agent`, `team` are slugs, `team` is that of
    the open stage. `amount_min` and `amount_max` are minor units of `currency`; in a query they are decimals. A date
    means its midnight in the reader's zone; `requested_after` counts itself in, `requested_before` does not. `sort` ""
    is the view's own.
    """

    view: str = "mine"
    text: str = ""
    risk: tuple[str, ...] = ()
    process: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    currency: str = ""
    amount_min: int | None = None
    amount_max: int | None = None
    urgency: tuple[str, ...] = ()
    requested_after: dt.date | None = None
    requested_before: dt.date | None = None
    sort: str = ""

    @classmethod
    def parse(cls, source: Source) -> "QueueFilter":
        """From a query string or its parts. Raises Invalid `filter.bad_value` with a pointer to each value that is none
        and each name that is unknown.
        """
        found, problems = cls._read(source, ignores_others=False)
        if problems:
            raise Invalid("filter.bad_value", problems[0]["sentence"], errors=problems)
        return found

    @classmethod
    def lenient(cls, source: Source) -> tuple["QueueFilter", list[Problem]]:
        """For pages: what can be read of it, and what is wrong with the rest. Names it does not know are the page's."""
        return cls._read(source, ignores_others=True)

    @classmethod
    def _read(cls, source: Source, *, ignores_others: bool) -> tuple["QueueFilter", list[Problem]]:
        values, problems = filter_text.read(source, ignores_others=ignores_others)
        found = cls(**{ATTRIBUTES.get(name, name): value for name, value in values.items()})
        if len(str(found)) > LONGEST_QUERY:
            return cls(view=found.view), [filter_text.problem("", TOO_MUCH)]
        return found, problems

    def __str__(self) -> str:
        """The canonical query string; "" for the filter that asks for nothing."""
        return self.url("").removeprefix("?")

    def url(self, base: str, **more: str) -> str:
        """`base` with this filter, and more of the page's own state, as its query."""
        pairs = [(name, self._printed(name, value)) for name, value in self._set()]
        query = urlencode([*pairs, *more.items()])
        return f"{base}?{query}" if query else base

    def apply(self, actor: Actor, *, voter: Voter | None = None) -> QuerySet[Approval]:
        """The rows, of those this actor may see. Not in order yet. `voter` is the actor's own where it is at hand."""
        approvals = approvals_in_view(actor, self.view, voter=voter)
        for condition in self._conditions():
            approvals = approvals.filter(condition)
        return approvals

    def order(self) -> tuple[str, ...]:
        """For `page_of`: total, and the same on every face."""
        return SORTS[self.sort or ("queue" if self.view in WORKED_THROUGH else "newest")]

    def chips(self, base: str) -> list[Chip]:
        """Every condition but the view and the sort, each with the URL of the list without it."""
        return [
            Chip(
                str(LABELS[name]),
                filter_text.shown(name, value, currency=self.currency),
                self._without(name, value).url(base),
            )
            for name, value in self._set()
            if name in LABELS
        ]

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves anything of the view out."""
        return any(name in LABELS for name, _ in self._set())

    def _set(self) -> list[tuple[str, Any]]:
        """Name and value of all that is set, always in the same order; several values of one name one by one."""
        found: list[tuple[str, Any]] = []
        for name in (*ONCE, *MANY):
            value = getattr(self, ATTRIBUTES.get(name, name))
            if value != _UNSET[ATTRIBUTES.get(name, name)]:
                found += [(name, one) for one in value] if name in MANY else [(name, value)]
        return found

    def _printed(self, name: str, value: Any) -> str:
        return filter_text.printed(name, value, currency=self.currency)

    def _without(self, name: str, value: Any) -> "QueueFilter":
        attribute = ATTRIBUTES.get(name, name)
        if name in MANY:
            kept = tuple(one for one in getattr(self, attribute) if one != value)
            return self._with({attribute: kept})
        if name == "currency":  # amounts mean nothing without it
            return self._with({"currency": "", "amount_min": None, "amount_max": None})
        return self._with({attribute: _UNSET[attribute]})

    def _with(self, changes: dict[str, Any]) -> "QueueFilter":
        return dataclasses.replace(self, **changes)

    def _conditions(self) -> list[Q]:
        found = [_word_condition(word) for word in self.text.split()]
        for path, values in (
            ("risk", self.risk),
            ("process__slug", self.process),
            ("agent__slug", self.agent),
            ("open_team__slug", self.team),
            ("state", self.state),
            ("urgency", [URGENCIES[name] for name in self.urgency]),
        ):
            if values:
                found.append(Q(**{f"{path}__in": values}))
        for path, value in (
            ("currency", self.currency or None),
            ("money_minor__gte", self.amount_min),
            ("money_minor__lte", self.amount_max),
            ("requested_at__gte", _moment_of(self.requested_after)),
            ("requested_at__lt", _moment_of(self.requested_before)),
        ):
            if value is not None:
                found.append(Q(**{path: value}))
        return found


_UNSET: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(QueueFilter)}


def _word_condition(word: str) -> Q:
    found = Q(policy_ref__icontains=word)
    for path in ("agent__slug", "agent__name", "process__slug", "process__name"):
        found |= Q(**{f"{path}__icontains": word})
    if (as_id := parse_uuid(word)) is not None:
        found |= Q(id=as_id) | Q(subject_id=as_id) | Q(run_id=as_id)
    amount = word.replace(",", "").lstrip("€$£¥")
    if AMOUNT.fullmatch(amount):
        found |= _amount_condition(Decimal(amount))
    return found


def _amount_condition(amount: Decimal) -> Q:
    """Exactly so much, in whichever currency."""
    found = Q(pk__in=())
    for precision, currencies in _unusual_precisions().items():
        found |= _is_minor(amount.scaleb(precision)) & Q(currency__in=currencies)
    unusual = [code for codes in _unusual_precisions().values() for code in codes]
    return found | (_is_minor(amount.scaleb(2)) & ~Q(currency__in=unusual))


def _is_minor(minor: Decimal) -> Q:
    is_whole = minor == minor.to_integral_value() and abs(minor) <= MAX_MINOR
    return Q(money_minor=int(minor)) if is_whole else Q(pk__in=())


@cache
def _unusual_precisions() -> dict[int, list[str]]:
    """Currencies by their number of decimals, those with two left out."""
    found: dict[int, list[str]] = {}
    for code in sorted(list_currencies()):
        if (precision := get_currency_precision(code)) != 2:
            found.setdefault(precision, []).append(code)
    return found


def _moment_of(day: dt.date | None) -> dt.datetime | None:
    if day is None or isinstance(day, dt.datetime):
        return day
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))


def beside(query: QueryDict, *names: str) -> QueryDict:
    """What stands in the query beside these names, which the caller reads itself."""
    rest = query.copy()
    for name in names:
        rest.pop(name, None)
    return rest
