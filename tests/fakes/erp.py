"""A business system for tests: keeps a ledger, honours idempotency keys, and misbehaves on demand."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATIENCE_SECONDS = 1.0


@dataclass
class FakeErp:
    """`faults` is consumed one request at a time: "500", "500_after", "timeout_after", "lost", "garbage", "shape",
    "400".
    """

    url: str = ""
    ledger: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    always: str = ""
    answer: bytes | None = None
    lock: Any = field(default_factory=threading.Lock)

    def reset(self) -> None:
        with self.lock:
            self.ledger.clear()
            self.requests.clear()
            self.faults.clear()
            self.always = ""
            self.answer = None

    def post_memo(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            for entry in self.ledger:
                if entry["reference"] == key:
                    return entry
            entry = {**body, "id": f"CM-{len(self.ledger) + 1}", "reference": key}
            self.ledger.append(entry)
            return entry

    def requests_of(self, path: str) -> list[dict[str, Any]]:
        """The bodies posted to this path, in order."""
        return [request["body"] for request in self.requests if request["path"] == path]

    def next_fault(self) -> str:
        with self.lock:
            return self.faults.pop(0) if self.faults else self.always


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    erp: FakeErp

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.erp.requests.append({"method": "GET", "path": url.path, "key": self.headers.get("Idempotency-Key")})
        reference = parse_qs(url.query).get("reference", [""])[0]
        if self.erp.next_fault() == "500":
            self._answer(500, {"error": "down"})
            return
        self._answer(200, {"items": [entry for entry in self.erp.ledger if entry["reference"] == reference]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
        key = self.headers.get("Idempotency-Key", "")
        self.erp.requests.append(
            {"method": "POST", "path": self.path, "key": key, "body": body, "token": self.headers.get("Authorization")}
        )
        self._misbehave(self.erp.next_fault(), key, body)

    def _misbehave(self, fault: str, key: str, body: dict[str, Any]) -> None:
        if fault == "500":
            self._answer(500, {"error": "down"})
            return
        if fault == "400":
            self._answer(400, {"error": "invoice is closed"})
            return
        entry = self.erp.post_memo(key, body)
        if fault == "500_after":
            self._answer(500, {"error": "down"})
        elif fault == "timeout_after":
            time.sleep(PATIENCE_SECONDS * 1.5)
            self.close_connection = True
        elif fault == "lost":
            self.close_connection = True
        elif fault == "garbage":
            self._raw(200, b"<html>oops")
        elif self.erp.answer is not None:
            self._raw(200, self.erp.answer)
        elif fault == "shape":
            self._answer(200, {"identifier": entry["id"]})
        else:
            self._answer(201, {"id": entry["id"]})

    def _answer(self, status: int, body: Any) -> None:
        self._raw(status, json.dumps(body).encode())

    def _raw(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_erp() -> Iterator[FakeErp]:
    erp = FakeErp()
    handler = type("Handler", (_Handler,), {"erp": erp})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    erp.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield erp
    finally:
        server.shutdown()
        server.server_close()


__all__ = ["PATIENCE_SECONDS", "FakeErp", "running_erp"]
