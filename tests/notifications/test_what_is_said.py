"""What leaves the product: as much as the channel is allowed, and never markup that an agent wrote."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.test import Client

from apps.approvals import services as approvals
from apps.audit.models import AuditEntry
from apps.core.errors import NotAllowed
from apps.core.money import Money
from apps.notifications import addresses, clients, services
from apps.notifications.addresses import TeamsAddress
from apps.notifications.models import Channel, Delivery, News, NewsKind, Notice
from apps.notifications.wording import Item, Message, harmless, message_of
from tests.conftest import Robot, actor, parked
from tests.contract.database import contents
from tests.fakes.erp import FakeErp
from tests.notifications.receiver import Receiver, receiving
from tests.notifications.telling import connected, prefer, spread, sweep
from tests.notifications.test_channels import SLACK

pytestmark = pytest.mark.django_db
# What the card, the call and the people behind it are made of.
PRIVATE = (
    "C-204",
    "INV-1042",
    "1,280",
    "128000",
    "Order-to-cash writer",
    "writer",
    "Billed 80.00",
    "Price list",
    "Dana",
)
MORE: dict[str, Any] = {
    "rationale": "Billed 80.00 a unit, agreed were 64.00.",
    "evidence": [{"title": "Price list 2026-09", "uri": "urn:erp:price-list:2026-09", "sha256": "a" * 64}],
}


def everything_sent(receiver: Receiver) -> str:
    return str(receiver.got)


def test_a_link_tells_that_something_waits_and_nothing_of_it(writer: Robot, receiver: Receiver) -> None:
    connected("dana", receiver)
    parked(writer, **MORE)
    sweep()

    assert receiver.messages[0].startswith("An approval waits for Finance approvers.\n\nhttp://localhost:8000/inbox/")
    assert [word for word in PRIVATE if word in everything_sent(receiver)] == []


def test_a_summary_tells_what_is_asked_and_the_amount_and_no_more(writer: Robot, receiver: Receiver) -> None:
    connected("dana", receiver, allows="summary")
    parked(writer, **MORE)
    sweep()

    [message] = receiver.messages
    assert message.startswith("Waits for Finance approvers: Credit €1,280.00 to C-204 on invoice INV-1042\n\nhttp://")
    for word in ("Order-to-cash writer", "Billed 80.00", "Price list", "Dana"):
        assert word not in everything_sent(receiver)


def test_the_end_is_a_word_only_in_a_summary(writer: Robot, receiver: Receiver) -> None:
    for allows in ("link", "summary"):
        prefer("dana", connected("dana", receiver, allows=allows), resolved="now", opened="never")
    _, approval = parked(writer, "6000.00")
    for voter, verdict, reason in (("dana", "approve", ""), ("carla", "reject", "duplicate")):
        approvals.cast_vote(
            actor=actor(voter), approval_id=approval.id, verdict=verdict, digest=approval.digest, reason_code=reason
        )
    sweep()

    told = sorted(message.partition("\n")[0] for message in receiver.messages)
    assert told == [
        "An approval you voted on is resolved.",
        "Rejected: Credit €6,000.00 to C-204 on invoice INV-1042",
    ]


def test_an_installation_can_forbid_summaries(
    writer: Robot, receiver: Receiver, settings: Any, sign_in: Callable[..., Any]
) -> None:
    allowed = connected("dana", receiver, allows="summary")
    settings.NOTIFY_SUMMARIES = ["email"]
    with pytest.raises(NotAllowed) as refusal:
        services.add_channel(actor=actor("felix"), kind="slack", address=SLACK, allows="summary")
    parked(writer)
    sweep()

    form = {"kind": "slack", "address": SLACK, "allows": "summary"}
    refused = sign_in("felix").post("/settings/notifications/channels/", form)

    assert refusal.value.code == "notification.link_only"
    assert (refused.status_code, "carries a link and no more" in refused.content.decode()) == (422, True)
    assert Channel.objects.get(id=allowed.id).allows == "summary"
    assert receiver.messages[0].startswith("An approval waits for Finance approvers.")
    assert "C-204" not in everything_sent(receiver)


def test_allowing_more_is_in_the_log(world: FakeErp, receiver: Receiver) -> None:
    channel = connected("dana", receiver)
    services.change_preferences(actor=actor("dana"), modes={}, allows={str(channel.id): "summary"})

    entry = AuditEntry.objects.get(code="notification_channel.changed")
    assert (entry.actor_name, entry.data["before"], entry.data["allows"]) == ("Dana Ruiz", "link", "summary")


HOSTILE = [
    ("<!channel> pay now", "‹!channel› pay now"),
    ("<https://evil.example.com|Approve here>", "‹https: evil[.]example[.]com Approve here›"),
    ("[Approve](https://evil.example.com)", "(Approve)(https: evil[.]example[.]com)"),
    ("<at>Dana</at>", "‹at›Dana‹/at›"),
    ("@here and dana@example.com", "(at)here and dana(at)example[.]com"),
    ("line one\r\nBcc: all@example.com", "line one Bcc: all(at)example[.]com"),
    ("`code` *bold* ~gone~", "code bold gone"),
    ("left\u202eright\u200b", "left right"),
    ("€1,280.00 to C-204 & Co.", "€1,280.00 to C-204 & Co."),
    ("x" * 300, "x" * 199 + "…"),
]


@pytest.mark.parametrize(("text", "said"), HOSTILE)
def test_words_of_agents_are_words_and_nothing_else(text: str, said: str) -> None:
    assert harmless(text) == said


def test_many_are_ten_and_a_number() -> None:
    items = [
        Item(kind=NewsKind.OPENED, team="Finance", what=f"Pay {n}", money=Money(100 * n, "EUR")) for n in range(14)
    ]
    inbox, notices = "http://localhost/inbox/", "http://localhost/notifications/"
    message = message_of(items, allows="summary", inbox_url=inbox, list_url=notices)

    lines = message.text.split("\n")
    assert (message.title, len(lines), lines[-1]) == ("14 approvals", 11, "And 4 more.")
    assert lines[3] == "Waits for Finance: Pay 3, €3.00"


def test_an_installation_that_does_not_say_where_it_is_sends_no_link(
    writer: Robot, receiver: Receiver, settings: Any
) -> None:
    settings.BASE_URL = ""
    connected("dana", receiver)
    parked(writer)
    sweep()

    assert receiver.messages == ["An approval waits for Finance approvers."]


# --- as the providers get it ------------------------------------------------------------------------------------------


def test_slack_gets_plain_text(writer: Robot, receiver: Receiver, monkeypatch: Any) -> None:
    monkeypatch.setattr(clients.NotifySlack, "webhook_url", f"{receiver.url}/services")
    services.add_channel(actor=actor("dana"), kind="slack", address=SLACK, allows="summary")
    sweep()
    parked(writer)
    sweep()

    assert receiver.got[-1]["path"] == "/services/T0000AAAA/B0000BBBB/Sl4ckT0ken"
    body = receiver.bodies[-1]
    assert body["mrkdwn"] is False
    [card] = body["attachments"]
    assert card["title"] == "An approval waits"
    assert card["text"].startswith("Waits for Finance approvers: Credit €1,280.00 to C-204")
    assert set(card) == {"title", "text", "color"}, "no picture, no footer, nothing fetched from elsewhere"


@pytest.fixture
def teams(tmp_path: Path, monkeypatch: Any, settings: Any) -> Any:
    """A receiver with TLS, as Teams always has it, whose certificate is trusted for this test."""
    settings.NOTIFY_ALLOW_PRIVATE = True
    file = tmp_path / "loopback.pem"
    file.write_bytes(_certificate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with receiving(lambda plain: context.wrap_socket(plain, server_side=True)) as receiver:
        yield receiver


def _certificate() -> bytes:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def test_teams_gets_a_card_with_one_link(teams: Receiver) -> None:
    address = TeamsAddress(
        host="127.0.0.1",
        port=int(teams.url.rpartition(":")[2]),
        workflow="5f1e0a",
        signature="s1g",
        version="2016-06-01",
    )
    clients.post(address, Message("2 approvals", "One\nTwo", "https://console.example.com/inbox/"))

    [got] = teams.got
    assert got["path"].startswith("/workflows/5f1e0a/triggers/manual/paths/invoke?")
    assert "sig=s1g" in got["path"]
    title, text = got["body"]["attachments"][0]["content"]["body"]
    assert title["text"] == "2 approvals"
    assert text["text"] == "One\n\nTwo\n\n[Mesh Console](https://console.example.com/inbox/)"


def test_teams_with_an_untrusted_certificate_gets_nothing(teams: Receiver, monkeypatch: Any) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    address = TeamsAddress(host="127.0.0.1", port=int(teams.url.rpartition(":")[2]), workflow="5f1e0a", signature="s1g")
    with pytest.raises(clients.NotSent):
        clients.post(address, Message("title", "text", ""))

    assert teams.got == []


def test_a_webhook_gets_the_query_and_the_password_of_its_address(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]
    address = addresses.read("webhook", f"http://user:pass%20word@127.0.0.1:{port}/in/%20x?token=a%26b&method=GET")
    clients.post(address, Message("title", "text", ""))

    [got] = receiver.got
    assert got["path"] == "/in/%20x?token=a%26b&method=GET"
    assert got["headers"]["Authorization"].startswith("Basic ")
    assert got["body"]["message"] == "text"


# --- links ------------------------------------------------------------------------------------------------------------


def test_fetching_the_link_of_a_message_changes_nothing(
    writer: Robot, receiver: Receiver, sign_in: Callable[..., Any]
) -> None:
    """As the preview of Slack and the scanner of a mail server do, and as an approver's own browser does."""
    connected("dana", receiver)
    parked(writer)
    sweep()
    path = receiver.messages[0].partition("http://localhost:8000")[2]
    dana = sign_in("dana")
    before = contents()
    answers = [getattr(client, method)(path) for client in (Client(), dana) for method in ("get", "head")]

    assert [answer.status_code for answer in answers] == [302, 302, 200, 200]
    assert contents() == before
    assert answers[0]["Location"].startswith("/accounts/login/")


def test_no_news_is_written_anywhere_but_as_ids(writer: Robot, receiver: Receiver) -> None:
    """The words are made when they are sent; what is kept is who, what kind, which approval."""
    connected("dana", receiver, allows="summary")
    parked(writer, **MORE)
    spread()
    kept = str([*News.objects.values(), *Notice.objects.values(), *Delivery.objects.values()])

    assert [word for word in PRIVATE if word in kept] == []
