"""The CRM: customers with tier and contract terms, notes on them, more time to pay, and master data no agent changes.

python -m examples.order_to_cash.systems.crm --port 9102 --database crm.sqlite3 --token-file F
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from typing import Any

from examples.order_to_cash.systems import fields, service
from examples.order_to_cash.systems.fields import Refusal
from examples.order_to_cash.systems.service import Answer, Request, Route

SCHEMA = """
CREATE TABLE IF NOT EXISTS customer (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    tier TEXT NOT NULL,
    country TEXT NOT NULL,
    contact_email TEXT NOT NULL,
    is_email_bouncing INTEGER NOT NULL,
    terms TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS note (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customer (id),
    note TEXT NOT NULL,
    reference TEXT UNIQUE
);
CREATE TABLE IF NOT EXISTS extension (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customer (id),
    invoice_id TEXT NOT NULL,
    days INTEGER NOT NULL,
    status TEXT NOT NULL,
    reference TEXT UNIQUE
);
"""

TIERS = ("gold", "silver", "standard")
LARGEST_IMPORT = 5000
LONGEST_EXTENSION_DAYS = 30
EMAIL = r"[^@\s]+@[^@\s]+"


def get_customer(connection: sqlite3.Connection, request: Request) -> Answer:
    customer = _customer(connection, request.path["id"])
    notes = connection.execute("SELECT count(*) FROM note WHERE customer_id = ?", (customer["id"],)).fetchone()[0]
    return 200, _document(customer) | {"note_count": notes}


def add_note(connection: sqlite3.Connection, request: Request) -> Answer:
    """Honest idempotency: the same Idempotency-Key gives the same note, another text under it is refused."""
    customer = _customer(connection, request.path["id"])
    text = fields.text(fields.body_object(request.body), "note")
    known = connection.execute("SELECT * FROM note WHERE reference = ?", (request.idempotency_key,)).fetchone()
    if known is not None:
        if (known["customer_id"], known["note"]) != (customer["id"], text):
            raise Refusal(409, "idempotency_conflict", "this Idempotency-Key was used with another note")
        return 200, dict(known)
    note = {"id": f"NOTE-{uuid.uuid4().hex[:12]}", "customer_id": customer["id"], "note": text}
    note["reference"] = request.idempotency_key
    connection.execute("INSERT INTO note VALUES (:id, :customer_id, :note, :reference)", note)
    return 201, note


def extend_term(connection: sqlite3.Connection, request: Request) -> Answer:
    """More days to pay one invoice. The same Idempotency-Key gives the same extension, another wish under it is
    refused.
    """
    customer = _customer(connection, request.path["id"])
    body = fields.body_object(request.body)
    wish = {"customer_id": customer["id"], "invoice_id": fields.text(body, "invoice_id", fields.INVOICE_NUMBER)}
    wish["days"] = fields.whole_number(body, "days", default=0, largest=LONGEST_EXTENSION_DAYS)
    if not wish["days"]:
        raise fields.invalid("days", "must be more than zero")
    known = _extension(connection, "reference", request.idempotency_key) if request.idempotency_key else None
    if known is not None:
        if any(known[name] != value for name, value in wish.items()):
            raise Refusal(409, "idempotency_conflict", "this Idempotency-Key was used with another extension")
        return 200, dict(known)
    extension = {"id": f"EXT-{uuid.uuid4().hex[:12]}", **wish, "status": "granted"}
    extension["reference"] = request.idempotency_key
    connection.execute(
        "INSERT INTO extension VALUES (:id, :customer_id, :invoice_id, :days, :status, :reference)", extension
    )
    return 201, extension


def withdraw_extension(connection: sqlite3.Connection, request: Request) -> Answer:
    """Take it back; once or many times is the same."""
    if _extension(connection, "id", request.path["id"]) is None:
        raise Refusal(404, "no_such_extension", f"there is no extension {request.path['id']}")
    connection.execute("UPDATE extension SET status = 'withdrawn' WHERE id = ?", (request.path["id"],))
    withdrawn = _extension(connection, "id", request.path["id"])
    return 200, dict(withdrawn or {})


def _extension(connection: sqlite3.Connection, column: str, value: str | None) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(f"SELECT * FROM extension WHERE {column} = ?", (value,)).fetchone()
    return row


def update_customer(connection: sqlite3.Connection, request: Request) -> Answer:
    """Change master data. It is here so that policy has something to forbid."""
    customer = _customer(connection, request.path["id"])
    email = fields.text(fields.body_object(request.body), "contact_email", EMAIL)
    connection.execute(
        "UPDATE customer SET contact_email = ?, is_email_bouncing = 0 WHERE id = ?", (email, customer["id"])
    )
    return 200, _document(_customer(connection, customer["id"]))


def import_customers(connection: sqlite3.Connection, request: Request) -> Answer:
    """Take all customers of the body or none. Those that are there already stay as they are."""
    documents = fields.body_object(request.body).get("customers")
    if not isinstance(documents, list) or len(documents) > LARGEST_IMPORT:
        raise fields.invalid("customers", f"must be a list of at most {LARGEST_IMPORT}")
    rows = [_checked(fields.body_object(document)) for document in documents]
    columns = "id, name, tier, country, contact_email, is_email_bouncing, terms"
    marks = ", ".join(f":{name}" for name in columns.split(", "))
    before = connection.total_changes
    connection.executemany(f"INSERT INTO customer ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING", rows)
    created = connection.total_changes - before
    return 200, {"created": created, "unchanged": len(rows) - created}


def _customer(connection: sqlite3.Connection, customer_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM customer WHERE id = ?", (customer_id,)).fetchone()
    if row is None:
        raise Refusal(404, "no_such_customer", f"there is no customer {customer_id}")
    return row


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": fields.text(document, "id", fields.IDENTIFIER),
        "name": fields.text(document, "name"),
        "tier": fields.choice(document, "tier", TIERS),
        "country": fields.text(document, "country"),
        "contact_email": fields.text(document, "contact_email", EMAIL),
        "is_email_bouncing": bool(document.get("is_email_bouncing")),
        "terms": json.dumps(fields.body_object(document.get("terms", {}))),
    }


def _document(row: sqlite3.Row) -> dict[str, Any]:
    bouncing = bool(row["is_email_bouncing"])
    return dict(row) | {"is_email_bouncing": bouncing, "terms": json.loads(row["terms"])}


ROUTES = [
    Route("GET", "/customers/{id}", get_customer),
    Route("PATCH", "/customers/{id}", update_customer),
    Route("POST", "/customers/{id}/notes", add_note),
    Route("POST", "/customers/{id}/extensions", extend_term),
    Route("POST", "/extensions/{id}/withdraw", withdraw_extension),
    Route("POST", "/customers/import", import_customers),
]

if __name__ == "__main__":
    service.main("crm", SCHEMA, ROUTES)
