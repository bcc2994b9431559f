"""Working time: what the calendar of a process counts, and what it never counts."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.approvals.models import ConsentRules
from apps.approvals.worktime import (
    WorkCalendar,
    add_working_time,
    calendar_for,
    milestones,
    public_holidays,
    working_seconds_between,
)
from apps.core.errors import Invalid
from apps.registry.models import Process

BERLIN = ZoneInfo("Europe/Berlin")
NINE_TO_FIVE = {"starts": dt.time(9), "ends": dt.time(17)}
HOUR = 3600
WORKING_DAY = 8 * HOUR


def bavaria(**changed: object) -> WorkCalendar:
    """Monday to Friday, 9 to 17, in Munich."""
    known = {"zone": BERLIN, "days": frozenset(range(5)), "holidays": "DE-BY", **NINE_TO_FIVE, **changed}
    return WorkCalendar(**known)  # type: ignore[arg-type]


def berlin(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=BERLIN)


# --- named days -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        pytest.param("2026-07-29 10:00", 3, "2026-07-29 13:00", id="within a day"),
        pytest.param("2026-07-31 16:30", 2, "2026-08-03 10:30", id="Friday half past four and two hours is Monday"),
        pytest.param("2026-08-01 12:00", 1, "2026-08-03 10:00", id="asked on a Saturday"),
        pytest.param("2026-07-29 06:00", 1, "2026-07-29 10:00", id="asked before work starts"),
        pytest.param("2026-07-29 20:00", 1, "2026-07-30 10:00", id="asked after work has ended"),
        pytest.param("2026-07-29 09:00", 8, "2026-07-29 17:00", id="a whole day ends with that day"),
        pytest.param("2026-12-24 16:00", 2, "2026-12-28 10:00", id="over Christmas and a weekend"),
        pytest.param("2026-01-05 16:00", 2, "2026-01-07 10:00", id="Epiphany, a holiday in Bavaria"),
        pytest.param("2026-10-23 09:00", 16, "2026-10-26 17:00", id="over the night the clocks go back"),
        pytest.param("2026-03-27 09:00", 16, "2026-03-30 17:00", id="over the night the clocks go forward"),
    ],
)
def test_working_time_is_counted_in_working_hours(start: str, hours: int, end: str) -> None:
    assert add_working_time(berlin(start), hours * HOUR, bavaria()) == berlin(end)
    assert working_seconds_between(berlin(start), berlin(end), bavaria()) == hours * HOUR


def test_a_holiday_of_one_part_is_a_working_day_of_another() -> None:
    epiphany = berlin("2026-01-05 16:00"), 2 * HOUR
    assert add_working_time(*epiphany, bavaria(holidays="DE-BE")) == berlin("2026-01-06 10:00")
    assert add_working_time(*epiphany, bavaria(holidays="")) == berlin("2026-01-06 10:00")


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_working_day_has_eight_hours_also_when_the_clocks_change(day: str) -> None:
    every_day = bavaria(days=frozenset(range(7)), holidays="")
    opens = berlin(f"{day} 09:00")
    assert working_seconds_between(opens - dt.timedelta(hours=9), opens + dt.timedelta(hours=12), every_day) == 8 * HOUR
    assert add_working_time(opens, WORKING_DAY, every_day) == berlin(f"{day} 17:00")


def test_a_holiday_that_moves_into_the_year_before_is_one() -> None:
    new_york = bavaria(zone=ZoneInfo("America/New_York"), holidays="US")
    last_day = dt.datetime(2021, 12, 31, 12, tzinfo=ZoneInfo("America/New_York"))
    assert working_seconds_between(last_day, last_day + dt.timedelta(hours=12), new_york) == 0


def test_a_night_shift_over_the_hour_that_is_missing_has_none() -> None:
    night = bavaria(days=frozenset(range(7)), starts=dt.time(2), ends=dt.time(3), holidays="")
    midnight = dt.datetime(2026, 3, 29, tzinfo=BERLIN)
    assert working_seconds_between(midnight, midnight + dt.timedelta(hours=12), night) == 0


# --- properties -------------------------------------------------------------------------------------------------------

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]
CODES = ["", "DE", "DE-BY", "US", "JP"]


@st.composite
def calendars(draw: st.DrawFn) -> WorkCalendar:
    first, last = sorted(draw(st.lists(st.integers(0, 24 * 60 - 1), min_size=2, max_size=2, unique=True)))
    return WorkCalendar(
        zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        days=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        starts=dt.time(first // 60, first % 60),
        ends=dt.time(last // 60, last % 60),
        holidays=draw(st.sampled_from(CODES)),
    )


moments = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2035, 1, 1), timezones=st.just(dt.UTC))
spans = st.integers(0, 20 * HOUR)
# the first look at a country's holidays takes longer than hypothesis grants an example
patient = settings(max_examples=300, deadline=None)


@patient
@given(calendars(), moments, spans, spans)
def test_adding_one_span_and_then_another_is_adding_both(
    calendar: WorkCalendar, start: dt.datetime, one: int, other: int
) -> None:
    try:
        at_once = add_working_time(start, one + other, calendar)
    except Invalid as refusal:
        assert refusal.code == "rules.sla_too_long"
        return
    assert add_working_time(add_working_time(start, one, calendar), other, calendar) == at_once


@patient
@given(calendars(), moments, st.integers(0, 4 * HOUR))
def test_what_was_added_is_what_lies_between(calendar: WorkCalendar, start: dt.datetime, seconds: int) -> None:
    try:
        end = add_working_time(start, seconds, calendar)
    except Invalid as refusal:
        assert refusal.code == "rules.sla_too_long"
        return
    assert working_seconds_between(start, end, calendar) == seconds
    assert working_seconds_between(end, start, calendar) == 0


@patient
@given(calendars(), moments, moments, st.integers(0, 4 * HOUR), st.integers(0, 4 * HOUR))
def test_later_or_longer_is_never_earlier(
    calendar: WorkCalendar, one: dt.datetime, other: dt.datetime, short: int, more: int
) -> None:
    first, second = sorted([one, other])
    try:
        assert first <= add_working_time(first, short, calendar) <= add_working_time(second, short + more, calendar)
    except Invalid as refusal:
        assert refusal.code == "rules.sla_too_long"


@patient
@given(calendars(), moments, moments, moments)
def test_the_parts_of_a_span_are_the_whole(
    calendar: WorkCalendar, one: dt.datetime, other: dt.datetime, third: dt.datetime
) -> None:
    a, b, c = sorted([one, other, third])
    a, c = max(a, b - dt.timedelta(days=40)), min(c, b + dt.timedelta(days=40))
    halves = working_seconds_between(a, b, calendar) + working_seconds_between(b, c, calendar)
    assert halves == pytest.approx(working_seconds_between(a, c, calendar))


@patient
@given(calendars(), moments, spans, st.integers(0, 30 * 24 * HOUR))
def test_nothing_is_later_than_the_latest(
    calendar: WorkCalendar, start: dt.datetime, seconds: int, expires_seconds: int
) -> None:
    expires_at = start + dt.timedelta(seconds=expires_seconds)
    assert start <= add_working_time(start, seconds, calendar, latest=expires_at) <= expires_at


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["XX", "DE-XX", "DE-", "de-by", "HolidayBase", "-", "Berlin"])
def test_unknown_holidays_are_refused(code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        bavaria(holidays=code)
    assert refusal.value.code == "rules.unknown_holidays"
    assert code in refusal.value.sentence


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"days": frozenset()}, "rules.no_working_days"),
        ({"days": frozenset({7})}, "rules.no_working_days"),
        ({"starts": dt.time(22), "ends": dt.time(6)}, "rules.no_working_hours"),
        ({"starts": dt.time(9), "ends": dt.time(9)}, "rules.no_working_hours"),
    ],
)
def test_a_calendar_on_which_nobody_works_is_refused(changed: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        bavaria(**changed)
    assert refusal.value.code == code


def test_time_that_is_never_over_is_refused_and_does_not_hang() -> None:
    one_minute_a_week = bavaria(days=frozenset({0}), starts=dt.time(9), ends=dt.time(9, 1))
    with pytest.raises(Invalid) as refusal:
        add_working_time(berlin("2026-07-29 10:00"), 2**31, one_minute_a_week)
    assert refusal.value.code == "rules.sla_too_long"


def test_a_holiday_calendar_is_read_once_per_year() -> None:
    assert public_holidays("DE-BY", 2026) is public_holidays("DE-BY", 2026)
    assert dt.date(2026, 1, 6) in public_holidays("DE-BY", 2026)


# --- an approval's milestones -----------------------------------------------------------------------------------------

ORDER_TO_CASH = Process(slug="order-to-cash", name="Order to cash", time_zone="Europe/Berlin")


def test_milestones_without_an_sla_are_parts_of_the_time_until_it_expires() -> None:
    now = berlin("2026-07-31 16:00")
    assert milestones(now, ORDER_TO_CASH, ConsentRules(), now + dt.timedelta(hours=10)) == [
        now + dt.timedelta(hours=5),
        now + dt.timedelta(hours=9),
        now + dt.timedelta(hours=10),
    ]


def test_milestones_of_an_sla_are_parts_of_its_working_time() -> None:
    now = berlin("2026-07-31 16:00")
    rules = ConsentRules(sla_seconds=4 * HOUR, holidays="DE-BY")
    assert milestones(now, ORDER_TO_CASH, rules, now + dt.timedelta(days=7)) == [
        berlin("2026-08-03 10:00"),
        berlin("2026-08-03 11:36"),
        berlin("2026-08-03 12:00"),
    ]


def test_milestones_are_never_after_the_expiry() -> None:
    now = berlin("2026-07-31 16:00")
    expires_at = now + dt.timedelta(hours=8)
    rules = ConsentRules(sla_seconds=2**31 - 1, holidays="DE-BY")
    assert milestones(now, ORDER_TO_CASH, rules, expires_at) == [expires_at] * 3


def test_a_process_in_no_known_time_zone_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        calendar_for(Process(time_zone="Europe/Atlantis"), ConsentRules())
    assert refusal.value.code == "rules.unknown_time_zone"
