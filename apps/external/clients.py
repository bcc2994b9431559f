"""Posting a webhook to wherever a caller said. The address is a stranger's word, so all of it is bounded: where it may
lead, how long it may take, and how much it may answer.
"""

import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpcore
from django.conf import settings

from apps.core.addresses import addresses_of, are_public

CONNECT_SECONDS = 3.0
# From looking up the name to the last header of the answer.
TOTAL_SECONDS = 10
# Enough for a host with two kinds of addresses, one of which does not work from here.
ADDRESSES_TRIED = 3
GONE = 410


class WebhookRefused(Exception):
    """The receiver did not take it. `permanent` when asking again would not help."""

    def __init__(self, sentence: str, *, permanent: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.permanent = permanent


def post_webhook(url: str, *, headers: Mapping[str, str], body: bytes) -> None:
    """Returns when the receiver answered 2xx. Raises WebhookRefused for everything else.

    A redirect is an answer like any other that is not 2xx: following it would send what was signed to somebody else.
    The body of the answer is never read. Certificates are verified; proxies of the environment are not used.
    """
    try:
        status = _post(url, headers, body)
    except httpcore.TimeoutException:
        raise WebhookRefused(f"The receiver did not answer within {TOTAL_SECONDS} seconds.") from None
    except httpcore.ConnectError:
        raise WebhookRefused("The receiver cannot be reached.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError):
        raise WebhookRefused("The receiver's answer was lost on the way or is not HTTP.") from None
    if not 200 <= status < 300:
        raise WebhookRefused(f"The receiver answered {status}.", permanent=status == GONE)


def _post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    own = {"host": urlsplit(url).netloc, "content-type": "application/json", "user-agent": "mesh-console"}
    timeouts = {"connect": CONNECT_SECONDS, "read": TOTAL_SECONDS, "write": TOTAL_SECONDS, "pool": CONNECT_SECONDS}
    with (
        httpcore.ConnectionPool(network_backend=_Outward(), max_connections=1, retries=0) as pool,
        pool.stream(
            "POST", url, headers=[*own.items(), *headers.items()], content=body, extensions={"timeout": timeouts}
        ) as response,
    ):
        return response.status


def public_addresses_of(host: str) -> list[str]:
    """The addresses of the host, to connect to one of those and no other: a name that is looked up twice may answer
    differently. Raises WebhookRefused when the name leads nowhere, or anywhere inside.
    """
    try:
        addresses = addresses_of(host)
    except OSError:
        raise WebhookRefused("The receiver cannot be reached.") from None
    if not settings.EXTERNAL_ALLOW_PRIVATE and not are_public(addresses):
        raise WebhookRefused("The receiver resolves to a private address, which is not allowed.")
    return addresses[:ADDRESSES_TRIED]


class _Outward(httpcore.NetworkBackend):
    """Connects to the checked address only, and gives the whole exchange one deadline: httpcore times each read alone,
    so a receiver that drips would go on for ever.
    """

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self._end = time.monotonic() + TOTAL_SECONDS

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        for address in public_addresses_of(host):
            try:
                left = _left(self._end, timeout)
                return _Bounded(self._inner.connect_tcp(address, port, left, local_address, socket_options), self._end)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        raise httpcore.ConnectError


class _Bounded(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, end: float) -> None:
        self._inner = inner
        self._end = end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._end, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._end, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            inner = self._inner.start_tls(ssl_context, server_hostname, _left(self._end, timeout))
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise WebhookRefused("The receiver's certificate cannot be trusted.") from None
            raise
        return _Bounded(inner, self._end)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(end: float, timeout: float | None) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline of the whole exchange")
    return left if timeout is None else min(left, timeout)
