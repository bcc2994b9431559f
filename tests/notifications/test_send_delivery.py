"""Messages really go out, are tried again when they fail, are given up visibly, and are sent by one worker."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import User
from apps.approvals import services as approvals
from apps.core import outbox
from apps.core.actor import system_actor
from apps.notifications import services, tasks
from apps.notifications.models import Channel, Delivery, DeliveryState, NewsKind, Notice
from apps.notifications.services.claiming import CLAIMED_FOR, claim, sender_seat
from apps.notifications.timing import MOST_ATTEMPTS, wait_after
from apps.registry import services as registry
from apps.registry.models import Process
from apps.vault import secrets
from tests.conftest import Robot, actor, at_once, parked, person, robot_named
from tests.fakes.erp import FakeErp
from tests.notifications.receiver import Receiver
from tests.notifications.telling import connected, heard, spread, states, sweep

pytestmark = pytest.mark.django_db
TimePasses = Callable[..., None]


@pytest.fixture
def channel(writer: Robot, receiver: Receiver) -> Channel:
    return connected("dana", receiver)


def fresh(channel: Channel) -> Channel:
    return Channel.objects.get(id=channel.id)


def test_a_message_arrives_with_the_link_to_the_card(channel: Channel, writer: Robot, receiver: Receiver) -> None:
    _, approval = parked(writer)
    sweep()

    [got] = receiver.got
    assert got["path"] == "/hook/s3cret"
    assert got["headers"]["User-Agent"] == "Mesh Console"
    link = f"http://localhost:8000/inbox/{approval.id}/"
    assert got["body"]["message"] == f"An approval waits for Finance approvers.\n\n{link}"
    assert got["body"]["title"] == "An approval waits"
    assert states(channel) == [DeliveryState.SENT]
    assert sweep() == 0


def test_it_is_tried_again_after_a_failure_and_not_before(
    channel: Channel, writer: Robot, receiver: Receiver, time_passes: TimePasses
) -> None:
    parked(writer)
    receiver.statuses = [500, 503]
    sweep()
    assert states(channel) == [DeliveryState.FAILED]
    failing = fresh(channel)
    assert (failing.failed_count, failing.last_error) == (1, "127.0.0.1 answered 500.")
    assert failing.retry_at is not None

    sweep()
    assert len(receiver.got) == 1, "not before the second is over"
    time_passes(seconds=2)
    sweep()
    time_passes(seconds=2 + 5)
    sweep()
    assert len(receiver.got) == 3
    assert states(channel) == [DeliveryState.SENT]
    assert (fresh(channel).failed_count, fresh(channel).retry_at, fresh(channel).last_error) == (0, None, "")


def test_after_eight_attempts_it_is_given_up_and_the_person_reads_so(
    channel: Channel, writer: Robot, receiver: Receiver, time_passes: TimePasses
) -> None:
    parked(writer)
    receiver.always = 500
    for attempt in range(MOST_ATTEMPTS + 2):
        sweep()
        time_passes(hours=0.5 * (attempt + 1), seconds=3600 * attempt)

    assert len(receiver.got) == MOST_ATTEMPTS
    assert states(channel) == [DeliveryState.GIVEN_UP]
    assert heard("dana") == [NewsKind.OPENED, NewsKind.FAILED]
    notice = Notice.objects.get(kind=NewsKind.FAILED)
    assert notice.news.data == {"channel": "Webhook (127.0.0.1)", "error": "127.0.0.1 answered 500."}


def test_one_outage_is_one_notice(channel: Channel, writer: Robot, receiver: Receiver) -> None:
    receiver.always = 500
    for key in ("one", "two"):
        parked(writer, key=key)
        spread()
        Delivery.objects.filter(channel=channel).update(attempt_count=MOST_ATTEMPTS - 1)
        Channel.objects.filter(id=channel.id).update(retry_at=None)
        sweep()

    assert states(channel) == [DeliveryState.GIVEN_UP] * 2
    assert heard("dana").count(NewsKind.FAILED) == 1


def test_try_again_takes_up_what_was_given_up(channel: Channel, writer: Robot, receiver: Receiver) -> None:
    parked(writer)
    receiver.statuses = [500]
    spread()
    Delivery.objects.filter(channel=channel).update(attempt_count=MOST_ATTEMPTS - 1)
    sweep()
    assert states(channel) == [DeliveryState.GIVEN_UP]

    assert services.retry_channel(actor=actor("dana"), channel_id=channel.id) == 1
    sweep()
    assert states(channel) == [DeliveryState.SENT]
    assert len(receiver.got) == 2


def test_a_receiver_that_is_not_there_is_a_failure_and_no_error(
    channel: Channel, writer: Robot, receiver: Receiver
) -> None:
    Channel.objects.filter(id=channel.id).update(address=secrets.seal("http://127.0.0.1:9/x"))
    parked(writer)
    sweep()

    assert fresh(channel).last_error == "127.0.0.1 cannot be reached, or does not answer in time."


def test_a_secret_that_cannot_be_read_is_a_failure_with_its_reason(
    channel: Channel, writer: Robot, receiver: Receiver
) -> None:
    Channel.objects.filter(id=channel.id).update(address="fernet:bm90aGluZw==")
    parked(writer)
    sweep()

    assert fresh(channel).last_error == "A stored secret was encrypted with a key this installation does not have."
    assert states(channel) == [DeliveryState.FAILED]


def test_an_address_that_is_no_longer_taken_is_given_up(
    channel: Channel, writer: Robot, receiver: Receiver, settings: Any
) -> None:
    settings.NOTIFY_ALLOW_PRIVATE = False
    parked(writer)
    sweep()

    assert fresh(channel).last_error == "A webhook has an address that begins with https://."
    assert (receiver.got, states(channel)) == ([], [DeliveryState.GIVEN_UP])


def test_a_fault_of_ours_stands_on_the_page_too(
    channel: Channel, writer: Robot, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.notifications.wording.SENTENCES", {})
    parked(writer)
    sweep()

    assert fresh(channel).last_error == "That is our fault; the log says more."
    assert states(channel) == [DeliveryState.FAILED]


def test_a_redirect_is_a_failure_and_is_not_followed(channel: Channel, writer: Robot, receiver: Receiver) -> None:
    receiver.headers = {"Location": f"{receiver.url}/elsewhere"}
    receiver.statuses = [302]
    parked(writer)
    sweep()

    assert [one["path"] for one in receiver.got] == ["/hook/s3cret"]
    assert fresh(channel).last_error == "127.0.0.1 answered 302."


def test_while_a_channel_fails_new_news_waits_with_the_old(
    channel: Channel, writer: Robot, receiver: Receiver, time_passes: TimePasses
) -> None:
    receiver.statuses = [500]
    for key in ("one", "two", "three"):
        parked(writer, key=key)
        sweep()
    assert len(receiver.got) == 1

    time_passes(seconds=5)
    sweep()
    assert len(receiver.got) == 2
    assert receiver.messages[-1].startswith("3 approvals wait for Finance approvers.")
    assert states(channel) == [DeliveryState.SENT] * 3


def test_a_burst_is_one_message(channel: Channel, writer: Robot, receiver: Receiver) -> None:
    for number in range(12):
        parked(writer, key=f"k-{number}")
    sweep()

    [message] = receiver.messages
    assert message == "12 approvals wait for Finance approvers.\n\nhttp://localhost:8000/inbox/"


def test_nobody_is_asked_to_act_on_what_is_decided(channel: Channel, writer: Robot, receiver: Receiver) -> None:
    _, approval = parked(writer)
    spread()
    approvals.cast_vote(actor=actor("felix"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    sweep()

    assert (receiver.got, states(channel)) == ([], [DeliveryState.DROPPED])


def test_nothing_is_told_of_what_a_person_may_not_see_any_more(
    channel: Channel, writer: Robot, receiver: Receiver
) -> None:
    parked(writer)
    spread()
    process = Process.objects.get(slug="order-to-cash")
    registry.withdraw_role(user=person("dana"), role="approver", process=process, actor=system_actor("tests"))
    sweep()

    assert (receiver.got, states(channel)) == ([], [DeliveryState.DROPPED])


def test_nothing_is_sent_to_who_is_deactivated(channel: Channel, writer: Robot, receiver: Receiver) -> None:
    parked(writer)
    spread()
    User.objects.filter(username="dana").update(is_active=False)
    sweep()

    assert (receiver.got, states(channel)) == ([], [DeliveryState.DROPPED])


def test_switched_off_is_silent(channel: Channel, writer: Robot, receiver: Receiver) -> None:
    parked(writer, key="before")
    spread()
    services.switch_channel(actor=actor("dana"), channel_id=channel.id, is_on=False)
    parked(writer, key="meanwhile")
    sweep()
    services.switch_channel(actor=actor("dana"), channel_id=channel.id, is_on=True)
    parked(writer, key="after")
    sweep()

    assert states(channel) == [DeliveryState.DROPPED, DeliveryState.SENT]
    assert len(receiver.got) == 1


def test_a_worker_that_died_leaves_its_delivery_to_the_next(
    channel: Channel, writer: Robot, receiver: Receiver, time_passes: TimePasses
) -> None:
    parked(writer)
    spread()
    [delivery] = services.due_deliveries()
    assert [row.id for row in claim(delivery)] == [delivery]  # and then it is killed
    assert sweep() == 0

    time_passes(seconds=CLAIMED_FOR.total_seconds() + 1)
    assert sweep() == 1
    assert Delivery.objects.get(id=delivery).attempt_count == 2


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_sends(world: FakeErp, receiver: Receiver) -> None:
    channel = connected("dana", receiver)
    parked(robot_named("writer"))
    spread()
    [delivery] = services.due_deliveries()
    sent = at_once([lambda: services.send(delivery)] * 6)

    assert sorted(sent) == [False] * 5 + [True]
    assert (len(receiver.got), states(channel)) == (1, [DeliveryState.SENT])


@pytest.mark.django_db(transaction=True)
def test_many_sweepers_tell_everyone_once(world: FakeErp) -> None:
    for number in range(5):
        parked(robot_named("writer"), key=f"k-{number}")
    outbox.drain()
    at_once([services.spread_due] * 4)

    assert heard("dana") == heard("felix") == [NewsKind.OPENED] * 5


def test_the_waits_grow_from_a_second_to_an_hour() -> None:
    waits = [wait_after(failures).total_seconds() for failures in range(1, MOST_ATTEMPTS + 1)]

    assert waits == [1, 4, 16, 64, 256, 1024, 1800, 1800]


def test_the_job_tells_and_sends(channel: Channel, writer: Robot, receiver: Receiver) -> None:
    parked(writer)
    outbox.drain()
    tasks.send_notifications()

    assert len(receiver.got) == 1
    assert dt.timedelta(seconds=tasks.LONGEST_SWEEP_SECONDS) * 2 < CLAIMED_FOR


@pytest.mark.django_db(transaction=True)
def test_slow_providers_hold_as_many_workers_as_there_are_seats(world: FakeErp, receiver: Receiver) -> None:
    """The others come back with nothing done, and are free to release calls."""
    for username in ("dana", "felix"):
        connected(username, receiver)
    parked(robot_named("writer"))
    spread()
    with sender_seat() as has_seat:
        assert has_seat
        assert at_once([services.send_due] * 3) == [0, 0, 0]
    assert receiver.got == []
    assert sum(at_once([services.send_due] * 3)) == len(receiver.got) == 2
