"""HTTP to systems that are not ours: to an address that was checked and no other, within one deadline, and without
whatever would lead the request somewhere else.

A host name is looked up once per connection and the connection goes to what was found: a name that is asked twice may
answer differently. Timed one by one, the reads of a system that drips would go on for ever; here every wait of an
exchange ends at its deadline. Redirects are answers like any other, certificates are verified, proxies of the
environment are not used. Written on the standard library's client: a fuller one takes twice the processor time.
"""

import io
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, InvalidURL
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import certifi

from apps.core.addresses import addresses_of, are_public

CONNECT_SECONDS = 3.0
# Enough for a host with two kinds of addresses, one of which does not work from here.
ADDRESSES_TRIED = 3
KEPT_SECONDS = 20
PORTS = {"http": 80, "https": 443}


class NothingSent(Exception):
    """Nothing has left this machine for the other side."""


class Unreachable(NothingSent):
    """The name leads nowhere, nobody answers there, or all our connections are in use."""


class PrivateAddress(NothingSent):
    """The name leads inside, and may not."""


class Untrusted(NothingSent):
    """The other side's certificate does not hold."""


class CannotBeAsked(NothingSent):
    """The request has no form in HTTP."""


class TookTooLong(Exception):
    """The exchange had begun and did not end in time. What was asked for may have happened."""


class AnswerLost(Exception):
    """The connection broke, or what came is not HTTP. What was asked for may have happened."""


class AnswerTooLarge(Exception):
    """More than anybody wants to read. What was asked for may have happened: `status` is what the system said of it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is as much as was asked for, or nothing."""

    status: int
    body: bytes


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class Outward:
    """Connections to other systems, kept open for a while and shared between threads.

    `may_be_private` is asked at each new connection whether it may lead inside.
    """

    def __init__(self, *, may_be_private: Callable[[], bool], most_connections: int, most_kept: int) -> None:
        self._may_be_private = may_be_private
        self._places = threading.BoundedSemaphore(most_connections)
        self._kept: deque[_Connection] = deque()
        self._most_kept = most_kept
        self._lock = threading.Lock()

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float, most_bytes: int
    ) -> Answer:
        """One exchange within so many seconds, from looking up the name to the last byte that is read.

        Raises NothingSent, TookTooLong, AnswerLost, AnswerTooLarge. With `most_bytes` 0 the body is not read.
        """
        ends_at = time.monotonic() + seconds
        origin, target = _read_url(url)
        if not self._places.acquire(timeout=min(seconds, CONNECT_SECONDS)):
            raise Unreachable("all connections are in use")
        try:
            connection = self._kept_to(origin) or _Connection(origin, self._may_be_private)
            try:
                return connection.exchange(method, target, headers, body, ends_at=ends_at, most_bytes=most_bytes)
            finally:
                self._put_back(connection)
        finally:
            self._places.release()

    def _kept_to(self, origin: Origin) -> "_Connection | None":
        """The one used last that still stands."""
        while True:
            with self._lock:
                found = next((one for one in reversed(self._kept) if one.origin == origin), None)
                if found is None:
                    return None
                self._kept.remove(found)
            if found.still_stands():
                return found
            found.close()

    def _put_back(self, connection: "_Connection") -> None:
        if not connection.can_go_on:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        dropped = []
        with self._lock:
            self._kept.append(connection)
            while self._kept and (len(self._kept) > self._most_kept or self._kept[0].is_old()):
                dropped.append(self._kept.popleft())
        for one in dropped:
            one.close()


def _read_url(url: str) -> tuple[Origin, str]:
    try:
        parts = urlsplit(url)
        origin = Origin(parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0))
    except ValueError as error:
        raise CannotBeAsked(str(error)) from None
    if origin.scheme not in PORTS or not origin.host:
        raise CannotBeAsked("no address of HTTP")
    return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class _Connection(HTTPConnection):
    """To one origin, for one thread at a time."""

    def __init__(self, origin: Origin, may_be_private: Callable[[], bool]) -> None:
        try:
            super().__init__(origin.host, origin.port)
        except InvalidURL as error:
            raise CannotBeAsked(str(error)) from None
        self.default_port = PORTS[origin.scheme]  # leaves the port out of Host
        self.origin = origin
        self.idle_since = 0.0
        self.can_go_on = False
        self._may_be_private = may_be_private
        self._ends_at = 0.0
        self._written = b""

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        ends_at: float,
        most_bytes: int,
    ) -> Answer:
        self.can_go_on = False
        self._ends_at = ends_at
        self._written = b""
        if self.sock is None:
            self.connect()
        timed: Any = self.sock
        timed.ends_at = ends_at
        try:
            try:
                self.request(method, target, body, headers)
                self._send_written()
            except (ValueError, InvalidURL) as error:  # all of the head is written before any of it goes out
                raise CannotBeAsked(str(error)) from None
            response = self.getresponse()
            answer = Answer(response.status, _body(response, most_bytes) if most_bytes else b"")
            self.can_go_on = response.isclosed() and not response.will_close
            return answer
        except TimeoutError:
            raise TookTooLong("the deadline of the whole exchange") from None
        except (HTTPException, OSError) as error:
            raise AnswerLost(str(error)) from None

    def send(self, data: Any) -> None:
        """Head and body go out together, in one packet where they fit."""
        self._written += data

    def _send_written(self) -> None:
        written, self._written = self._written, b""
        super().send(written)

    def connect(self) -> None:
        """Raises NothingSent."""
        for address in self._addresses():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            opened = _Timed(family, socket.SOCK_STREAM)
            try:
                opened.settimeout(_left(min(self._ends_at, time.monotonic() + CONNECT_SECONDS)))
                opened.connect((address, self.port))
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sock = self._secured(opened) if self.origin.scheme == "https" else opened
                return
            except ssl.SSLError as error:
                opened.close()
                raise Untrusted(str(error)) from None
            except OSError:
                opened.close()
        raise Unreachable(f"nothing answers at {self.host}")

    def _addresses(self) -> list[str]:
        try:
            addresses = addresses_of(self.host)
        except OSError as error:
            raise Unreachable(str(error)) from None
        if not self._may_be_private() and not are_public(addresses):
            raise PrivateAddress(self.host)
        return addresses[:ADDRESSES_TRIED]

    def _secured(self, opened: socket.socket) -> socket.socket:
        opened.settimeout(_left(self._ends_at))
        return _context().wrap_socket(opened, server_hostname=self.host)

    def is_old(self) -> bool:
        return time.monotonic() - self.idle_since > KEPT_SECONDS

    def still_stands(self) -> bool:
        """Whether the other side has neither closed it nor said anything unasked."""
        if self.is_old() or self.sock is None:
            return False
        asked = select.poll()
        asked.register(self.sock, select.POLLIN)
        return not asked.poll(0)


def _body(response: HTTPResponse, most_bytes: int) -> bytes:
    body = response.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise AnswerTooLarge(response.status)
    if response.length:  # read() with a size takes an early end for the end
        raise AnswerLost("the connection ended within the body")
    return body


def _left(ends_at: float) -> float:
    """Seconds until then. Raises TimeoutError when there are none."""
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _WholeLines(io.BufferedReader):
    """http.client takes the end of the connection for the end of the head, and half a head for an empty answer."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise ConnectionResetError("the connection ended within a line")
        return line


class _TimedWaits:
    """Each wait for the other side ends when the exchange does."""

    ends_at = float("inf")

    def makefile(self, mode: str) -> io.BufferedReader:
        return _WholeLines(super().makefile(mode, buffering=0))  # type: ignore[misc]

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_left(self.ends_at))  # type: ignore[attr-defined]
        return super().recv_into(*arguments)  # type: ignore[misc,no-any-return]

    def send(self, *arguments: Any) -> int:
        self.settimeout(_left(self.ends_at))  # type: ignore[attr-defined]
        return super().send(*arguments)  # type: ignore[misc,no-any-return]

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_left(self.ends_at))  # type: ignore[attr-defined]
        super().sendall(*arguments)  # type: ignore[misc]


class _Timed(_TimedWaits, socket.socket):  # type: ignore[misc]
    pass


class _TimedTLS(_TimedWaits, ssl.SSLSocket):  # type: ignore[misc]
    pass


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.sslsocket_class = _TimedTLS
    return context
