"""Whatever a receiver does, and wherever its name leads, sending ends in time, inside no network of ours, with a
sentence.
"""

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.external import clients
from apps.external.clients import WebhookRefused, post_webhook
from tests.external.receiver import Receiver

HEADERS = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}


def post(url: str) -> str:
    """What the sender says of it; "" when it was taken."""
    try:
        post_webhook(url, headers=HEADERS, body=b"{}")
    except WebhookRefused as refused:
        return refused.sentence
    return ""


def test_it_is_taken(receiver: Receiver) -> None:
    assert post(f"{receiver.url}/hooks") == ""
    [message] = receiver.messages
    assert (message.path, message.body) == ("/hooks", b"{}")
    assert message.headers["host"] == receiver.url.removeprefix("http://")
    assert message.headers["user-agent"] == "mesh-console"


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("500", "The receiver answered 500."),
        ("400", "The receiver answered 400."),
        ("410", "The receiver answered 410."),
        ("302", "The receiver answered 302."),
        ("307", "The receiver answered 307."),
        ("garbage", "The receiver's answer was lost on the way or is not HTTP."),
        ("close", "The receiver's answer was lost on the way or is not HTTP."),
    ],
)
def test_a_receiver_that_does_not_take_it(receiver: Receiver, fault: str, sentence: str) -> None:
    receiver.faults = [fault]

    assert post(f"{receiver.url}/hooks") == sentence
    # a redirect was not followed
    assert [message.path for message in receiver.messages] == ["/hooks"]


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_receiver_that_takes_its_time_is_left(
    receiver: Receiver, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "TOTAL_SECONDS", 1)
    receiver.faults = [fault]
    started = time.monotonic()
    sentence = post(f"{receiver.url}/hooks")
    seconds = time.monotonic() - started
    receiver.released.set()

    assert sentence == "The receiver did not answer within 1 seconds."
    assert seconds < 3


def test_an_answer_of_any_size_is_not_read(receiver: Receiver) -> None:
    receiver.faults = ["huge"]
    started = time.monotonic()

    assert post(f"{receiver.url}/hooks") == ""
    assert time.monotonic() - started < 3


def test_nobody_there(receiver: Receiver) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    assert post(f"http://127.0.0.1:{port}/") == "The receiver cannot be reached."
    assert post("http://nobody.invalid/") == "The receiver cannot be reached."
    assert post(f"http://{'a' * 80}.example.com/") == "The receiver cannot be reached."


# --- where a name leads -----------------------------------------------------------------------------------------------

INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "::1",
    "fe80::1%eth0",
    "fd00::1",
    "::ffff:127.0.0.1",
]


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name lead to these addresses."""

    def lookup(host: str, port: Any, **kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_not_followed(settings: Any, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    settings.EXTERNAL_ALLOW_PRIVATE = False
    resolving(monkeypatch, address)

    assert post("https://gateway.example.com/") == ("The receiver resolves to a private address, which is not allowed.")


def test_one_address_inside_is_one_too_many(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EXTERNAL_ALLOW_PRIVATE = False
    resolving(monkeypatch, "93.184.215.14", "10.1.2.3")

    assert "private address" in post("https://gateway.example.com/")


def test_loopback_spelled_as_a_number_is_loopback(settings: Any, receiver: Receiver) -> None:
    settings.EXTERNAL_ALLOW_PRIVATE = False
    port = receiver.url.rpartition(":")[2]

    for host in ("2130706433", "0x7f000001", "127.1", "localhost", "[::1]"):
        assert "private address" in post(f"http://{host}:{port}/") or host == "[::1]"
    assert receiver.messages == []


def test_the_address_that_was_looked_at_is_the_one_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is looked up a second time may lead elsewhere."""
    looked_up: list[str] = []
    genuine = socket.getaddrinfo

    def lookup(host: str, *args: Any, **kwargs: Any) -> Any:
        looked_up.append(host)
        return genuine("127.0.0.1" if host == "gateway.example.com" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    port = receiver.url.rpartition(":")[2]

    assert post(f"http://gateway.example.com:{port}/hooks") == ""
    assert looked_up.count("gateway.example.com") == 1
    assert all(ip_address(host) for host in looked_up if host != "gateway.example.com")
    assert receiver.messages[0].headers["host"] == f"gateway.example.com:{port}"


# --- TLS --------------------------------------------------------------------------------------------------------------


def test_a_certificate_nobody_vouches_for_is_not_trusted(settings: Any, tmp_path: Path) -> None:
    settings.EXTERNAL_ALLOW_PRIVATE = True
    with tls_server(tmp_path) as (port, received):
        assert post(f"https://localhost:{port}/") == "The receiver's certificate cannot be trusted."
    assert received == []


@contextmanager
def tls_server(directory: Path) -> Iterator[tuple[int, list[bytes]]]:
    """(port, what came through) of a server that vouches for itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(directory))
    received: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        plain, _ = server.accept()
        try:
            with context.wrap_socket(plain, server_side=True) as stream:
                received.append(stream.recv(1024))
        except OSError:
            plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1], received
    thread.join(timeout=5)
    server.close()


def self_signed(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
