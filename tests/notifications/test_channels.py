"""Channels: who may connect what, where messages may go, and that an address is a secret."""

import logging
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail as mailbox
from django.test import Client

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, Invalid, MeshError, NotFound
from apps.notifications import addresses, clients, services
from apps.notifications.addresses import WebhookAddress
from apps.notifications.models import Channel, Delivery, DeliveryState, NewsKind
from apps.notifications.wording import Message
from apps.vault import secrets
from tests.conftest import Robot, actor, parked, person
from tests.fakes.erp import FakeErp
from tests.notifications.receiver import Receiver
from tests.notifications.telling import connected, states, sweep

pytestmark = pytest.mark.django_db
SignIn = Callable[[str], Client]
ROOT = Path(__file__).resolve().parents[2]

SLACK = "https://hooks.slack.com/services/T0000AAAA/B0000BBBB/Sl4ckT0ken"
TEAMS = (
    "https://prod-07.westeurope.logic.azure.com:443/workflows/5f1e0a/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=T3amsS1gnature"
)
POWER_AUTOMATE = (
    "https://default0f.9e.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/77ab"
    "/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=T3amsS1gnature"
)
KNOWN = [
    ("slack", SLACK, "hooks.slack.com"),
    ("slack", "slack://T0000AAAA/B0000BBBB/Sl4ckT0ken", "hooks.slack.com"),
    ("slack", SLACK.replace("slack.com", "slack-gov.com"), "hooks.slack-gov.com"),
    ("teams", TEAMS, "prod-07.westeurope.logic.azure.com"),
    ("teams", POWER_AUTOMATE, "default0f.9e.environment.api.powerplatform.com"),
    ("webhook", "https://hooks.example.com/in?token=s3cret", "hooks.example.com"),
    ("webhook", "jsons://user:s3cret@hooks.example.com:8443/in", "hooks.example.com"),
]
# Each is something Apprise knows, or that a careless reader would take.
UNKNOWN = [
    ("slack", "https://hooks.slack.com.evil.example.com/services/T/B/X"),
    ("slack", "https://evil.example.com/?x=https://hooks.slack.com/services/T/B/X"),
    ("slack", "http://hooks.slack.com/services/T/B/X"),
    ("slack", f"{SLACK}/more"),
    ("slack", "slack://xoxb-1-2-token/#general"),
    ("teams", "https://evil.example.com/workflows/1/triggers/manual/paths/invoke?sig=abc"),
    ("teams", TEAMS.replace("&sig=T3amsS1gnature", "")),
    ("teams", "workflows://prod-07.westeurope.logic.azure.com/1/2?template=file:///etc/passwd"),
    ("webhook", "http://hooks.example.com/in"),
    ("webhook", "json://hooks.example.com/in"),
    ("webhook", "file:///etc/passwd"),
    ("webhook", "env://SECRET_KEY"),
    ("webhook", "mailtos://user:pw@example.com"),
    ("webhook", "exec://rm"),
    ("webhook", "https://"),
    ("webhook", "https://hooks.example.com\\@127.0.0.1/in"),
    ("webhook", "https://hooks.example.com/a b"),
    ("webhook", "https://hööks.example.com/in"),
    ("webhook", "https://hooks.example.com:99999/in"),
    ("webhook", "https://hooks.example.com/" + "a" * 1000),
    ("webhook", ""),
    ("email", "mailto://someone@example.com"),
]


@pytest.mark.parametrize(("kind", "text", "host"), KNOWN)
def test_the_addresses_that_providers_give_out_are_read(kind: str, text: str, host: str) -> None:
    address = addresses.read(kind, text)

    assert address.host == host
    assert "s3cret" not in repr(address)
    assert "Sl4ckT0ken" not in repr(address)
    assert "T3amsS1gnature" not in repr(address)


@pytest.mark.parametrize(("kind", "text"), UNKNOWN)
def test_nothing_else_is_taken_for_an_address(kind: str, text: str, settings: Any) -> None:
    settings.NOTIFY_ALLOW_PRIVATE = False
    with pytest.raises(Invalid) as refusal:
        addresses.read(kind, text)
    assert not text or text not in refusal.value.sentence


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_private_address_is_refused_at_every_sending(host: str, settings: Any) -> None:
    settings.NOTIFY_ALLOW_PRIVATE = False
    address = WebhookAddress(host=host, port=None, is_secure=True, path="/")
    with pytest.raises(clients.NotSent) as refusal:
        clients.post(address, Message("title", "text", ""))

    assert (refusal.value.code, refusal.value.permanent) == ("notification.private_address", True)


def test_a_private_receiver_gets_nothing_and_its_channel_says_so(
    world: FakeErp, receiver: Receiver, settings: Any
) -> None:
    channel = services.add_channel(actor=actor("dana"), kind="webhook", address=f"{receiver.url}/in")
    settings.NOTIFY_ALLOW_PRIVATE = False
    Channel.objects.filter(id=channel.id).update(address=_sealed_https(receiver))
    sweep()

    channel.refresh_from_db()
    assert receiver.got == []
    assert (channel.verified_at, channel.last_error) == (None, "127.0.0.1 is a private address.")
    assert Delivery.objects.get(channel=channel).state == DeliveryState.GIVEN_UP


def _sealed_https(receiver: Receiver) -> str:
    return secrets.seal(receiver.url.replace("http://", "https://"))


def test_a_name_is_looked_up_when_it_is_sent_to(world: FakeErp, settings: Any, monkeypatch: Any) -> None:
    """A name may point elsewhere since it was entered."""
    settings.NOTIFY_ALLOW_PRIVATE = False
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: [(2, 1, 6, "", ("192.168.0.7", 0))])
    channel = services.add_channel(actor=actor("dana"), kind="webhook", address="https://hooks.example.com/in")
    sweep()

    channel.refresh_from_db()
    assert channel.last_error == "hooks.example.com is a private address."


def test_a_channel_carries_nothing_until_its_test_message_arrived(writer: Robot, receiver: Receiver) -> None:
    receiver.always = 500
    channel = services.add_channel(actor=actor("dana"), kind="webhook", address=receiver.url)
    sweep()
    parked(writer)
    sweep()

    assert states(channel) == []
    assert [body["title"] for body in receiver.bodies] == ["Test message"]


def test_pressing_test_twice_sends_one(world: FakeErp, receiver: Receiver) -> None:
    channel = connected("dana", receiver)
    for _ in range(2):
        services.try_channel(actor=actor("dana"), channel_id=channel.id)
    sweep()
    sweep()

    assert [body["title"] for body in receiver.bodies] == ["Test message"]


def test_senders_are_made_of_parts_and_of_nothing_else() -> None:
    """No template file, no redirect, no unchecked certificate; and no other of Apprise's senders is even loaded."""
    for kind, text, _ in KNOWN:
        sender: Any = clients._plugin(addresses.read(kind, text))
        assert (sender.redirects, sender.verify_certificate, sender.retry) == (False, True, 0)
        assert sender.request_timeout == (clients.CONNECT_SECONDS, clients.READ_SECONDS)
        assert len(getattr(sender, "template", ())) == 0
        assert getattr(sender, "method", "POST") == "POST"
        assert getattr(sender, "headers", {}) == {}
    code = "import django, sys; django.setup(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.rpartition(".")[2] for name in run.stdout.split() if name.startswith("apprise.plugins.")}
    assert loaded == {"base", "custom_json", "slack", "workflows"}


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_an_address_is_kept_sealed_and_shown_to_nobody_again(world: FakeErp, sign_in: SignIn) -> None:
    dana = sign_in("dana")
    dana.post("/settings/notifications/channels/", {"kind": "slack", "address": SLACK, "allows": "link"})
    channel = Channel.objects.get(person=person("dana"), kind="slack")
    page = dana.get("/settings/notifications/").content.decode()
    entries = str(list(AuditEntry.objects.filter(code__startswith="notification_channel").values()))

    assert channel.address.startswith("fernet:")
    assert "hooks.slack.com" in page
    for text in (page, entries, str(channel), channel.address, repr(channel)):
        assert "Sl4ckT0ken" not in text


def test_a_refused_form_does_not_send_the_address_back(world: FakeErp, sign_in: SignIn) -> None:
    form = {"kind": "slack", "address": "https://hooks.example.com/Sl4ckT0ken", "allows": "link"}
    answer = sign_in("dana").post("/settings/notifications/channels/", form)

    assert answer.status_code == 422
    assert "An incoming webhook of Slack begins with" in answer.content.decode()
    assert "Sl4ckT0ken" not in answer.content.decode()


def test_no_log_has_a_secret_at_any_level(
    world: FakeErp, receiver: Receiver, capfd: Any, caplog: Any, monkeypatch: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(clients.NotifySlack, "webhook_url", f"{receiver.url}/services")
    receiver.statuses = [500, 404]
    services.add_channel(actor=actor("dana"), kind="webhook", address=f"{receiver.url}/hook/s3cret")
    services.add_channel(actor=actor("dana"), kind="slack", address=SLACK)
    sweep()
    written = caplog.text + "".join(capfd.readouterr())

    assert len(receiver.got) == 2
    assert "notification.not_sent" in written
    assert "s3cret" not in written
    assert "Sl4ckT0ken" not in written


# --- whose ------------------------------------------------------------------------------------------------------------

ACTS = ["test", "retry", "switch", "remove"]


@pytest.mark.parametrize("act", ACTS)
def test_the_channel_of_another_person_is_404(world: FakeErp, receiver: Receiver, sign_in: SignIn, act: str) -> None:
    channel = connected("dana", receiver)
    answers = [sign_in("felix").post(f"/settings/notifications/channels/{id_}/{act}/") for id_ in (channel.id, uuid4())]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert Channel.objects.filter(id=channel.id, disabled_at=None).exists()
    assert str(channel.id) not in sign_in("felix").get("/settings/notifications/").content.decode()


def test_preferences_of_another_person_are_not_found(world: FakeErp, receiver: Receiver) -> None:
    channel = connected("dana", receiver)
    with pytest.raises(NotFound):
        services.change_preferences(actor=actor("felix"), modes={(str(channel.id), "opened"): "never"})
    with pytest.raises(NotFound):
        services.change_preferences(actor=actor("felix"), modes={}, allows={str(channel.id): "summary"})


def test_a_room_belongs_to_its_team(world: FakeErp, receiver: Receiver, sign_in: SignIn) -> None:
    channel = connected("dana", receiver, team="finance-approvers")

    assert str(channel.id) in sign_in("felix").get("/settings/notifications/").content.decode()
    assert str(channel.id) not in sign_in("carla").get("/settings/notifications/").content.decode()
    with pytest.raises(NotFound):
        services.add_channel(actor=actor("carla"), kind="slack", address=SLACK, team="finance-approvers")


def test_removing_a_channel_forgets_it(world: FakeErp, receiver: Receiver) -> None:
    channel = connected("dana", receiver)
    services.remove_channel(actor=actor("dana"), channel_id=channel.id)

    assert not Channel.objects.filter(id=channel.id).exists()
    assert not Delivery.objects.filter(channel=channel.id).exists()
    assert AuditEntry.objects.filter(code="notification_channel.removed", subject_id=str(channel.id)).exists()


def test_ten_channels_are_the_most(world: FakeErp) -> None:
    for _ in range(10):
        services.add_channel(actor=actor("dana"), kind="slack", address=SLACK)
    with pytest.raises(Conflict) as refusal:
        services.add_channel(actor=actor("dana"), kind="slack", address=SLACK)
    assert refusal.value.code == "notification.too_many_channels"


# --- e-mail -----------------------------------------------------------------------------------------------------------


def test_mail_goes_to_the_address_of_the_account(writer: Robot, mail: None) -> None:
    services.add_channel(actor=actor("dana"), kind="email")
    sweep()
    _, approval = parked(writer)
    sweep()

    test, told = mailbox.outbox
    assert (test.to, told.to) == (["dana@example.com"], ["dana@example.com"])
    assert told.from_email == "console@example.com"
    assert told.subject == "Mesh Console: An approval waits"
    assert f"http://localhost:8000/inbox/{approval.id}/" in told.body
    assert "http://localhost:8000/settings/notifications/" in told.body
    assert told.extra_headers["Auto-Submitted"] == "auto-generated"
    assert (told.content_subtype, told.attachments) == ("plain", [])


def test_without_a_mail_server_there_is_no_mail(world: FakeErp, sign_in: SignIn) -> None:
    with pytest.raises(Conflict) as refusal:
        services.add_channel(actor=actor("dana"), kind="email")
    page = sign_in("dana").get("/settings/notifications/").content.decode()

    assert refusal.value.code == "notification.mail_off"
    assert "E-mail is not set up in this installation." in page
    assert 'value="email"' not in page


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"kind": "email", "team": "finance-approvers"}, "notification.bad_kind"),
        ({"kind": "in_app"}, "notification.bad_kind"),
        ({"kind": "pager"}, "notification.bad_kind"),
        ({"kind": "slack", "address": SLACK, "allows": "everything"}, "notification.bad_allows"),
    ],
)
def test_what_no_form_offers_is_refused(world: FakeErp, mail: None, more: dict[str, str], code: str) -> None:
    with pytest.raises(MeshError) as refusal:
        services.add_channel(actor=actor("dana"), **more)

    assert refusal.value.code == code
    assert not Channel.objects.exists()


def test_one_mailbox_is_one_channel(world: FakeErp, mail: None) -> None:
    services.add_channel(actor=actor("dana"), kind="email")
    with pytest.raises(Conflict) as refusal:
        services.add_channel(actor=actor("dana"), kind="email")
    assert refusal.value.code == "notification.channel_exists"


def test_an_account_that_lost_its_address_gets_no_mail(world: FakeErp, mail: None) -> None:
    channel = services.add_channel(actor=actor("dana"), kind="email")
    User.objects.filter(username="dana").update(email="")
    sweep()
    channel.refresh_from_db()

    assert (mailbox.outbox, channel.last_error) == ([], "The account has no e-mail address.")


def test_a_mail_server_that_refuses_is_named_without_its_words(world: FakeErp, mail: None, monkeypatch: Any) -> None:
    class Refused(OSError):
        smtp_code = 550

    def refuse(self: Any) -> int:
        raise Refused(f"no such user {self.to}")

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    channel = services.add_channel(actor=actor("dana"), kind="email")
    sweep()
    channel.refresh_from_db()

    assert channel.last_error == "The mail server refused it (550)."
    assert Delivery.objects.get(channel=channel, kind=NewsKind.TEST).state == DeliveryState.FAILED
