"""Where a request to a business system may go, how long it may take, and what is known of its effect when it fails."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from apps.core.errors import ConnectorError
from apps.core.outward import _read_url
from apps.gateway.clients import _outgoing, call_connector
from apps.registry.models import ConnectorEndpoint, Tool
from tests.external.test_receivers import self_signed

pytestmark = pytest.mark.django_db
ARGUMENTS = {"reference": "CM-1"}
# What a tool's path may be, with its arguments in it.
PATH = r"/([^/?#\s{}][^?#\s{}]{0,10}(\{reference\})?[^?#\s{}]{0,10})?"


def ask(base_url: str, *, private: bool = True, seconds: float = 1.0) -> str:
    """Ask the ERP's read tool at this address: the code of what went wrong and its effect, or "ok"."""
    tool = Tool.objects.select_related("connector").get(name="erp.find")
    tool.timeout_seconds = seconds
    endpoint = ConnectorEndpoint(base_url=base_url, allow_private_addresses=private)
    try:
        call_connector(tool=tool, endpoint=endpoint, arguments=ARGUMENTS, idempotency_key="k-1")
    except ConnectorError as error:
        return f"{error.code} {error.effect}"
    return "ok"


@contextmanager
def system(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A system that does this with each connection."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            try:
                answer(connection)
            except OSError:
                pass
            finally:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.close()


def dripping(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        for byte in text:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    return answer


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b" " * 900,
    ],
    ids=["in its headers", "in its body"],
)
def test_a_system_that_drips_is_left_at_the_time_out(text: bytes) -> None:
    with system(dripping(text)) as url:
        began = time.monotonic()
        assert ask(url) == "connector.timeout unknown"
        assert time.monotonic() - began < 2


def test_a_private_address_needs_the_connectors_word() -> None:
    with system(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as url:
        assert ask(url, private=False) == "connector.private_address none"


def test_a_connection_that_was_let_through_is_no_way_for_others() -> None:
    received: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            received.append(data)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with system(answer) as url:
        ask(url)
        assert ask(url, private=False) == "connector.private_address none"
    assert len(received) == 1


def test_the_address_that_was_looked_at_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    genuine = socket.getaddrinfo

    def lookup(host: str, *args: Any, **kwargs: Any) -> Any:
        looked_up.append(host)
        return genuine("127.0.0.1" if host == "erp.example.com" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with system(dripping(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as url:
        port = url.rpartition(":")[2]
        ask(f"http://erp.example.com:{port}", seconds=9)

    assert looked_up.count("erp.example.com") == 1


def test_a_redirect_is_not_followed() -> None:
    asked: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 307 Elsewhere\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    with system(answer) as url:
        assert ask(url) == "connector.server_error unknown"
    assert len(asked) == 1


def test_a_certificate_nobody_vouches_for_is_not_trusted_and_nothing_is_sent(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    received: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            received.append(stream.recv(1024))

    with system(answer) as url:
        assert ask(url.replace("http://127.0.0.1", "https://localhost"), seconds=5) == "connector.untrusted none"
    assert received == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reference=some.text(max_size=40), path=some.from_regex(PATH, fullmatch=True))
@example(reference="@evil.example", path="/x/{reference}")
@example(reference="//evil.example/", path="/{reference}")
@example(reference="..", path="/{reference}/{reference}")
def test_no_argument_and_no_template_leads_to_another_host(world: object, reference: str, path: str) -> None:
    tool = Tool.objects.select_related("connector").get(name="erp.find")
    tool.request = {"method": "GET", "path": path, "query": {"q": "/reference"}}
    endpoint = ConnectorEndpoint(base_url="https://erp.example:8443/base")
    try:
        url = _outgoing(tool, endpoint, {"reference": reference}, "k-1").url
    except (ConnectorError, KeyError, IndexError, AttributeError):
        return
    assert urlsplit(url)[:2] == ("https", "erp.example:8443")
    assert _read_url(url)[0] == ("https", "erp.example", 8443)


def test_a_template_that_would_lead_elsewhere_sends_nothing() -> None:
    """Registering it is refused; this is what stands behind that."""
    tool = Tool.objects.select_related("connector").get(name="erp.find")
    tool.request = {"method": "GET", "path": ".evil.example/{reference}"}
    endpoint = ConnectorEndpoint(base_url="https://erp.example")
    with pytest.raises(ConnectorError) as refusal:
        call_connector(tool=tool, endpoint=endpoint, arguments=ARGUMENTS, idempotency_key="k-1")

    assert (refusal.value.code, refusal.value.effect) == ("connector.cannot_ask", "none")


def test_nobody_there() -> None:
    assert ask("http://127.0.0.1:9") == "connector.unreachable none"
    assert ask("http://nobody.invalid") == "connector.unreachable none"
