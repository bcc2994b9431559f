"""One thing has one look: money, times, durations, states."""

import datetime as dt
import zoneinfo
from collections.abc import Iterator

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone, translation

from apps.console.templatetags import mesh
from apps.core import clock

NOW = dt.datetime(2026, 11, 20, 13, 2, 7, 113_000, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def afternoon_in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    with timezone.override(zoneinfo.ZoneInfo("Europe/Berlin")), translation.override("en"):
        yield


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [(128_000, "EUR", "€1,280.00"), (-5, "USD", "-$0.05"), (1_280, "JPY", "¥1,280"), (None, "EUR", ""), (5, "", "")],
)
def test_money_has_the_decimals_of_its_currency(minor: int | None, currency: str, shown: str) -> None:
    assert mesh.money(minor, currency) == shown


def test_numbers_have_the_readers_thousands() -> None:
    assert mesh.number(1_204_881) == "1,204,881"
    assert mesh.number(None) == ""
    with translation.override("de"):
        assert mesh.number(1_204_881) == "1.204.881"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.003, "3 ms"),
        (0.2, "0.2 s"),
        (9.96, "10 s"),
        (41, "41 s"),
        (59.6, "1 min 00 s"),
        (1502, "25 min 02 s"),
        (3900, "1 h 05"),
        (7200, "2 h"),
        (183_600, "2 d 3 h"),
        (-1, "0 ms"),
    ],
)
def test_durations_are_as_exact_as_they_are_short(seconds: float, shown: str) -> None:
    assert plain(mesh.duration(seconds)) == shown
    assert plain(mesh.duration(dt.timedelta(seconds=seconds))) == shown


def test_waits_count_from_and_to_now() -> None:
    assert plain(mesh.ago(NOW - dt.timedelta(minutes=22))) == "22 min"
    assert plain(mesh.due_in(NOW + dt.timedelta(minutes=65))) == "1 h 05"
    assert plain(mesh.due_in(NOW - dt.timedelta(minutes=5))) == "5 min late"
    assert mesh.ago(None) == mesh.due_in(None) == mesh.due_tone(None) == ""


@pytest.mark.parametrize(("minutes", "tone"), [(-5, "bad"), (38, "bad"), (70, "wait"), (180, "")])
def test_what_is_due_soon_is_marked(minutes: int, tone: str) -> None:
    assert mesh.due_tone(NOW + dt.timedelta(minutes=minutes)) == tone


@pytest.mark.parametrize(
    ("style", "shown"),
    [
        ("auto", "14:02 CET"),
        ("seconds", "14:02:07 CET"),
        ("precise", "14:02:07.113 CET"),
        ("bare", "14:02:07"),
        ("date", "20 Nov"),
        ("full", "20 Nov 14:02:07 CET"),
    ],
)
def test_times_are_the_readers_with_utc_on_hover(style: str, shown: str) -> None:
    html = plain(mesh.when(NOW, style))
    assert f">{shown}</time>" in html
    assert 'datetime="2026-11-20T13:02:07.113Z"' in html
    assert 'title="2026-11-20 13:02:07 UTC"' in html


def test_another_day_and_another_year_say_so() -> None:
    assert ">19 Nov 14:02 CET<" in plain(mesh.when(NOW - dt.timedelta(days=1)))
    assert ">20 Nov 2025 14:02 CET<" in plain(mesh.when(NOW - dt.timedelta(days=365)))
    assert mesh.when(None) == ""


def test_a_zone_without_a_name_shows_its_number() -> None:
    with timezone.override(zoneinfo.ZoneInfo("America/Sao_Paulo")):
        assert mesh.zone() == "UTC-03"


@pytest.mark.parametrize(
    ("name", "shown"), [("Dana Ruiz", "DR"), ("dana", "D"), ("o2c-writer", "OW"), ("Ana de la Cruz", "AC"), ("", "")]
)
def test_initials(name: str, shown: str) -> None:
    assert mesh.initials(name) == shown


def test_query_changes_one_thing_and_keeps_the_rest() -> None:
    context = Context({"request": RequestFactory().get("/inbox/", {"view": "team", "after": "abc"})})
    assert mesh.query(context, view="all", after=None) == "?view=all"
    assert mesh.query(context, view=None, after=None) == "/inbox/"


def test_every_state_and_step_has_an_icon_that_exists() -> None:
    for look in [*mesh.STATES.values(), *mesh.STEPS.values()]:
        assert "<svg" in mesh._icon(look.icon, "small")


def test_an_unknown_state_still_has_a_word() -> None:
    assert mesh.state_look("half_open") == mesh.Look("Half open", "", "circle")


def test_icons_are_for_the_eye_only() -> None:
    html = mesh.icon("inbox")
    assert 'aria-hidden="true"' in html
    assert 'class="icon icon--medium"' in html
    assert mesh.icon("no-such-icon") == mesh.icon("circle")


@pytest.mark.parametrize(
    ("share", "length"), [(12.4, "12.4%"), (0, "0%"), (100, "100%"), (-3, "0%"), (1 / 3, "0.333%")]
)
def test_percent_is_an_svg_length_in_every_language(share: float, length: str) -> None:
    with translation.override("de"):
        assert mesh.percent(share) == length


def test_text_is_escaped_wherever_it_is_shown() -> None:
    page = Template('{% include "ui/_state.html" with state=word %}{% include "ui/_risk.html" with level=word %}')
    html = page.render(Context({"word": "<script>"}))
    assert "<script" not in html.lower()
