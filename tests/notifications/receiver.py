"""A program that receives messages: a real HTTP server on loopback, which misbehaves on demand."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """`statuses` is consumed one request at a time; without any, the answer is 200 and `answer`."""

    url: str = ""
    answer: bytes = b"ok"
    statuses: list[int] = field(default_factory=list)
    always: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    got: list[dict[str, Any]] = field(default_factory=list)

    @property
    def bodies(self) -> list[Any]:
        return [one["body"] for one in self.got]

    @property
    def messages(self) -> list[str]:
        """What was said, of messages in Apprise's own JSON."""
        return [body["message"] for body in self.bodies]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        one = {"path": self.path, "headers": dict(self.headers), "body": json.loads(body)}
        self.receiver.got.append(one)
        self._answer(self.receiver.statuses.pop(0) if self.receiver.statuses else self.receiver.always)

    def do_GET(self) -> None:
        self.receiver.got.append({"path": self.path, "headers": dict(self.headers), "body": None})
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        for name, value in self.receiver.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.receiver.answer)))
        self.end_headers()
        self.wfile.write(self.receiver.answer)


@contextmanager
def receiving(wrap: Any = None) -> Iterator[Receiver]:
    """A receiver that runs until the end of the block; `wrap` puts TLS around its socket."""
    receiver = Receiver()
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if wrap is not None:
        server.socket = wrap(server.socket)
    receiver.url = f"{'https' if wrap else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
