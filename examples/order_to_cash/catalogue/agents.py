"""The five agents and what each may use, with the reason someone gave for it."""

from __future__ import annotations

from typing import Any

from examples.order_to_cash.catalogue.people import PROCESS

AGENT_NAMES = {
    "o2c-intake": "Dispute intake",
    "o2c-triage": "Exception triage",
    "o2c-collections": "Collections",
    "o2c-reconciliation": "Posting reconciliation",
    "o2c-concierge": "Approval concierge",
}

GRANT_REASONS: dict[str, dict[str, str]] = {
    "o2c-intake": {
        "erp.get_invoice": "Reads the invoice a dispute is about",
        "crm.get_customer": "Tells from the contract who the customer is",
        "ticketing.open_ticket": "Opens the ticket the customer is answered in",
        "ticketing.find_ticket": "Finds a ticket it may already have opened",
    },
    "o2c-triage": {
        "erp.get_invoice": "Compares what was billed with what was agreed and delivered",
        "erp.issue_credit_memo": "Credits disputes the records prove right",
        "erp.void_credit_memo": "Takes back a credit memo posted by mistake",
        "erp.find_credit_memo": "Checks its own postings",
        "erp.write_off": "Proposes to write off balances nobody can explain",
        "erp.find_write_off": "Checks its own write-offs",
        "ticketing.add_comment": "Tells customer service what was decided",
    },
    "o2c-collections": {
        "erp.get_invoice": "Reads the invoice a payment failed for",
        "erp.list_invoices": "Sees what else the customer owes",
        "crm.get_customer": "Reads tier and payment terms",
        "crm.add_note": "Leaves a trace of each reminder",
        "crm.extend_payment_term": "Asks to give good customers more time; finance decides",
        "crm.withdraw_extension": "Takes back more time that was given by mistake",
        "crm.update_customer": "Asks for corrections of bounced addresses; policy decides",
        "ticketing.open_ticket": "Opens dunning cases for people to call",
        "ticketing.find_ticket": "Finds a dunning case it may already have opened",
    },
    "o2c-reconciliation": {
        "erp.list_postings": "Reads what the ledger really holds",
        "ticketing.open_ticket": "Reports postings that do not add up",
        "ticketing.find_ticket": "Finds a report it may already have made",
    },
    "o2c-concierge": {
        "ticketing.add_comment": "Says on the ticket what a long approval is waiting for",
    },
}

AGENTS: list[dict[str, Any]] = [
    {
        "slug": slug,
        "name": name,
        "process": PROCESS,
        "environment": "production",
        "owner_team": "o2c-oncall",
        "built_by": "o2c-builders",
        "credential": True,
    }
    for slug, name in AGENT_NAMES.items()
]

GRANTS: list[dict[str, Any]] = [
    {"agent": agent, "tool": tool, "reason": reason, "expires_at": None}
    for agent, tools in GRANT_REASONS.items()
    for tool, reason in tools.items()
]
