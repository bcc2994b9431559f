"""The ERP's credit memos, voids and write-offs, and the ledger that remembers each of them for good.

Idempotency as an honest ERP has it: the same `Idempotency-Key` and the same body give the same document again, the same
key with another body is refused, and without a key every request posts. A credit may exceed what is open: the balance
then stands in the customer's favour, and a double posting shows in the ledger instead of being hidden by a refusal.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from typing import Any

from examples.order_to_cash.money import text_from_minor
from examples.order_to_cash.systems import fields
from examples.order_to_cash.systems.fields import Refusal
from examples.order_to_cash.systems.invoices import invoice_row, now_text, record_event
from examples.order_to_cash.systems.service import Answer, Request

SCHEMA = """
CREATE TABLE IF NOT EXISTS posting (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    invoice_id TEXT NOT NULL REFERENCES invoice (id),
    customer_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reference TEXT,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    UNIQUE (kind, reference)
);
CREATE TABLE IF NOT EXISTS ledger (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    document_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reference TEXT
);
CREATE TRIGGER IF NOT EXISTS ledger_keeps_rows BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_keeps_values BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""

CREDIT_MEMO, WRITE_OFF, VOID = "credit_memo", "write_off", "void"
PREFIX = {CREDIT_MEMO: "CM", WRITE_OFF: "WO"}
REASONS = {
    CREDIT_MEMO: ("price_mismatch", "short_delivery", "duplicate", "goodwill"),
    WRITE_OFF: ("unexplained_balance", "uncollectible"),
}


def issue_credit_memo(connection: sqlite3.Connection, request: Request) -> Answer:
    return _post(connection, request, CREDIT_MEMO)


def write_off(connection: sqlite3.Connection, request: Request) -> Answer:
    return _post(connection, request, WRITE_OFF)


def find_credit_memos(connection: sqlite3.Connection, request: Request) -> Answer:
    return _find(connection, request, CREDIT_MEMO)


def find_write_offs(connection: sqlite3.Connection, request: Request) -> Answer:
    return _find(connection, request, WRITE_OFF)


def void_credit_memo(connection: sqlite3.Connection, request: Request) -> Answer:
    """Take a credit memo back. Voiding one that is void already changes nothing and says so by its status."""
    memo = connection.execute(
        "SELECT * FROM posting WHERE id = ? AND kind = ?", (request.path["id"], CREDIT_MEMO)
    ).fetchone()
    if memo is None:
        raise Refusal(404, "no_such_credit_memo", f"there is no credit memo {request.path['id']}")
    if memo["status"] == "void":
        return 200, _document(memo)
    connection.execute("UPDATE posting SET status = 'void' WHERE id = ?", (memo["id"],))
    _change_open_amount(connection, memo["invoice_id"], memo["amount_minor"])
    _enter(connection, VOID, memo, request.idempotency_key)
    return 200, _document(memo) | {"status": "void"}


def list_ledger(connection: sqlite3.Connection, request: Request) -> Answer:
    """Entries after number `after`, oldest first."""
    after, limit = fields.cursor(request.query), fields.page_size(request.query)
    rows = connection.execute(
        "SELECT * FROM ledger WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
    ).fetchall()
    items = [_entry(row) for row in rows]
    return 200, {"items": items, "next": rows[-1]["number"] if rows else after}


def summarize_ledger(connection: sqlite3.Connection, _request: Request) -> Answer:
    """Count and sum in minor units per kind and currency: `{"credit_memo": {"EUR": {"count": 1, "minor": 4400}}}`."""
    summary: dict[str, dict[str, dict[str, int]]] = {CREDIT_MEMO: {}, VOID: {}, WRITE_OFF: {}}
    for row in connection.execute(
        "SELECT kind, currency, count(*) AS count, sum(amount_minor) AS minor FROM ledger GROUP BY kind, currency"
    ):
        summary[row["kind"]][row["currency"]] = {"count": row["count"], "minor": row["minor"]}
    return 200, summary


def _post(connection: sqlite3.Connection, request: Request, kind: str) -> Answer:
    wanted = _checked(fields.body_object(request.body), kind)
    body = json.dumps(wanted, sort_keys=True)
    known = _by_reference(connection, kind, request.idempotency_key)
    if known is not None:
        if known["body"] != body:
            raise Refusal(409, "idempotency_conflict", "this Idempotency-Key was used with another body")
        return 200, _document(known)
    invoice = invoice_row(connection, wanted["invoice_id"])
    for name in ("customer_id", "currency"):
        if wanted[name] != invoice[name]:
            raise fields.invalid(name, f"of invoice {invoice['id']} is {invoice[name]}")
    posting = {
        **wanted,
        "id": f"{PREFIX[kind]}-{uuid.uuid4().hex[:12]}",
        "kind": kind,
        "reference": request.idempotency_key,
        "body": body,
        "status": "posted",
    }
    columns = ", ".join(posting)
    marks = ", ".join(f":{name}" for name in posting)
    connection.execute(f"INSERT INTO posting ({columns}) VALUES ({marks})", posting)
    _change_open_amount(connection, invoice["id"], -wanted["amount_minor"])
    _settle_dispute(connection, invoice["id"], kind)
    _enter(connection, kind, posting, request.idempotency_key)
    record_event(connection, "resolution_posted", invoice["id"])
    return 201, _document(posting)


def _checked(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "invoice_id": fields.text(body, "invoice_id", fields.INVOICE_NUMBER),
        "customer_id": fields.text(body, "customer_id", fields.IDENTIFIER),
        "amount_minor": fields.amount_minor(body),
        "currency": fields.currency(body),
        "reason_code": fields.choice(body, "reason_code", REASONS[kind]),
    }


def _by_reference(connection: sqlite3.Connection, kind: str, reference: str | None) -> sqlite3.Row | None:
    if reference is None:
        return None
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM posting WHERE kind = ? AND reference = ?", (kind, reference)
    ).fetchone()
    return row


def _find(connection: sqlite3.Connection, request: Request, kind: str) -> Answer:
    row = _by_reference(connection, kind, fields.text(request.query, "reference"))
    return 200, {"items": [] if row is None else [_document(row)]}


def _change_open_amount(connection: sqlite3.Connection, invoice_id: str, by_minor: int) -> None:
    connection.execute("UPDATE invoice SET open_minor = open_minor + ? WHERE id = ?", (by_minor, invoice_id))


def _settle_dispute(connection: sqlite3.Connection, invoice_id: str, kind: str) -> None:
    connection.execute(
        "UPDATE invoice SET is_disputed = 0, is_written_off = ? WHERE id = ?", (kind == WRITE_OFF, invoice_id)
    )


def _enter(
    connection: sqlite3.Connection, kind: str, posting: sqlite3.Row | dict[str, Any], reference: str | None
) -> None:
    connection.execute(
        "INSERT INTO ledger (at, at_ns, kind, document_id, invoice_id, customer_id, amount_minor, currency,"
        " reason_code, reference) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            now_text(),
            time.time_ns(),
            kind,
            *(posting[name] for name in ("id", "invoice_id", "customer_id", "amount_minor", "currency", "reason_code")),
            reference,
        ),
    )


def _document(posting: sqlite3.Row | dict[str, Any]) -> dict[str, Any]:
    names = ("id", "kind", "invoice_id", "customer_id", "currency", "reason_code", "reference", "status")
    return {name: posting[name] for name in names} | {"amount": text_from_minor(posting["amount_minor"])}


def _entry(row: sqlite3.Row) -> dict[str, Any]:
    # Nanoseconds as text: as a number they exceed what JSON carries exactly.
    return dict(row) | {"at_ns": str(row["at_ns"]), "amount": text_from_minor(row["amount_minor"])}
