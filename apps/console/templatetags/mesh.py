"""How values look: money, times, durations, states, icons. Every page uses these, so that one thing has one look."""

import datetime as dt
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, NamedTuple

import lucide as icon_files
from babel.numbers import format_decimal
from django import template
from django.http import HttpRequest
from django.template import Context
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext_lazy, to_locale
from django.utils.translation import gettext as _
from lucide.templatetags.lucide import lucide as draw_icon

from apps.core import clock
from apps.core.money import format_money

register = template.Library()

SECOND = 1.0
MINUTE = 60
MOST_ON_A_BADGE = 1000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# Below this a duration is told in milliseconds, below the next with one decimal.
MILLISECONDS_BELOW = 0.1
DECIMALS_BELOW = 10
# A wait that ends sooner than these is shown as urgent, or as near.
URGENT_SECONDS = HOUR
NEAR_SECONDS = 2 * HOUR
# A number and its unit stay on one line.
GAP = "\N{NO-BREAK SPACE}"


class Look(NamedTuple):
    """How a state is shown: the word, the tone of the tag ("" is neutral) and the shape beside the word."""

    word: Any
    tone: str
    icon: str


STATES: dict[str, Look] = {
    # a tool call, and what was decided on it
    "awaiting_approval": Look(gettext_lazy("Awaiting approval"), "wait", "hourglass"),
    "require_approval": Look(gettext_lazy("Needs approval"), "wait", "hourglass"),
    "queued": Look(gettext_lazy("Queued"), "", "clock"),
    "executing": Look(gettext_lazy("Executing"), "info", "play"),
    "succeeded": Look(gettext_lazy("Succeeded"), "good", "check"),
    "failed": Look(gettext_lazy("Failed"), "bad", "x"),
    "allow": Look(gettext_lazy("Allowed"), "good", "check"),
    "deny": Look(gettext_lazy("Denied"), "bad", "ban"),
    "denied": Look(gettext_lazy("Denied"), "bad", "ban"),
    "rejected": Look(gettext_lazy("Rejected"), "bad", "thumbs-down"),
    "expired": Look(gettext_lazy("Expired"), "", "timer-off"),
    "cancelled": Look(gettext_lazy("Cancelled"), "", "minus"),
    "halted": Look(gettext_lazy("Halted"), "bad", "octagon"),
    "timed_out": Look(gettext_lazy("Out of time"), "bad", "timer-off"),
    "invalidated": Look(gettext_lazy("Invalidated"), "", "file-x"),
    "outcome_unknown": Look(gettext_lazy("Outcome unknown"), "bad", "circle-question-mark"),
    "compensated": Look(gettext_lazy("Compensated"), "", "undo-2"),
    # an approval, a vote
    "pending": Look(gettext_lazy("Waiting"), "wait", "hourglass"),
    "approved": Look(gettext_lazy("Approved"), "good", "check"),
    "approve": Look(gettext_lazy("Approved"), "good", "check"),
    "reject": Look(gettext_lazy("Rejected"), "bad", "thumbs-down"),
    "changes_requested": Look(gettext_lazy("With the agent"), "wait", "reply"),
    "request_changes": Look(gettext_lazy("Asked for changes"), "wait", "message-square-reply"),
    "superseded": Look(gettext_lazy("Replaced"), "", "replace"),
    # two runs, step by step
    "same": Look(gettext_lazy("The same"), "good", "check"),
    "other_arguments": Look(gettext_lazy("Other arguments"), "info", "replace"),
    "other_outcome": Look(gettext_lazy("Other outcome"), "wait", "git-compare"),
    "only_a": Look(gettext_lazy("Only in A"), "", "minus"),
    "only_b": Look(gettext_lazy("Only in B"), "", "plus"),
    # a run, a span
    "open": Look(gettext_lazy("Under way"), "info", "play"),
    "ok": Look(gettext_lazy("Done"), "good", "check"),
    "refused": Look(gettext_lazy("Refused"), "bad", "ban"),
    "error": Look(gettext_lazy("Failed"), "bad", "x"),
    "unknown": Look(gettext_lazy("Outcome unknown"), "bad", "circle-question-mark"),
    # what a person found out
    "happened": Look(gettext_lazy("It happened"), "good", "check"),
    "did_not_happen": Look(gettext_lazy("It did not happen"), "bad", "x"),
    "still_unknown": Look(gettext_lazy("Still unknown"), "wait", "circle-question-mark"),
    # undoing a run, and a step of it
    "running": Look(gettext_lazy("Under way"), "info", "play"),
    "done": Look(gettext_lazy("Done"), "good", "check"),
    "stopped": Look(gettext_lazy("Stopped"), "bad", "octagon"),
    "under_way": Look(gettext_lazy("Under way"), "info", "play"),
    "undone": Look(gettext_lazy("Undone"), "good", "undo-2"),
    "left": Look(gettext_lazy("Left as it is"), "", "minus"),
    # an agent, a halt and its mode
    # a breaker: as tags, since "open" is a run's word too
    "breaker_closed": Look(gettext_lazy("Answers"), "good", "check"),
    "breaker_open": Look(gettext_lazy("Does not answer"), "bad", "unplug"),
    "breaker_half_open": Look(gettext_lazy("Being tried"), "wait", "plug-zap"),
    "breaker_draining": Look(gettext_lazy("Working off what waited"), "info", "play"),
    "enabled": Look(gettext_lazy("Enabled"), "good", "check"),
    "disabled": Look(gettext_lazy("Disabled"), "", "minus"),
    "held": Look(gettext_lazy("Held"), "wait", "circle-pause"),
    "drain": Look(gettext_lazy("Drain"), "wait", "arrow-down-to-line"),
    "hold": Look(gettext_lazy("Hold"), "wait", "circle-pause"),
    "stop": Look(gettext_lazy("Stop"), "bad", "octagon"),
    "in_force": Look(gettext_lazy("In force"), "bad", "octagon"),
    "lifted": Look(gettext_lazy("Lifted"), "", "undo-2"),
}

RISKS = {
    "low": gettext_lazy("Low"),
    "medium": gettext_lazy("Medium"),
    "high": gettext_lazy("High"),
    "critical": gettext_lazy("Critical"),
}


class Step(NamedTuple):
    """How a kind of span is shown: its colour role and its icon."""

    tone: str
    icon: str


STEPS: dict[str, Step] = {
    "agent": Step("", "bot"),
    "model": Step("model", "sparkles"),
    "tool": Step("effect", "wrench"),
    "lookup": Step("", "search"),
    "resolution": Step("policy", "search-check"),
    "decision": Step("policy", "scale"),
    "vote": Step("policy", "user-check"),
    "human_wait": Step("human", "hourglass"),
    "queue": Step("", "clock"),
    "halt": Step("bad", "octagon"),
    "compensation": Step("human", "undo-2"),
    "event": Step("", "radio"),
    "handoff": Step("", "arrow-right-left"),
    "retrieval": Step("", "book-open"),
    "ungoverned": Step("bad", "shield-alert"),
    "other": Step("", "circle"),
    "erasure": Step("", "eraser"),
}


@register.filter
def money(minor: int | None, currency: str) -> str:
    """`{{ call.money_minor|money:call.currency }}` is "€1,280.00"; nothing for no money."""
    if minor is None or not currency:
        return ""
    return format_money(minor, currency, locale=get_language() or "en")


@register.filter
def number(value: float | None) -> str:
    """A count with the reader's thousands: "1,204,881"; nothing for no count."""
    if value is None:
        return ""
    return format_decimal(value, locale=to_locale(get_language() or "en"))


@register.filter
def capped(value: int, most: int) -> str:
    """A count for a badge: "14", and "99+" beyond the most it has room for."""
    return f"{number(most)}+" if value > most else number(value)


@register.filter
def badge(value: int) -> str:
    """A count beside a word that says what is counted: nothing for none, "1,000+" at the most."""
    return capped(value, MOST_ON_A_BADGE) if value else ""


@register.filter
def duration(value: dt.timedelta | float | None) -> str:
    """An exact length from a timedelta or seconds: "3 ms", "3.2 s", "41 s", "25 min 02 s", "1 h 05", "2 d 3 h"."""
    if value is None:
        return ""
    seconds = value.total_seconds() if isinstance(value, dt.timedelta) else float(value)
    seconds = max(seconds, 0.0)
    if seconds < MILLISECONDS_BELOW:
        return f"{round(seconds * 1000)}{GAP}ms"
    if round(seconds, 1) < DECIMALS_BELOW:
        return f"{seconds:.1f}{GAP}s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole}{GAP}s"
    if whole < HOUR:
        return f"{whole // MINUTE}{GAP}min{GAP}{whole % MINUTE:02d}{GAP}s"
    return _hours(whole)


def rough(value: dt.timedelta) -> str:
    """A length of time to act on, not to measure: "41 s", "22 min", "1 h 05", "3 d 4 h"."""
    seconds = int(max(value.total_seconds(), 0))
    if seconds < MINUTE:
        return f"{seconds}{GAP}s"
    if seconds < HOUR:
        return f"{seconds // MINUTE}{GAP}min"
    return _hours(seconds)


def _hours(seconds: int) -> str:
    if seconds < DAY:
        minutes = seconds % HOUR // MINUTE
        return f"{seconds // HOUR}{GAP}h{GAP}{minutes:02d}" if minutes else f"{seconds // HOUR}{GAP}h"
    hours = seconds % DAY // HOUR
    return f"{seconds // DAY}{GAP}d{GAP}{hours}{GAP}h" if hours else f"{seconds // DAY}{GAP}d"


@register.filter
def ago(moment: dt.datetime | None) -> str:
    """How long since: "22 min". The sentence around it says "waited" or "ago"."""
    return "" if moment is None else rough(clock.now() - moment)


@register.filter
def waited(since: dt.datetime) -> str:
    """ "waited 22 min"."""
    return _("waited %(time)s") % {"time": ago(since)}


@register.filter
def due_in(moment: dt.datetime | None) -> str:
    """How long until: "38 min", and "5 min late" after it."""
    if moment is None:
        return ""
    left = moment - clock.now()
    return rough(left) if left > dt.timedelta(0) else _("%(time)s late") % {"time": rough(-left)}


@register.filter
def due_tone(moment: dt.datetime | None) -> str:
    """The tone of a due time: "bad" within the hour or late, "wait" within two, else ""."""
    if moment is None:
        return ""
    left = (moment - clock.now()).total_seconds()
    return "bad" if left < URGENT_SECONDS else "wait" if left < NEAR_SECONDS else ""


def zone_of(moment: dt.datetime) -> str:
    """The abbreviation of an aware moment's zone; "UTC+03" where the zone has only a number."""
    name = moment.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name


@register.simple_tag
def zone() -> str:
    """The reader's zone now, for a column head: "CET"."""
    return zone_of(timezone.localtime(clock.now()))


@register.simple_tag
def when(moment: dt.datetime | None, style: str = "auto") -> str:
    """A moment in the reader's zone, UTC on hover.

    style: auto (time, with its date when not today) · time · seconds · precise (milliseconds) · date · full · bare
    (with seconds and without the zone, under a head that names it).
    """
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    today = timezone.localtime(clock.now()).date()
    day = date_format(local, "j M" if local.year == today.year else "j M Y")
    clock_face = {
        "seconds": f"{local:%H:%M:%S}",
        "bare": f"{local:%H:%M:%S}",
        "precise": f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}",
        "full": f"{local:%H:%M:%S}",
        "date": "",
    }.get(style, f"{local:%H:%M}")
    shows_day = style in ("date", "full") or (style in ("auto", "bare") and local.date() != today)
    words = [day] * shows_day + [clock_face] * bool(clock_face)
    if style not in ("bare", "date"):
        words.append(zone_of(local))
    in_utc = moment.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        in_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        f"{in_utc:%Y-%m-%d %H:%M:%S} UTC",
        GAP.join(words),
    )


@lru_cache(maxsize=512)
def _icon(name: str, size: str) -> SafeString:
    svg = draw_icon(
        str(name),
        size=None,
        aria_hidden="true",
        focusable="false",
        stroke_width="1.75",
        **{"class": f"icon icon--{size}"},
    )
    return mark_safe(svg)  # noqa: S308  our own icon files, and two words from our own templates


@register.simple_tag
def icon(name: str, size: str = "medium") -> SafeString:
    """A lucide icon, drawn for the eye only: the words beside it name it. size: small, medium, large."""
    try:
        return _icon(str(name), size)
    except icon_files.IconDoesNotExist:
        return _icon("circle", size)


@register.simple_tag
def part(template_name: str, **values: Hashable) -> SafeString:
    """A part of a page that shows nothing but these few values: drawn once in each language, and remembered. For what
    stands in every row of a list.
    """
    return _part(template_name, get_language() or "", tuple(values.items()))


@lru_cache(maxsize=2048)
def _part(template_name: str, language: str, values: tuple[tuple[str, Hashable], ...]) -> SafeString:
    return render_to_string(template_name, dict(values))


@register.filter
def initials(name: str) -> str:
    """ "Dana Ruiz" is "DR", "o2c-writer" is "OW", "Dana" is "D"."""
    words = [word for word in str(name).replace("-", " ").replace("_", " ").split() if word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: Any) -> str:
    """This page's query string with changes, for an href: `{% query view="all" after=None %}`. None removes."""
    request: HttpRequest = context["request"]
    params = request.GET.copy()
    for name, value in changes.items():
        if value is None:
            params.pop(name, None)
        else:
            params[name] = str(value)
    return f"?{params.urlencode()}" if params else request.path


@register.filter
def risk_label(level: str) -> str:
    """The word of a risk level."""
    return str(RISKS.get(str(level), level))


@register.filter
def state_look(state: str) -> Look:
    """Word, tone and icon of a state, decision, vote or halt mode; an unknown one shows as it is."""
    return STATES.get(str(state)) or Look(str(state).replace("_", " ").capitalize(), "", "circle")


@register.filter
def breaker_state(state: str) -> str:
    """The name of a breaker's state among all states."""
    return f"breaker_{state}"


@register.filter
def step_look(kind: str) -> Step:
    """Tone and icon of a kind of span."""
    return STEPS.get(str(kind), Step("", "circle"))


@register.filter
def percent(share: float) -> str:
    """0–100 as an SVG length: "12.4%", whatever the reader's locale writes for decimals."""
    return f"{max(0.0, min(100.0, float(share))):.3f}".rstrip("0").rstrip(".") + "%"
