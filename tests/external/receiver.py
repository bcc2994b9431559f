"""A gateway outside, as far as it takes webhooks: verifies signatures, keeps what it got, and misbehaves on demand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

# Longer than any test waits, shorter than anybody waits for a test.
HANG_SECONDS = 5.0
DRIP_SECONDS = 0.05
HUGE_BYTES = 64 * 1024 * 1024
STATUSES = {"204": 204, "400": 400, "410": 410, "500": 500, "302": 302, "307": 307}


@dataclass
class Message:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """What it says; raises when the signature does not hold."""
        return dict(Webhook(secret).verify(self.body, self.headers))


@dataclass
class Receiver:
    """`faults` is consumed one request at a time: a status, "hang", "drip", "huge", "garbage", "close"."""

    url: str = ""
    messages: list[Message] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        self.messages.clear()
        self.faults.clear()
        self.released.clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receiver.messages.append(Message(self.path, headers, body))
        fault = self.receiver.faults.pop(0) if self.receiver.faults else "204"
        if fault in STATUSES:
            self._answer(STATUSES[fault])
            return
        self.close_connection = True
        with suppress(OSError):  # the sender has had enough
            getattr(self, f"_{fault}")()

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if status in (302, 307):
            self.send_header("Location", f"{self.receiver.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _hang(self) -> None:
        self.receiver.released.wait(HANG_SECONDS)

    def _drip(self) -> None:
        """A header that never ends, a letter at a time."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.receiver.released.wait(DRIP_SECONDS):
            self.wfile.write(b"x")
            self.wfile.flush()

    def _huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(HUGE_BYTES))
        self.end_headers()
        for _ in range(HUGE_BYTES // 65536):
            self.wfile.write(b"x" * 65536)

    def _garbage(self) -> None:
        self.wfile.write(b"220 mail.example.com ESMTP\r\n")

    def _close(self) -> None:
        pass


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"receiver": receiver}))
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
