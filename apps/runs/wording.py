"""How lengths of time, amounts and lists read in a sentence."""

import datetime as dt
from collections.abc import Iterable, Sequence

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from apps.core.money import Money, format_money

MINUTE, HOUR, DAY = 60, 3600, 86_400
# Below it nobody waited.
AT_ONCE_BELOW = 2.0


def length(seconds: float) -> str:
    """In words, two units at most: "40 seconds", "25 minutes", "2 hours and 5 minutes", "3 days and 4 hours"."""
    if seconds < 1:
        return _("less than a second")
    whole = round(seconds)
    if whole < 2 * MINUTE:
        return ngettext("%(n)s second", "%(n)s seconds", whole) % {"n": whole}
    if whole < HOUR:
        minutes = round(whole / MINUTE)
        return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes}
    if whole < DAY:
        hours, rest = divmod(round(whole / MINUTE), 60)
        words = ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}
        return enumerated([words, *([ngettext("%(n)s minute", "%(n)s minutes", rest) % {"n": rest}] if rest else [])])
    days, rest = divmod(round(whole / HOUR), 24)
    words = ngettext("%(n)s day", "%(n)s days", days) % {"n": days}
    return enumerated([words, *([ngettext("%(n)s hour", "%(n)s hours", rest) % {"n": rest}] if rest else [])])


def between(earlier: dt.datetime, later: dt.datetime) -> str:
    return length((later - earlier).total_seconds())


def is_wait(earlier: dt.datetime, later: dt.datetime) -> bool:
    """Whether so much time passed that a person would speak of it."""
    return (later - earlier).total_seconds() >= AT_ONCE_BELOW


def enumerated(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return _("%(first)s and %(last)s") % {"first": ", ".join(words[:-1]), "last": words[-1]}


def amounts(moneys: Iterable[Money]) -> str:
    """Each currency on its own: "€380.00 and $20.00"; "" for none."""
    return enumerated([amount(money) for money in moneys])


def amount(money: Money) -> str:
    return format_money(money.minor, money.currency, locale=get_language() or "en")


def sums(moneys: Iterable[Money | None]) -> tuple[Money, ...]:
    """One sum for each currency, in the order of the codes."""
    totals: dict[str, int] = {}
    for money in moneys:
        if money is not None:
            totals[money.currency] = totals.get(money.currency, 0) + money.minor
    return tuple(Money(minor, currency) for currency, minor in sorted(totals.items()))
