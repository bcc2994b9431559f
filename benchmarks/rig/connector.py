"""A business system that answers at once and counts what it was asked to do: the other end of every call measured.

As a program (`python -m benchmarks.rig.connector`) it prints its port and serves until it is killed. It speaks as much
HTTP as the gateway needs, on raw sockets: it shares the processors with what is measured and must cost next to nothing.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from meshconsole.local import processes
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.terminal import Trouble

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Ledger:
    """What reached the business system: requests, and effects (a key counts once, however often it comes)."""

    request_count: int
    effect_count: int


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector that runs in a process of its own."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ledger(self) -> Ledger:
        return Ledger(**self._ask("/ledger"))

    def arrivals(self) -> dict[str, float]:
        """When each call arrived first, by the agent's key and the clock that all processes of the machine share."""
        return {key.rpartition("/")[2]: seconds for key, seconds in self._ask("/arrivals").items()}

    def _ask(self, path: str) -> Any:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            link.request("GET", path)
            return json.loads(link.getresponse().read())
        finally:
            link.close()


@contextmanager
def running_connector() -> Iterator[Connector]:
    """Starts it, and ends it with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.rig.connector"],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=processes.die_with_parent(signal.SIGKILL),
    )
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise Trouble("The connector of the benchmark did not start.")
        yield Connector(int(line))
    finally:
        process.kill()
        process.wait()


# --- the program


@dataclass
class _Books:
    lock: threading.Lock = field(default_factory=threading.Lock)
    request_count: int = 0
    arrivals: dict[bytes, float] = field(default_factory=dict)

    def post(self, key: bytes) -> bytes:
        now = time.perf_counter()
        with self.lock:
            self.request_count += 1
            self.arrivals.setdefault(key, now)
            return b'{"id": "CM-%d"}' % self.request_count

    def as_json(self, head: bytes) -> bytes:
        with self.lock:
            if head.startswith(b"GET /arrivals"):
                return json.dumps({key.decode(): seconds for key, seconds in self.arrivals.items()}).encode()
            return json.dumps({"request_count": self.request_count, "effect_count": len(self.arrivals)}).encode()


def _serve(link: socket.socket, books: _Books) -> None:
    """One connection, kept open for as long as the other side likes."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received = b""
    with link:
        while True:
            while HEAD_END not in received:
                if not (more := link.recv(65536)):
                    return
                received += more
            head, _, rest = received.partition(HEAD_END)
            length = int(_header(head, b"content-length") or 0)
            while len(rest) < length:
                rest += link.recv(65536)
            received = rest[length:]
            body = books.as_json(head) if head.startswith(b"GET") else books.post(_header(head, b"idempotency-key"))
            link.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.lower() == name:
            return value.strip()
    return b""


def main() -> None:
    books = _Books()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            link, _ = listening.accept()
            threading.Thread(target=_serve, args=(link, books), daemon=True).start()


if __name__ == "__main__":
    main()
