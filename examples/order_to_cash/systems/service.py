"""What the three business systems share: routes, bearer token, JSON in and out, one SQLite database, faults.

Every write runs in one transaction that is committed before the answer leaves, so a fault that swallows the answer
leaves exactly the uncertainty a real outage leaves. HTTP/1.1 with keep-alive, one thread per connection.
"""

from __future__ import annotations

import argparse
import hmac
import json
import re
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from examples.order_to_cash.systems.faults import Draw, FaultKind, Faults
from examples.order_to_cash.systems.fields import Refusal

LARGEST_BODY_BYTES = 16 * 1024 * 1024  # an import of a few thousand invoices
IDLE_SECONDS = 75  # longer than any client here keeps a connection, so clients close first
GARBAGE = b"<html><body>Service temporarily \xff\xfe unavailable"


@dataclass(frozen=True)
class Request:
    """One request, already authenticated and parsed."""

    path: dict[str, str]
    query: dict[str, str]
    body: Any
    idempotency_key: str | None


Answer = tuple[int, Any]
Work = Callable[[sqlite3.Connection, Request], Answer]


@dataclass(frozen=True)
class Route:
    """`POST /credit-memos/{id}/void` and what it does. `is_faulty` routes misbehave when told to."""

    method: str
    template: str
    work: Work
    is_faulty: bool = True
    is_open: bool = False
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)))

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


class Service:
    """One business system: its routes on its database."""

    def __init__(self, *, name: str, schema: str, routes: list[Route], database: Path, token: str) -> None:
        self.name = name
        self.token = token
        self.faults = Faults([route.name for route in routes if route.is_faulty])
        self._routes = [*routes, *self._own_routes()]
        self._database = database
        self._write_lock = threading.Lock()  # SQLite has one writer; a queue here beats its busy-waiting
        self._local = threading.local()
        database.parent.mkdir(parents=True, exist_ok=True)
        self._connection().executescript(schema)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route for a path; 404 when none has it, 405 when only other methods do."""
        allowed = []
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match and route.method == method:
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
            if match:
                allowed.append(route.method)
        if allowed:
            raise Refusal(405, "method_not_allowed", f"{path} takes {', '.join(sorted(allowed))}")
        raise Refusal(404, "no_such_route", f"{self.name} has no {path}")

    def run(self, route: Route, request: Request) -> Answer:
        """Do the work; what it wrote is committed when this returns."""
        if route.method == "GET":
            return route.work(self._connection(), request)
        with self._transaction() as connection:
            return route.work(connection, request)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._database, isolation_level=None, timeout=30)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection = connection
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        with self._write_lock:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _own_routes(self) -> list[Route]:
        def health(_connection: sqlite3.Connection, _request: Request) -> Answer:
            return 200, {"service": self.name}

        def read_faults(_connection: sqlite3.Connection, _request: Request) -> Answer:
            return 200, self.faults.describe()

        def switch_faults(_connection: sqlite3.Connection, request: Request) -> Answer:
            try:
                self.faults.configure(request.body)
            except ValueError as problem:
                raise Refusal(422, "invalid_faults", str(problem)) from None
            return 200, self.faults.describe()

        return [
            Route("GET", "/healthz", health, is_faulty=False, is_open=True),
            Route("GET", "/faults", read_faults, is_faulty=False),
            Route("PUT", "/faults", switch_faults, is_faulty=False),
        ]


class _Exchange(BaseHTTPRequestHandler):
    """One HTTP exchange. `service` is set by `make_server`."""

    service: Service
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = 64 * 1024  # head and body leave in one write: in two, Nagle and delayed acknowledgement cost 40 ms

    def do_GET(self) -> None:
        self._exchange()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _exchange(self) -> None:
        address = urlsplit(self.path)
        try:
            body = self._read_body()
            route, path = self.service.find(self.command, address.path)
            self._check_token(route)
            request = Request(path, dict(parse_qsl(address.query)), _json(body), self.headers.get("Idempotency-Key"))
        except Refusal as refusal:
            self._answer(refusal.status, refusal.document)
            return
        draw = self.service.faults.draw(route.name) if route.is_faulty else Draw()
        time.sleep(draw.latency_seconds)
        if draw.kind is FaultKind.ERROR_500_BEFORE:
            self._answer(500, {"code": "internal_error", "detail": "the system failed"})
            return
        try:
            status, document = self.service.run(route, request)
        except Refusal as refusal:
            status, document = refusal.status, refusal.document
        self._answer_with(draw, status, document)

    def _answer_with(self, draw: Draw, status: int, document: Any) -> None:
        match draw.kind:
            case FaultKind.ERROR_500_AFTER:
                self._answer(500, {"code": "internal_error", "detail": "the system failed"})
            case FaultKind.LOST_ANSWER:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            case FaultKind.GARBAGE:
                self._send(200, GARBAGE, "text/html")
            case FaultKind.TIMEOUT_AFTER:
                time.sleep(draw.hold_seconds)
                self._answer(status, document)
            case _:
                self._answer(status, document)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise Refusal(411, "length_required", "send the body with a Content-Length")
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= LARGEST_BODY_BYTES:
            self.close_connection = True
            raise Refusal(413, "body_too_large", f"bodies may have up to {LARGEST_BODY_BYTES} bytes")
        return self.rfile.read(length)

    def _check_token(self, route: Route) -> None:
        expected = f"Bearer {self.service.token}".encode()
        if not route.is_open and not hmac.compare_digest(expected, self.headers.get("Authorization", "").encode()):
            raise Refusal(401, "unauthorized", "a bearer token of this system is needed")

    def _answer(self, status: int, document: Any) -> None:
        self._send(status, json.dumps(document, ensure_ascii=False).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except OSError:
            self.close_connection = True  # the client gave up waiting, which is what some faults are for

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the console's log and the ledger tell what happened."""


def _json(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        raise Refusal(400, "invalid_json", "the body is not JSON") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not worth a traceback; anything else is."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def make_server(service: Service, port: int) -> ThreadingHTTPServer:
    """Listen on the loopback interface; port 0 takes any free one."""
    exchange = type("Exchange", (_Exchange,), {"service": service})
    return _Server(("127.0.0.1", port), exchange)


def main(name: str, schema: str, routes: list[Route]) -> None:
    """Run one system until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog=name, description=f"The {name} of the reference mesh.")
    parser.add_argument("--port", type=int, required=True, help="0 takes any free port and prints it")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file, made when missing")
    parser.add_argument("--token-file", type=Path, required=True, help="the bearer token clients must send")
    options = parser.parse_args()
    token = options.token_file.read_text(encoding="utf-8").strip()
    service = Service(name=name, schema=schema, routes=routes, database=options.database, token=token)
    server = make_server(service, options.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    print(f"{name} listens on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.2)
    server.server_close()
