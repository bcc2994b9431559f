"""The signed webhook: sent when something happened, sent again until it is taken, and visible while it is not."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from apps.approvals import services as approvals
from apps.audit.models import AuditEntry
from apps.external import services
from apps.external.models import ExternalRequest, WebhookDelivery
from apps.external.services import webhooks
from tests.conftest import Robot
from tests.external.asking import Api, approved, ask, asked, cancel, deliver, poll, returned, revise, vote
from tests.external.receiver import Receiver
from tests.external.test_halts import carry_out, place
from tests.external.test_revise import NEW

pytestmark = pytest.mark.django_db


def test_the_secret_is_told_once(writer: Robot, hooked: dict[str, Any], receiver: Receiver) -> None:
    again = ask(writer, callback_url=f"{receiver.url}/hooks?team=7")

    assert hooked["webhook_secret"].startswith("whsec_")
    assert (again.status_code, again.json()["id"]) == (200, hooked["id"])
    assert "webhook_secret" not in again.json()
    assert "webhook_secret" not in poll(writer, hooked)
    assert hooked["webhook_secret"] not in repr([*ExternalRequest.objects.values(), *AuditEntry.objects.values()])
    assert hooked["webhook"] == {"id": None, "type": None, "state": None, "attempt_count": 0, "last_error": ""}


def test_every_request_has_a_secret_of_its_own(writer: Robot, hooked: dict[str, Any], receiver: Receiver) -> None:
    other = asked(writer, idempotency_key="k-2", callback_url=f"{receiver.url}/hooks")

    assert other["webhook_secret"] != hooked["webhook_secret"]


def test_a_decision_is_told_in_the_words_of_the_poll(
    writer: Robot, api: Api, hooked: dict[str, Any], receiver: Receiver
) -> None:
    vote(api, "dana", hooked)
    deliver()

    [message] = receiver.messages
    news = message.verified(hooked["webhook_secret"])
    polled = poll(writer, hooked)
    assert (message.path, message.headers["content-type"]) == ("/hooks?team=7", "application/json")
    assert news["type"] == "approval.resolved"
    assert news["timestamp"] == polled["resolution"]["resolved_at"]
    assert news["data"] == {name: value for name, value in polled.items() if name != "webhook"}
    assert polled["webhook"] == {
        "id": message.id,
        "type": "approval.resolved",
        "state": "delivered",
        "attempt_count": 1,
        "last_error": "",
    }
    assert AuditEntry.objects.filter(code="external.webhook_delivered").count() == 1


@pytest.mark.parametrize("part", ["body", "webhook-id", "webhook-timestamp", "webhook-signature", "secret"])
def test_a_message_that_was_touched_does_not_verify(
    api: Api, hooked: dict[str, Any], receiver: Receiver, part: str
) -> None:
    vote(api, "dana", hooked)
    deliver()
    [message] = receiver.messages
    secret = hooked["webhook_secret"]
    if part == "body":
        message.body = message.body.replace(b"approved", b"rejected")
    elif part == "secret":
        secret = "whsec_" + "A" * 43 + "="
    else:
        now = int(message.headers["webhook-timestamp"])
        other = {"webhook-id": "msg_other", "webhook-timestamp": str(now - 1), "webhook-signature": "v1,AAAA"}
        message.headers[part] = other[part]

    with pytest.raises(WebhookVerificationError):
        message.verified(secret)


def test_nothing_is_sent_where_nobody_asked_for_it(writer: Robot, api: Api, receiver: Receiver) -> None:
    approved(writer, api)
    deliver()

    assert (receiver.messages, WebhookDelivery.objects.count()) == ([], 0)


def test_hearing_of_a_decision_twice_sends_it_once(api: Api, hooked: dict[str, Any], receiver: Receiver) -> None:
    vote(api, "dana", hooked)
    for _ in range(3):
        services.prepare_webhook(approval_id=ExternalRequest.objects.get().approval_id, kind=webhooks.NewsKind.RESOLVED)
        deliver()

    assert len(receiver.messages) == 1


# --- every end is told ------------------------------------------------------------------------------------------------


def _outcome(message: Any, secret: str) -> tuple[str, str]:
    news = message.verified(secret)
    return news["type"], news["data"]["resolution"]["outcome"]


def test_a_rejection_is_told_with_its_reason(api: Api, hooked: dict[str, Any], receiver: Receiver) -> None:
    vote(api, "dana", hooked, "reject", reason_code="duplicate", comment="Paid on Monday")
    deliver()

    news = receiver.messages[0].verified(hooked["webhook_secret"])
    assert news["data"]["resolution"]["feedback"] == {"reason_code": "duplicate", "comment": "Paid on Monday"}


def test_an_expiry_is_told(hooked: dict[str, Any], receiver: Receiver, time_passes: Callable[..., None]) -> None:
    time_passes(seconds=3601)
    approvals.expire_due()
    deliver()
    time_passes(seconds=0)

    [message] = receiver.messages
    stamp = dt.datetime.fromtimestamp(int(message.headers["webhook-timestamp"]), dt.UTC)
    signature = Webhook(hooked["webhook_secret"]).sign(message.id, stamp, message.body.decode())
    assert message.headers["webhook-signature"] == signature
    assert b'"outcome":"expired"' in message.body


def test_a_cancellation_is_told(writer: Robot, hooked: dict[str, Any], receiver: Receiver) -> None:
    cancel(writer, hooked)
    deliver()

    told = [_outcome(message, hooked["webhook_secret"]) for message in receiver.messages]
    assert told == [("approval.resolved", "cancelled")]


def test_a_stop_is_told_as_what_it_is(hooked: dict[str, Any], receiver: Receiver) -> None:
    place(mode="stop")
    carry_out()
    deliver()

    told = [_outcome(message, hooked["webhook_secret"]) for message in receiver.messages]
    assert told == [("approval.resolved", "halted")]


def test_a_stop_after_the_approval_is_told_too(api: Api, hooked: dict[str, Any], receiver: Receiver) -> None:
    vote(api, "dana", hooked)
    deliver()
    place(mode="stop")
    carry_out()
    deliver()

    told = [_outcome(message, hooked["webhook_secret"]) for message in receiver.messages]
    assert told == [("approval.resolved", "approved"), ("approval.halted", "halted")]


def test_a_wish_for_changes_is_told_and_the_replaced_version_is_no_news(
    writer: Robot, api: Api, receiver: Receiver
) -> None:
    told = asked(writer, callback_url=f"{receiver.url}/hooks")
    vote(api, "dana", told, "request_changes", reason_code="wrong_amount", comment="The order says 12,380.00")
    deliver()
    new = revise(writer, told, **NEW).json()
    deliver()
    vote(api, "dana", new)
    deliver()

    news = [message.verified(told["webhook_secret"]) for message in receiver.messages]
    assert [(one["type"], one["data"]["version"], one["data"]["state"]) for one in news] == [
        ("approval.changes_requested", 1, "changes_requested"),
        ("approval.resolved", 2, "approved"),
    ]
    assert news[0]["data"]["changes_requested"]["comment"] == "The order says 12,380.00"
    assert len({message.id for message in receiver.messages}) == 2


def test_a_wish_that_was_answered_meanwhile_is_no_news(writer: Robot, api: Api, receiver: Receiver) -> None:
    told = returned(writer, api, callback_url=f"{receiver.url}/hooks")
    assert revise(writer, told, **NEW).status_code == 201
    deliver()

    assert receiver.messages == []
