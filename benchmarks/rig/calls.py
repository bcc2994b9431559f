"""The one call that is measured, as bytes on a connection that stays open, and what came back."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass

PATH = "/api/v1/tool-calls"
HEAD_END = b"\r\n\r\n"


def request_bytes(*, port: int, token: str, key: str, invoice: str) -> bytes:
    """`POST /api/v1/tool-calls` for a small credit memo, which policy allows."""
    body = json.dumps(
        {
            "tool": "erp.issue_credit_memo",
            "arguments": {
                "invoice_id": invoice,
                "customer_id": "C-204",
                "amount": "180.00",
                "currency": "EUR",
                "reason_code": "price_mismatch",
            },
            "idempotency_key": key,
            "rationale": "The price list says 12.00, the invoice 13.50.",
            "confidence": 0.93,
        }
    ).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    @property
    def is_done(self) -> bool:
        """True for a call that was allowed and has succeeded."""
        return self.status == 200 and b'"state":"succeeded"' in self.body and b'"replayed":false' in self.body


def read_answer(received: bytes) -> Answer | None:
    """The answer, None while it is not complete."""
    head, found, body = received.partition(HEAD_END)
    if not found:
        return None
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"),
        0,
    )
    return Answer(int(head[9:12]), body) if len(body) >= length else None


def connect(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port), timeout=30)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def call_once(link: socket.socket, request: bytes) -> Answer:
    """Send one call and wait for its answer. Raises ConnectionError when there is none."""
    link.sendall(request)
    received = b""
    while (answer := read_answer(received)) is None:
        if not (more := link.recv(65536)):
            raise ConnectionError("The console closed the connection.")
        received += more
    return answer
