"""Connections to other systems: kept while they stand, never trusted to, and never waited for longer than agreed."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from apps.core.outward import Answer, AnswerLost, AnswerTooLarge, CannotBeAsked, Outward, TookTooLong, Unreachable

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class System:
    """Says the same to every request; `connections` are those that were opened to it."""

    def __init__(self, say: Callable[[socket.socket], None]) -> None:
        self.say = say
        self.connections: list[socket.socket] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}/x"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            while came := connection.recv(65536):
                if came.endswith(b"{}"):  # the body, which may come after the head
                    self.say(connection)
        except OSError:
            return


@contextmanager
def running(say: Callable[[socket.socket], None]) -> Iterator[System]:
    system = System(say)
    threading.Thread(target=system.serve, daemon=True).start()
    try:
        yield system
    finally:
        system.server.close()


def says(*pieces: bytes) -> Callable[[socket.socket], None]:
    def say(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return say


def hangs_up_after(*pieces: bytes) -> Callable[[socket.socket], None]:
    def say(connection: socket.socket) -> None:
        says(*pieces)(connection)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    return say


def outward(*, most_connections: int = 4, most_kept: int = 4) -> Outward:
    return Outward(may_be_private=lambda: True, most_connections=most_connections, most_kept=most_kept)


def ask(way: Outward, url: str, *, seconds: float = 2.0, most_bytes: int = 100, **headers: str) -> Answer:
    return way.send("POST", url, headers=headers, body=b"{}", seconds=seconds, most_bytes=most_bytes)


def test_a_connection_is_used_again_while_it_stands() -> None:
    way = outward()
    with running(says(FINE)) as system:
        assert [ask(way, system.url) for _ in range(3)] == [Answer(200, b"{}")] * 3
        assert len(system.connections) == 1
        system.connections[0].shutdown(socket.SHUT_RDWR)
        assert ask(way, system.url) == Answer(200, b"{}")
        assert len(system.connections) == 2


@pytest.mark.parametrize("pause", [0.0, 0.03], ids=["with the answer", "after it"])
def test_what_is_said_unasked_is_not_taken_for_the_next_answer(pause: float) -> None:
    answers = iter((b"1", b"2", b"3"))

    def say(connection: socket.socket) -> None:
        connection.sendall(FINE.replace(b"{}", b"a" + next(answers)))
        time.sleep(pause)
        connection.sendall(FINE.replace(b"{}", b"no"))

    way = outward()
    with running(say) as system:
        for number in (b"1", b"2", b"3"):
            assert ask(way, system.url).body == b"a" + number
            time.sleep(0.1)


def test_none_is_kept_for_strangers() -> None:
    way = outward(most_kept=0)
    with running(says(FINE)) as system:
        for _ in range(2):
            ask(way, system.url)
        assert len(system.connections) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nX: y\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n{",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_an_answer_that_ends_too_early_or_is_none_is_lost(answer: bytes) -> None:
    way = outward()
    with running(hangs_up_after(answer)) as system, pytest.raises(AnswerLost):
        ask(way, system.url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" + FINE,
    ],
    ids=["chunks", "until it hangs up", "continue"],
)
def test_every_form_of_a_body_is_read(answer: bytes) -> None:
    with running(hangs_up_after(answer)) as system:
        assert ask(outward(), system.url) == Answer(200, b"{}")


@pytest.mark.parametrize("length", [b"Content-Length: 101\r\n\r\n", b"\r\n"])
def test_more_than_one_wants_to_read_is_not_read(length: bytes) -> None:
    say = hangs_up_after(b"HTTP/1.1 201 OK\r\n" + length + b"x" * 101)
    with running(say) as system, pytest.raises(AnswerTooLarge) as answer:
        ask(outward(), system.url)
    assert answer.value.status == 201


def test_a_body_that_drips_ends_with_the_exchange() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(FINE.replace(b"Length: 2", b"Length: 90")[:-2])
        for _ in range(90):
            connection.sendall(b" ")
            time.sleep(0.05)

    began = time.monotonic()
    with running(drip) as system, pytest.raises(TookTooLong):
        ask(outward(), system.url, seconds=0.4)
    assert time.monotonic() - began < 2


def test_a_place_that_does_not_come_free_is_nobody_reached() -> None:
    way = outward(most_connections=1)
    is_asked = threading.Event()

    def wait(connection: socket.socket) -> None:
        is_asked.set()
        time.sleep(1.0)
        connection.sendall(FINE)

    with running(wait) as system:
        first = threading.Thread(target=ask, args=(way, system.url))
        first.start()
        assert is_asked.wait(2)
        with pytest.raises(Unreachable):
            ask(way, system.url, seconds=0.2)
        first.join()
        assert ask(way, system.url, seconds=3) == Answer(200, b"{}")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/x",
        "http:///x",
        "http://127.0.0.1:70000/x",
        "http://127.0.0.1:1/a b",
        "http://127.0.0.1:1/a\x7f",
        "http://[::1/x",
        "http://a b/x",
    ],
)
def test_what_http_cannot_carry_is_not_asked(url: str) -> None:
    with pytest.raises((CannotBeAsked, Unreachable)):
        ask(outward(), url)


def test_a_header_cannot_bring_another_with_it() -> None:
    with running(says(FINE)) as system, pytest.raises(CannotBeAsked):
        ask(outward(), system.url, Key="a\r\nHost: elsewhere")
