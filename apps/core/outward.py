"""HTTP to systems that are not ours: to an address that was checked and no other, within one deadline, and without
whatever would lead the request somewhere else.

A host name is looked up once per connection and the connection goes to what was found: a name that is asked twice may
answer differently. httpcore times each read alone, so a system that drips would go on for ever; here every wait of an
exchange ends at its deadline. Redirects are answers like any other, certificates are verified, proxies of the
environment are not used.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore

from apps.core.addresses import addresses_of, are_public

CONNECT_SECONDS = 3.0
# Enough for a host with two kinds of addresses, one of which does not work from here.
ADDRESSES_TRIED = 3
KEPT_SECONDS = 20


class PrivateAddress(Exception):
    """The name leads inside, and may not."""


class Untrusted(Exception):
    """The other side's certificate does not hold. Nothing was sent."""


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


class Outward:
    """Connections to other systems, kept open for a while and shared between threads.

    `may_be_private` is asked at each new connection whether it may lead inside.
    """

    def __init__(self, *, may_be_private: Callable[[], bool], most_connections: int, most_kept: int) -> None:
        self._pool = httpcore.ConnectionPool(
            network_backend=_CheckedBackend(may_be_private),
            max_connections=most_connections,
            max_keepalive_connections=most_kept,
            keepalive_expiry=KEPT_SECONDS,
            retries=0,
        )

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float, most_bytes: int
    ) -> Answer:
        """One exchange within so many seconds, from looking up the name to the last byte that is read.

        Raises httpcore's exceptions, of which ConnectError, ConnectTimeout, PoolTimeout, UnsupportedProtocol and
        LocalProtocolError say that nothing was sent; PrivateAddress and Untrusted, which say so too; AnswerTooLarge.
        With `most_bytes` 0 the body is not read.
        """
        waits = {"connect": min(seconds, CONNECT_SECONDS), "pool": min(seconds, CONNECT_SECONDS)}
        timeouts = {"read": seconds, "write": seconds} | waits
        with (
            _until(time.monotonic() + seconds),
            self._pool.stream(
                method, url, headers=[*headers.items()], content=body, extensions={"timeout": timeouts}
            ) as response,
        ):
            return Answer(response.status, _read(response, most_bytes) if most_bytes else b"")


def _read(response: httpcore.Response, most_bytes: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_stream():
        body += chunk
        if len(body) > most_bytes:
            raise AnswerTooLarge(response.status)
    return bytes(body)


# The end of the exchange that this thread carries out, by the monotonic clock. A connection outlives an exchange and
# goes from thread to thread, so its deadline cannot be its own.
_exchange = threading.local()


@contextmanager
def _until(end: float) -> Iterator[None]:
    _exchange.end = end
    try:
        yield
    finally:
        del _exchange.end


def _left(timeout: float | None, *, late: type[httpcore.TimeoutException] = httpcore.ReadTimeout) -> float:
    """Seconds that this wait may take. Raises `late` when the exchange has none left."""
    left = getattr(_exchange, "end", float("inf")) - time.monotonic()
    if left <= 0:
        raise late("the deadline of the whole exchange")
    return left if timeout is None else min(left, timeout)


class _CheckedBackend(httpcore.NetworkBackend):
    def __init__(self, may_be_private: Callable[[], bool]) -> None:
        self._inner = httpcore.SyncBackend()
        self._may_be_private = may_be_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        for address in self._addresses(host):
            left = _left(timeout, late=httpcore.ConnectTimeout)
            try:
                return _Timed(self._inner.connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        raise httpcore.ConnectError(f"nothing answers at {host}")

    def _addresses(self, host: str) -> list[str]:
        try:
            addresses = addresses_of(host)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None
        if not self._may_be_private() and not are_public(addresses):
            raise PrivateAddress(host)
        return addresses[:ADDRESSES_TRIED]


class _Timed(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline of the exchange that waits."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            return _Timed(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise Untrusted from None
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
