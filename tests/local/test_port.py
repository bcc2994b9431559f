"""A port that is taken is said at once, with the way out."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from meshconsole.local import port
from meshconsole.local.terminal import Trouble


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_named_with_the_option(taken: int) -> None:
    with pytest.raises(Trouble, match=rf"Port {taken} is taken .* --port {taken + 1}"):
        port.refuse_taken(taken, "127.0.0.1")


def test_a_server_on_all_addresses_takes_it_too() -> None:
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        assert not port.is_free(server.getsockname()[1])


def test_a_server_that_shares_its_port_takes_it_too() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not port.is_free(server.getsockname()[1])


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_whoever_answers_for_localhost_in_ipv6_takes_it_too() -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            server.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 loopback here")
        server.listen()
        with pytest.raises(Trouble, match="is taken"):
            port.refuse_taken(server.getsockname()[1], "127.0.0.1")


def test_a_port_is_free_right_after_its_server_stopped(taken: int) -> None:
    with socket.create_connection(("127.0.0.1", taken)):
        pass
    number = port.choose_free()
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", number))
        server.listen()
        with socket.create_connection(("127.0.0.1", number)):
            accepted, _ = server.accept()
            accepted.close()  # closed by the server first: the port lingers on its side
    port.refuse_taken(number, "127.0.0.1")


@pytest.mark.parametrize(("number", "host", "says"), [(0, "127.0.0.1", "1 to 65535"), (8000, "192.0.2.1", "192.0.2.1")])
def test_a_place_that_cannot_be_is_a_sentence(number: int, host: str, says: str) -> None:
    with pytest.raises(Trouble, match=says):
        port.refuse_taken(number, host)


def test_nobody_answers_on_a_free_port() -> None:
    assert not port.answers(port.choose_free(), "127.0.0.1", "/healthz")
