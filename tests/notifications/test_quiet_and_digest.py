"""When people are told: not in their quiet hours, and once an hour of theirs for what goes into the digest."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from apps.accounts.models import User
from apps.approvals import services as approvals
from apps.approvals.models import Approval, Urgency
from apps.approvals.services.oversight import escalate
from apps.core import clock
from apps.core.errors import Invalid
from apps.notifications import services
from apps.notifications.models import Channel, Delivery, DeliveryState, Rhythm
from apps.notifications.services.preferences import Hours
from apps.notifications.timing import end_of_quiet, next_digest, zone_of
from tests.conftest import Robot, actor, parked, robot_named
from tests.notifications.receiver import Receiver
from tests.notifications.telling import connected, heard, prefer, spread, states, sweep

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
ItIs = Callable[[str], None]


@pytest.fixture
def it_is(time_passes: Callable[..., None]) -> ItIs:
    """it_is("22:30"): the next time the clocks of Berlin show that, tomorrow at the earliest."""
    start = dt.datetime.now(dt.UTC)
    day = start.astimezone(BERLIN).date() + dt.timedelta(days=1)

    def shift(face: str) -> None:
        moment = dt.datetime.combine(day, dt.time.fromisoformat(face), tzinfo=BERLIN)
        while moment < clock.now():
            moment += dt.timedelta(days=1)
        time_passes(seconds=(moment - dt.datetime.now(dt.UTC)).total_seconds())

    return shift


@pytest.fixture
def channel(writer: Robot, receiver: Receiver) -> Channel:
    User.objects.filter(username__in=["dana", "omar"]).update(time_zone="Europe/Berlin")
    return connected("dana", receiver)


def ask(key: str = "k-1") -> Approval:
    """One that waits for finance for a day; the agent's token is new, because the clock has run."""
    return parked(robot_named("writer"), "6000.00", key=key)[1]


def quiet(username: str, *, start: str | None = "20:00", end: str | None = "07:00", **more: Any) -> None:
    hours = Hours(
        quiet_from=dt.time.fromisoformat(start) if start else None,
        quiet_until=dt.time.fromisoformat(end) if end else None,
        escalations_break_quiet=more.get("escalations", False),
        digest_hours=more.get("digest", (9,)),
    )
    services.change_preferences(actor=actor(username), modes={}, hours=hours)


def test_in_quiet_hours_a_message_waits_for_their_end(channel: Channel, receiver: Receiver, it_is: ItIs) -> None:
    quiet("dana")
    it_is("22:30")
    ask()
    sweep()
    assert (receiver.got, states(channel)) == ([], [DeliveryState.WAITING])
    assert heard("dana") == ["opened"], "the console is not quiet, it waits to be looked at"
    due_at = Delivery.objects.get(channel=channel, kind="opened").due_at
    assert f"{due_at.astimezone(BERLIN):%H:%M}" == "07:00"

    it_is("06:59")
    sweep()
    assert receiver.got == []
    it_is("07:01")
    sweep()
    assert len(receiver.got) == 1


def test_what_gathered_over_night_is_one_message_in_the_morning(
    channel: Channel, receiver: Receiver, it_is: ItIs
) -> None:
    quiet("dana")
    it_is("23:59")
    for number in range(4):
        ask(f"k-{number}")
        sweep()
    it_is("07:00")
    sweep()

    [message] = receiver.messages
    assert message.startswith("4 approvals wait for Finance approvers.")


def test_a_retry_does_not_disturb_either(channel: Channel, receiver: Receiver, it_is: ItIs) -> None:
    quiet("dana")
    receiver.statuses = [500]
    it_is("19:59")
    ask()
    sweep()
    it_is("20:05")
    sweep()
    assert len(receiver.got) == 1
    it_is("07:00")
    sweep()
    assert len(receiver.got) == 2


def test_quiet_hours_hold_for_what_was_due_before_they_were_set(
    channel: Channel, receiver: Receiver, it_is: ItIs
) -> None:
    it_is("21:00")
    ask()
    spread()
    quiet("dana")
    sweep()

    assert receiver.got == []


@pytest.mark.parametrize(("escalations", "sent"), [(False, 0), (True, 1)])
def test_what_is_escalated_comes_through_if_the_person_lets_it(
    channel: Channel, receiver: Receiver, it_is: ItIs, escalations: bool, sent: int
) -> None:
    connected("omar", receiver)
    quiet("omar", escalations=escalations)
    prefer("dana", channel, opened="never")
    it_is("22:30")
    approval = ask()
    escalate(actor=actor("dana"), approval_id=approval.id, reason="It cannot wait")
    sweep()

    assert [message.partition("\n")[0] for message in receiver.messages] == [
        "An approval was escalated to Order-to-cash on call."
    ] * sent


def test_a_test_message_comes_at_once(channel: Channel, receiver: Receiver, it_is: ItIs) -> None:
    quiet("dana")
    it_is("22:30")
    services.try_channel(actor=actor("dana"), channel_id=channel.id)
    sweep()

    assert [body["title"] for body in receiver.bodies] == ["Test message"]


def test_a_digest_is_one_message_at_its_hour(channel: Channel, receiver: Receiver, it_is: ItIs) -> None:
    prefer("dana", channel, opened="digest")
    quiet("dana", start=None, end=None, digest=(9, 15))
    it_is("10:14")
    asked = [ask(f"k-{number}") for number in range(5)]
    sweep()
    Approval.objects.filter(id__in=[one.id for one in asked[:2]]).update(urgency=Urgency.BREACHED)
    last = asked[4]
    approvals.cast_vote(
        actor=actor("felix"), approval_id=last.id, verdict="reject", digest=last.digest, reason_code="other"
    )
    it_is("14:59")
    sweep()
    assert receiver.got == []

    it_is("15:00")
    sweep()
    sweep()
    [body] = receiver.bodies
    assert body["title"] == "Your approvals"
    assert body["message"] == (
        "4 approvals wait for you, 2 overdue; oldest since 10:14.\n"
        "4 approvals wait for Finance approvers.\n\nhttp://localhost:8000/inbox/"
    )


def test_a_digest_of_nothing_is_not_sent(channel: Channel, receiver: Receiver, it_is: ItIs) -> None:
    prefer("dana", channel, opened="digest")
    it_is("08:00")
    approval = ask()
    sweep()
    approvals.cast_vote(
        actor=actor("felix"), approval_id=approval.id, verdict="reject", digest=approval.digest, reason_code="other"
    )
    it_is("09:00")
    sweep()

    assert (receiver.got, states(channel)) == ([], [DeliveryState.DROPPED])


def test_a_digest_in_quiet_hours_comes_after_them(channel: Channel, receiver: Receiver, it_is: ItIs) -> None:
    prefer("dana", channel, opened="digest")
    quiet("dana", end="10:00")
    it_is("07:00")
    ask()
    sweep()
    it_is("09:30")
    sweep()
    assert receiver.got == []
    it_is("10:00")
    sweep()
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    "hours",
    [
        {"start": "20:00", "end": None},
        {"start": "20:00", "end": "20:00"},
        {"digest": ()},
        {"digest": (24,)},
        {"digest": (-1,)},
    ],
)
def test_hours_that_make_no_sense_are_refused(channel: Channel, hours: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refusal:
        quiet("dana", **hours)

    assert refusal.value.code == "notification.bad_hours"
    assert not Rhythm.objects.exists()


# --- the arithmetic ---------------------------------------------------------------------------------------------------


def rhythm(start: str, end: str) -> Rhythm:
    return Rhythm(quiet_from=dt.time.fromisoformat(start), quiet_until=dt.time.fromisoformat(end))


@pytest.mark.parametrize(
    ("start", "end", "moment", "ends"),
    [
        ("20:00", "07:00", "2026-11-20T19:59", None),
        ("20:00", "07:00", "2026-11-20T20:00", "2026-11-21T07:00"),
        ("20:00", "07:00", "2026-11-21T06:59", "2026-11-21T07:00"),
        ("20:00", "07:00", "2026-11-21T07:00", None),
        ("12:00", "13:30", "2026-11-20T12:30", "2026-11-20T13:30"),
        ("12:00", "13:30", "2026-11-20T13:30", None),
        ("08:00", "08:00", "2026-11-20T09:00", None),
        # the night the clocks go forward, and the one they go back
        ("22:00", "06:00", "2026-03-28T23:00", "2026-03-29T06:00"),
        ("22:00", "06:00", "2026-10-24T23:00", "2026-10-25T06:00"),
    ],
)
def test_the_end_of_quiet(start: str, end: str, moment: str, ends: str | None) -> None:
    found = end_of_quiet(rhythm(start, end), BERLIN, dt.datetime.fromisoformat(moment).replace(tzinfo=BERLIN))

    assert (f"{found.astimezone(BERLIN):%Y-%m-%dT%H:%M}" if found else None) == ends


@pytest.mark.parametrize("minute", range(0, 26 * 60, 7))
def test_quiet_never_ends_in_the_past_when_the_clocks_change(minute: int) -> None:
    for day in ("2026-03-28T12:00", "2026-10-24T12:00"):
        moment = dt.datetime.fromisoformat(day).replace(tzinfo=BERLIN).astimezone(dt.UTC) + dt.timedelta(minutes=minute)
        ends_at = end_of_quiet(rhythm("22:00", "02:30"), BERLIN, moment)
        assert ends_at is None or moment < ends_at <= moment + dt.timedelta(hours=6)


@pytest.mark.parametrize(
    ("hours", "moment", "comes"),
    [
        ([9], "2026-11-20T08:59", "2026-11-20T09:00"),
        ([9], "2026-11-20T09:00", "2026-11-21T09:00"),
        ([9, 15], "2026-11-20T09:00", "2026-11-20T15:00"),
        ([15, 9], "2026-11-20T16:00", "2026-11-21T09:00"),
        ([2], "2026-03-28T12:00", "2026-03-29T03:00"),
    ],
)
def test_the_next_digest(hours: list[int], moment: str, comes: str) -> None:
    found = next_digest(hours, BERLIN, dt.datetime.fromisoformat(moment).replace(tzinfo=BERLIN))

    assert f"{found.astimezone(BERLIN):%Y-%m-%dT%H:%M}" == comes


def test_a_time_zone_that_no_longer_exists_is_utc() -> None:
    assert zone_of(User(time_zone="Mars/Olympus")).key == "UTC"
