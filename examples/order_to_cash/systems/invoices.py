"""The ERP's invoices and the feed of events that wakes the agents up."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from examples.order_to_cash.money import minor_from_text, text_from_minor
from examples.order_to_cash.systems import fields
from examples.order_to_cash.systems.fields import Refusal
from examples.order_to_cash.systems.service import Answer, Request

SCHEMA = """
CREATE TABLE IF NOT EXISTS invoice (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    open_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    issued TEXT NOT NULL,
    due TEXT NOT NULL,
    settled TEXT,
    dispute_reason TEXT,
    is_disputed INTEGER NOT NULL,
    is_written_off INTEGER NOT NULL DEFAULT 0,
    line TEXT NOT NULL,
    imported TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS invoice_by_customer ON invoice (customer_id);
CREATE INDEX IF NOT EXISTS invoice_disputed ON invoice (id) WHERE is_disputed;
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    invoice_id TEXT NOT NULL REFERENCES invoice (id),
    at TEXT NOT NULL
);
"""

EVENT_TYPES = ("invoice_created", "payment_failed", "dispute_opened", "resolution_posted")
STATUS_CONDITIONS = {
    "disputed": "is_disputed",
    "written_off": "is_written_off",
    "settled": "settled IS NOT NULL AND NOT is_disputed",
    "open": "settled IS NULL AND NOT is_disputed AND NOT is_written_off AND due >= date('now')",
    "overdue": "settled IS NULL AND NOT is_disputed AND NOT is_written_off AND due < date('now')",
}
"""Each invoice has exactly one status; the order is the one `_status` asks in."""

LARGEST_IMPORT = 5000


def get_invoice(connection: sqlite3.Connection, request: Request) -> Answer:
    return 200, as_document(invoice_row(connection, request.path["id"]))


def list_invoices(connection: sqlite3.Connection, request: Request) -> Answer:
    """Invoices in order of their ids: `status`, `customer_id`, `after` (an id) and `limit` narrow the list."""
    conditions, values = ["id > ?"], [request.query.get("after", "")]
    if "status" in request.query:
        conditions.append(STATUS_CONDITIONS[fields.choice(request.query, "status", STATUS_CONDITIONS)])
    if "customer_id" in request.query:
        conditions.append("customer_id = ?")
        values.append(fields.text(request.query, "customer_id"))
    limit = fields.page_size(request.query)
    where = " AND ".join(conditions)
    rows = connection.execute(f"SELECT * FROM invoice WHERE {where} ORDER BY id LIMIT ?", (*values, limit)).fetchall()
    return 200, {"items": [as_document(row) for row in rows], "next": rows[-1]["id"] if len(rows) == limit else None}


def import_invoices(connection: sqlite3.Connection, request: Request) -> Answer:
    """Take all invoices of the body or none. One that is there already with the same content is left alone."""
    documents = fields.body_object(request.body).get("invoices")
    if not isinstance(documents, list) or len(documents) > LARGEST_IMPORT:
        raise fields.invalid("invoices", f"must be a list of at most {LARGEST_IMPORT}")
    created = sum(_import(connection, fields.body_object(document)) for document in documents)
    return 200, {"created": created, "unchanged": len(documents) - created}


def fail_payment(connection: sqlite3.Connection, request: Request) -> Answer:
    """A direct debit came back: tells whoever listens, changes nothing."""
    invoice = invoice_row(connection, request.path["id"])
    record_event(connection, "payment_failed", invoice["id"])
    return 201, {"invoice_id": invoice["id"]}


def list_events(connection: sqlite3.Connection, request: Request) -> Answer:
    """What happened after event number `after`, oldest first; `type` narrows. Only types and ids: a trigger."""
    after, limit = fields.cursor(request.query), fields.page_size(request.query)
    wanted = [fields.choice(request.query, "type", EVENT_TYPES)] if "type" in request.query else list(EVENT_TYPES)
    marks = ", ".join("?" * len(wanted))
    rows = connection.execute(
        f"SELECT id, type, invoice_id, at FROM event WHERE id > ? AND type IN ({marks}) ORDER BY id LIMIT ?",
        (after, *wanted, limit),
    ).fetchall()
    return 200, {"items": [dict(row) for row in rows], "next": rows[-1]["id"] if rows else after}


def invoice_row(connection: sqlite3.Connection, invoice_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM invoice WHERE id = ?", (invoice_id,)).fetchone()
    if row is None:
        raise Refusal(404, "no_such_invoice", f"there is no invoice {invoice_id}")
    return row


def record_event(connection: sqlite3.Connection, event_type: str, invoice_id: str) -> None:
    connection.execute(
        "INSERT INTO event (type, invoice_id, at) VALUES (?, ?, ?)", (event_type, invoice_id, now_text())
    )


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_document(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "customer_id": row["customer_id"],
        "amount": text_from_minor(row["amount_minor"]),
        "open_amount": text_from_minor(row["open_minor"]),
        "currency": row["currency"],
        "issued": row["issued"],
        "due": row["due"],
        "settled": row["settled"],
        "status": _status(row),
        "disputed": bool(row["is_disputed"]),
        "dispute_reason": row["dispute_reason"],
        "line": json.loads(row["line"]),
    }


def _status(row: sqlite3.Row) -> str:
    if row["is_disputed"]:
        return "disputed"
    if row["is_written_off"]:
        return "written_off"
    if row["settled"]:
        return "settled"
    return "overdue" if row["due"] < datetime.now(UTC).date().isoformat() else "open"


def _import(connection: sqlite3.Connection, document: dict[str, Any]) -> bool:
    """Store one invoice; False when it is there already. 409 when the one there is another."""
    facts = _checked(document)
    known = connection.execute("SELECT imported FROM invoice WHERE id = ?", (facts["id"],)).fetchone()
    imported = json.dumps(facts, sort_keys=True)
    if known is not None:
        if known["imported"] != imported:
            raise Refusal(409, "invoice_differs", f"invoice {facts['id']} is there with other content")
        return False
    open_minor = 0 if facts["settled"] else facts["amount_minor"]
    is_disputed = facts["dispute_reason"] is not None
    connection.execute(
        "INSERT INTO invoice (id, customer_id, amount_minor, open_minor, currency, issued, due, settled,"
        " dispute_reason, is_disputed, line, imported) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(facts[name] for name in ("id", "customer_id", "amount_minor")),
            open_minor,
            *(facts[name] for name in ("currency", "issued", "due", "settled", "dispute_reason")),
            is_disputed,
            json.dumps(facts["line"]),
            imported,
        ),
    )
    record_event(connection, "invoice_created", facts["id"])
    if is_disputed:
        record_event(connection, "dispute_opened", facts["id"])
    return True


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    line = document.get("line")
    if not isinstance(line, dict):
        raise fields.invalid("line", "must be an object")
    return {
        "id": fields.text(document, "id", fields.INVOICE_NUMBER),
        "customer_id": fields.text(document, "customer_id", fields.IDENTIFIER),
        "amount_minor": fields.amount_minor(document),
        "currency": fields.currency(document),
        "issued": fields.day(document, "issued"),
        "due": fields.day(document, "due"),
        "settled": fields.day(document, "settled") if document.get("settled") else None,
        "dispute_reason": fields.optional_text(document, "dispute_reason"),
        "line": _checked_line(line),
    }


def _checked_line(line: dict[str, Any]) -> dict[str, Any]:
    try:
        minor_from_text(fields.text(line, "agreed"))
    except ValueError as problem:
        raise fields.invalid("line.agreed", str(problem)) from None
    return {
        "agreed": line["agreed"],
        "delivered_percent": fields.whole_number(line, "delivered_percent", default=100, largest=100),
        "days_delivered_late": fields.whole_number(line, "days_delivered_late", default=0, largest=3650),
        "duplicate_of": fields.optional_text(line, "duplicate_of"),
    }
