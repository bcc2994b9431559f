"""The signed webhook again and again: until it is taken, until a day has passed, and never twice at once."""

import datetime as dt
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from apps.approvals import services as approvals
from apps.audit.models import AuditEntry
from apps.core import clock, outbox
from apps.external import clients, services
from apps.external.models import ExternalRequest, WebhookDelivery
from apps.external.services import webhooks
from apps.vault.models import Payload
from tests.conftest import Robot, actor, at_once
from tests.external.asking import Api, asked, cancel, claim, deliver, poll, vote
from tests.external.receiver import Receiver

pytestmark = pytest.mark.django_db


def test_a_receiver_that_is_down_gets_it_later_under_the_same_id(
    writer: Robot, api: Api, hooked: dict[str, Any], receiver: Receiver, time_passes: Callable[..., None]
) -> None:
    receiver.faults = ["500", "500"]
    vote(api, "dana", hooked)
    deliver()
    first = poll(writer, hooked)["webhook"]
    deliver()
    assert len(receiver.messages) == 1
    for seconds in (6, 17):
        time_passes(seconds=seconds)
        deliver()

    assert (first["state"], first["last_error"]) == ("waiting", "The receiver answered 500.")
    assert poll(writer, hooked)["webhook"]["state"] == "delivered"
    assert poll(writer, hooked)["webhook"]["attempt_count"] == 3
    assert len({message.id for message in receiver.messages}) == 1
    assert len({message.body for message in receiver.messages}) == 1
    # each attempt is signed for its own time, so that none is too old to be accepted
    assert len({message.headers["webhook-signature"] for message in receiver.messages}) == 3
    for message in receiver.messages:
        message.verified(hooked["webhook_secret"])


def test_what_is_told_is_what_was_so_when_it_happened(
    writer: Robot, api: Api, hooked: dict[str, Any], receiver: Receiver, time_passes: Callable[..., None]
) -> None:
    receiver.faults = ["500"]
    vote(api, "dana", hooked)
    deliver()
    claim(writer, hooked)
    time_passes(seconds=6)
    deliver()

    assert {message.verified(hooked["webhook_secret"])["data"]["claimed_at"] for message in receiver.messages} == {None}


def test_after_a_day_nobody_tries_any_more(
    writer: Robot, api: Api, hooked: dict[str, Any], receiver: Receiver, time_passes: Callable[..., None]
) -> None:
    receiver.faults = ["500"] * 100
    vote(api, "dana", hooked)
    deliver()
    due: list[dt.timedelta] = []
    while services.due_webhooks() or WebhookDelivery.objects.filter(state="waiting").exists():
        delivery = WebhookDelivery.objects.get()
        due.append(delivery.due_at - delivery.made_at)
        time_passes(seconds=due[-1].total_seconds() + 1)
        deliver()

    waits = [later - sooner for sooner, later in pairwise(due)]
    assert due[0] >= dt.timedelta(seconds=5)
    assert max(waits) <= dt.timedelta(hours=1, minutes=1)
    assert due[-1] <= dt.timedelta(hours=24)
    assert due[-1] >= dt.timedelta(hours=22)
    assert len(receiver.messages) == len(due) + 1 < 60
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.last_error) == ("failed", "The receiver answered 500.")
    assert AuditEntry.objects.filter(code="external.webhook_failed").count() == 1


def test_a_receiver_that_is_gone_is_not_asked_again(
    writer: Robot, api: Api, hooked: dict[str, Any], receiver: Receiver
) -> None:
    receiver.faults = ["410"]
    vote(api, "dana", hooked)
    deliver()

    assert poll(writer, hooked)["webhook"]["state"] == "failed"
    assert services.due_webhooks() == []


def test_a_worker_that_died_leaves_a_delivery_that_is_due_again(
    writer: Robot,
    api: Api,
    hooked: dict[str, Any],
    receiver: Receiver,
    time_passes: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vote(api, "dana", hooked)
    outbox.drain()
    [delivery_id] = services.due_webhooks()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(webhooks, "_send", _die)
        services.deliver_webhook(delivery_id)

    assert services.due_webhooks() == []
    time_passes(seconds=webhooks.LEASE.total_seconds() + 1)
    deliver()
    assert poll(writer, hooked)["webhook"]["state"] == "delivered"
    assert poll(writer, hooked)["webhook"]["attempt_count"] == 2


def _die(delivery: Any) -> None:
    raise KeyboardInterrupt


def test_an_attempt_that_was_overtaken_says_nothing(
    api: Api, hooked: dict[str, Any], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    vote(api, "dana", hooked)
    outbox.drain()
    [delivery_id] = services.due_webhooks()

    def overtaken(*args: Any, **kwargs: Any) -> None:
        WebhookDelivery.objects.update(attempt_count=2)
        raise clients.WebhookRefused("Too late.")

    monkeypatch.setattr(webhooks, "post_webhook", overtaken)
    services.deliver_webhook(delivery_id)

    assert (WebhookDelivery.objects.get().state, WebhookDelivery.objects.get().last_error) == ("waiting", "")


@pytest.mark.django_db(transaction=True)
def test_ten_workers_at_once_send_it_once(writer: Robot, receiver: Receiver) -> None:
    told = asked(writer, callback_url=f"{receiver.url}/hooks")
    cancel(writer, told)
    outbox.drain()
    [delivery_id] = services.due_webhooks()
    at_once([lambda: services.deliver_webhook(delivery_id) for _ in range(10)])

    assert len(receiver.messages) == 1
    assert WebhookDelivery.objects.get().state == "delivered"


def test_erased_news_is_not_sent(writer: Robot, api: Api, hooked: dict[str, Any], receiver: Receiver) -> None:
    vote(api, "dana", hooked)
    outbox.drain()
    Payload.objects.filter(kind="external.webhook").update(body=None, erased_at=clock.now())
    deliver()

    assert receiver.messages == []
    assert poll(writer, hooked)["webhook"]["state"] == "failed"


def test_a_secret_that_cannot_be_read_sends_nothing_and_is_tried_again(
    writer: Robot, api: Api, hooked: dict[str, Any], receiver: Receiver
) -> None:
    ExternalRequest.objects.update(webhook_secret="fernet:nonsense")
    vote(api, "dana", hooked)
    deliver()

    assert receiver.messages == []
    assert poll(writer, hooked)["webhook"]["state"] == "waiting"
    assert poll(writer, hooked)["webhook"]["last_error"] != ""


def test_the_task_is_one_service_call(hooked: dict[str, Any], api: Api, receiver: Receiver) -> None:
    from apps.external import tasks

    vote(api, "dana", hooked)
    outbox.drain()
    [delivery_id] = services.due_webhooks()
    tasks.deliver_webhook(str(delivery_id))
    tasks.sweep_external_approvals()

    assert len(receiver.messages) == 1


def test_withdrawn_votes_are_told_to_nobody(writer: Robot, api: Api, receiver: Receiver) -> None:
    told = asked(writer, risk="low", reversible=True, callback_url=f"{receiver.url}/hooks")
    vote(api, "dana", told, undo_seconds=10)
    deliver()
    assert receiver.messages == []
    approvals.withdraw_vote(actor=actor("dana"), approval_id=ExternalRequest.objects.get().approval_id)
    vote(api, "felix", told)
    deliver()

    votes = receiver.messages[0].verified(told["webhook_secret"])["data"]["resolution"]["votes"]
    assert [cast["voter"] for cast in votes] == ["Felix Braun"]
