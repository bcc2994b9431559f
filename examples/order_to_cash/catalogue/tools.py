"""Connectors and the narrow tools on them: how arguments become HTTP, and how to tell whether an effect happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from examples.order_to_cash.catalogue.schemas import (
    AMOUNT,
    CURRENCY,
    CURSOR,
    CUSTOMER_ID,
    DOCUMENT_ID,
    EXTENSION_DAYS,
    INVOICE_ID,
    ITEMS,
    PAGE_SIZE,
    REFERENCE,
    SENTENCE,
    TITLE,
    Schema,
    arguments,
    result,
)
from examples.order_to_cash.systems.invoices import STATUS_CONDITIONS
from examples.order_to_cash.systems.postings import CREDIT_MEMO, REASONS, WRITE_OFF

CONNECTOR_NAMES = {"erp": "ERP", "crm": "CRM", "ticketing": "Ticketing"}
TIMEOUT_SECONDS = 5
BREAKER = {"error_rate": 0.5, "window_seconds": 30, "min_calls": 10, "cooldown_seconds": 10}

MONEY = {"amount": "/amount", "currency": "/currency"}
INVOICE = {"type": "invoice", "id": "/invoice_id"}
CUSTOMER = {"type": "customer", "id": "/customer_id"}
TICKET = {"type": "ticket", "id": "/ticket_id"}


def connectors(ports: dict[str, int], home: Path) -> list[dict[str, Any]]:
    """One HTTP connector per system. The token is read from its file, so the console never stores it."""
    return [
        {
            "slug": slug,
            "name": name,
            "kind": "http",
            "environments": {
                "production": {
                    "base_url": f"http://127.0.0.1:{ports[slug]}",
                    "auth": {"type": "bearer", "secret": f"file://{home}/{slug}.token"},
                    "timeout_seconds": TIMEOUT_SECONDS,
                    "allow_private_addresses": True,
                    "breaker": BREAKER,
                }
            },
        }
        for slug, name in CONNECTOR_NAMES.items()
    ]


def _tool(name: str, title: str, says: str, request: dict[str, Any], **more: Any) -> dict[str, Any]:
    connector = name.partition(".")[0]
    return {"name": name, "connector": connector, "title": title, "says": says, "request": request, **more}


def _read(name: str, title: str, says: str, path: str, **more: Any) -> dict[str, Any]:
    query = {argument: f"/{argument}" for argument in more.pop("query", ())}
    request = {"method": "GET", "path": path} | ({"query": query} if query else {})
    return _tool(name, title, says, request, effect="read", **more)


def _write(name: str, title: str, says: str, method: str, path: str, **more: Any) -> dict[str, Any]:
    return _tool(name, title, says, {"method": method, "path": path, "body": "/"}, effect="write", **more)


def _posting_arguments(kind: str) -> Schema:
    return arguments(
        invoice_id=INVOICE_ID,
        customer_id=CUSTOMER_ID,
        amount=AMOUNT,
        currency=CURRENCY,
        reason_code={"enum": list(REASONS[kind])},
    )


ERP_READS = [
    _read(
        "erp.get_invoice",
        "Read an invoice",
        "Read invoice {invoice_id}",
        "/invoices/{invoice_id}",
        entity=INVOICE,
        data_classes=["financial"],
        input_schema=arguments(invoice_id=INVOICE_ID),
        output_schema=result("id", "customer_id", "amount", "currency", "status", line={"type": "object"}),
    ),
    _read(
        "erp.list_invoices",
        "List a customer's invoices",
        "List {status} invoices of {customer_id}",
        "/invoices",
        query=("customer_id", "status", "limit"),
        entity=CUSTOMER,
        data_classes=["financial"],
        input_schema=arguments(
            customer_id=CUSTOMER_ID,
            status={"enum": list(STATUS_CONDITIONS)},
            limit=PAGE_SIZE,
        ),
        output_schema=result(items=ITEMS),
    ),
    _read(
        "erp.list_postings",
        "List the ledger's postings",
        "List up to {limit} postings after number {after}",
        "/ledger",
        query=("after", "limit"),
        data_classes=["financial"],
        input_schema=arguments(after=CURSOR, limit=PAGE_SIZE),
        output_schema=result(items=ITEMS),
    ),
    _read(
        "erp.find_credit_memo",
        "Find a credit memo by reference",
        "Look up credit memo {reference}",
        "/credit-memos",
        query=("reference",),
        data_classes=["financial"],
        input_schema=arguments(reference=REFERENCE),
        output_schema=result(items=ITEMS),
    ),
    _read(
        "erp.find_write_off",
        "Find a write-off by reference",
        "Look up write-off {reference}",
        "/write-offs",
        query=("reference",),
        data_classes=["financial"],
        input_schema=arguments(reference=REFERENCE),
        output_schema=result(items=ITEMS),
    ),
]

ERP_WRITES = [
    _write(
        "erp.issue_credit_memo",
        "Issue a credit memo",
        "Credit {money} to {customer_id} on invoice {invoice_id}",
        "POST",
        "/credit-memos",
        reversible=True,
        compensation={"tool": "erp.void_credit_memo", "arguments": {"credit_memo_id": "/result/id"}},
        idempotent=True,
        lookup={"tool": "erp.find_credit_memo", "arguments": {"reference": "/idempotency_key"}, "found": "/items/0"},
        money=MONEY,
        entity=INVOICE,
        data_classes=["financial"],
        input_schema=_posting_arguments(CREDIT_MEMO),
        output_schema=result("id"),
    ),
    _tool(
        "erp.void_credit_memo",
        "Void a credit memo",
        "Void credit memo {credit_memo_id}",
        {"method": "POST", "path": "/credit-memos/{credit_memo_id}/void"},
        effect="write",
        reversible=False,
        idempotent=True,
        entity={"type": "credit_memo", "id": "/credit_memo_id"},
        data_classes=["financial"],
        input_schema=arguments(credit_memo_id=DOCUMENT_ID),
        output_schema=result("id", "status"),
    ),
    _write(
        "erp.write_off",
        "Write off a balance",
        "Write off {money} of {customer_id} on invoice {invoice_id}",
        "POST",
        "/write-offs",
        reversible=False,
        idempotent=True,
        lookup={"tool": "erp.find_write_off", "arguments": {"reference": "/idempotency_key"}, "found": "/items/0"},
        money=MONEY,
        entity=INVOICE,
        data_classes=["financial"],
        input_schema=_posting_arguments(WRITE_OFF),
        output_schema=result("id"),
    ),
]

CRM_TOOLS = [
    _read(
        "crm.get_customer",
        "Read a customer",
        "Read customer {customer_id}",
        "/customers/{customer_id}",
        entity=CUSTOMER,
        data_classes=["customer_contact"],
        input_schema=arguments(customer_id=CUSTOMER_ID),
        output_schema=result("id", "name", "tier"),
    ),
    _write(
        "crm.add_note",
        "Add a note to a customer",
        "Add a note to customer {customer_id}",
        "POST",
        "/customers/{customer_id}/notes",
        reversible=True,
        idempotent=True,
        entity=CUSTOMER,
        data_classes=["customer_contact"],
        input_schema=arguments(customer_id=CUSTOMER_ID, note=SENTENCE),
        output_schema=result("id"),
    ),
    _write(
        "crm.extend_payment_term",
        "Give more time to pay",
        "Give {customer_id} {days} more days to pay invoice {invoice_id}",
        "POST",
        "/customers/{customer_id}/extensions",
        reversible=True,
        compensation={"tool": "crm.withdraw_extension", "arguments": {"extension_id": "/result/id"}},
        idempotent=True,
        entity=CUSTOMER,
        data_classes=["customer_contact"],
        input_schema=arguments(customer_id=CUSTOMER_ID, invoice_id=INVOICE_ID, days=EXTENSION_DAYS),
        output_schema=result("id", "status"),
    ),
    _tool(
        "crm.withdraw_extension",
        "Take back more time to pay",
        "Take back extension {extension_id}",
        {"method": "POST", "path": "/extensions/{extension_id}/withdraw"},
        effect="write",
        reversible=False,
        idempotent=True,
        entity={"type": "extension", "id": "/extension_id"},
        data_classes=["customer_contact"],
        input_schema=arguments(extension_id=DOCUMENT_ID),
        output_schema=result("id", "status"),
    ),
    _write(
        "crm.update_customer",
        "Change a customer's master data",
        "Change the contact e-mail of {customer_id} to {contact_email}",
        "PATCH",
        "/customers/{customer_id}",
        reversible=False,
        idempotent=True,
        entity=CUSTOMER,
        data_classes=["customer_contact", "customer_master"],
        input_schema=arguments(
            customer_id=CUSTOMER_ID, contact_email={"type": "string", "minLength": 3, "maxLength": 254}
        ),
        output_schema=result("id"),
    ),
]

TICKETING_TOOLS = [
    _read(
        "ticketing.find_ticket",
        "Find a ticket by reference",
        "Look up ticket {reference}",
        "/tickets",
        query=("reference",),
        data_classes=["internal"],
        input_schema=arguments(reference=REFERENCE),
        output_schema=result(items=ITEMS),
    ),
    _write(
        "ticketing.open_ticket",
        "Open a ticket",
        "Open ticket “{title}” for {customer_id}",
        "POST",
        "/tickets",
        reversible=True,
        idempotent=False,
        lookup={
            "tool": "ticketing.find_ticket",
            "arguments": {"reference": "/arguments/reference"},
            "found": "/items/0",
        },
        entity=CUSTOMER,
        data_classes=["internal"],
        input_schema=arguments(reference=REFERENCE, customer_id=CUSTOMER_ID, title=TITLE, text=SENTENCE),
        output_schema=result("id"),
    ),
    _write(
        "ticketing.add_comment",
        "Comment on a ticket",
        "Comment on ticket {ticket_id}",
        "POST",
        "/tickets/{ticket_id}/comments",
        reversible=True,
        idempotent=False,
        entity=TICKET,
        data_classes=["internal"],
        input_schema=arguments(ticket_id=DOCUMENT_ID, text=SENTENCE),
        output_schema=result("id"),
    ),
]

TOOLS: list[dict[str, Any]] = [*ERP_WRITES, *ERP_READS, *CRM_TOOLS, *TICKETING_TOOLS]
