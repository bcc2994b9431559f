"""Ticketing: opens a ticket per request, however often the same one is sent. It has lookup instead of idempotency.

python -m examples.order_to_cash.systems.ticketing --port 9103 --database ticketing.sqlite3 --token-file F
"""

from __future__ import annotations

import sqlite3
import uuid

from examples.order_to_cash.systems import fields, service
from examples.order_to_cash.systems.fields import Refusal
from examples.order_to_cash.systems.service import Answer, Request, Route

SCHEMA = """
CREATE TABLE IF NOT EXISTS ticket (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    reference TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ticket_by_reference ON ticket (reference);
CREATE TABLE IF NOT EXISTS comment (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    ticket_id TEXT NOT NULL REFERENCES ticket (id),
    text TEXT NOT NULL
);
"""


def open_ticket(connection: sqlite3.Connection, request: Request) -> Answer:
    body = fields.body_object(request.body)
    ticket = {name: fields.text(body, name) for name in ("reference", "customer_id", "title", "text")}
    ticket["id"] = f"T-{uuid.uuid4().hex[:10]}"
    connection.execute(
        "INSERT INTO ticket (id, reference, customer_id, title, text)"
        " VALUES (:id, :reference, :customer_id, :title, :text)",
        ticket,
    )
    return 201, ticket


def find_tickets(connection: sqlite3.Connection, request: Request) -> Answer:
    """Every ticket with this reference, oldest first."""
    reference = fields.text(request.query, "reference")
    rows = connection.execute("SELECT * FROM ticket WHERE reference = ? ORDER BY number", (reference,))
    return 200, {"items": [dict(row) for row in rows]}


def get_ticket(connection: sqlite3.Connection, request: Request) -> Answer:
    ticket = _ticket(connection, request.path["id"])
    rows = connection.execute("SELECT id, text FROM comment WHERE ticket_id = ? ORDER BY number", (ticket["id"],))
    return 200, dict(ticket) | {"comments": [dict(row) for row in rows]}


def add_comment(connection: sqlite3.Connection, request: Request) -> Answer:
    ticket = _ticket(connection, request.path["id"])
    comment = {"id": f"C-{uuid.uuid4().hex[:10]}", "ticket_id": ticket["id"]}
    comment["text"] = fields.text(fields.body_object(request.body), "text")
    connection.execute("INSERT INTO comment (id, ticket_id, text) VALUES (:id, :ticket_id, :text)", comment)
    return 201, comment


def _ticket(connection: sqlite3.Connection, ticket_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM ticket WHERE id = ?", (ticket_id,)).fetchone()
    if row is None:
        raise Refusal(404, "no_such_ticket", f"there is no ticket {ticket_id}")
    return row


ROUTES = [
    Route("GET", "/tickets", find_tickets),
    Route("POST", "/tickets", open_ticket),
    Route("GET", "/tickets/{id}", get_ticket),
    Route("POST", "/tickets/{id}/comments", add_comment),
]

if __name__ == "__main__":
    service.main("ticketing", SCHEMA, ROUTES)
