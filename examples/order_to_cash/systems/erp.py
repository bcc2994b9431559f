"""The ERP: invoices, credit memos, write-offs, and an append-only ledger that is the judge of every effect.

python -m examples.order_to_cash.systems.erp --port 9101 --database erp.sqlite3 --token-file F
"""

from __future__ import annotations

from examples.order_to_cash.systems import invoices, postings, service
from examples.order_to_cash.systems.service import Route

SCHEMA = invoices.SCHEMA + postings.SCHEMA

ROUTES = [
    Route("GET", "/invoices", invoices.list_invoices),
    Route("GET", "/invoices/{id}", invoices.get_invoice),
    Route("POST", "/invoices/import", invoices.import_invoices),
    Route("POST", "/invoices/{id}/payment-failures", invoices.fail_payment),
    Route("GET", "/credit-memos", postings.find_credit_memos),
    Route("POST", "/credit-memos", postings.issue_credit_memo),
    Route("POST", "/credit-memos/{id}/void", postings.void_credit_memo),
    Route("GET", "/write-offs", postings.find_write_offs),
    Route("POST", "/write-offs", postings.write_off),
    Route("GET", "/ledger", postings.list_ledger, is_faulty=False),
    Route("GET", "/ledger/summary", postings.summarize_ledger, is_faulty=False),
    # Open on the loopback interface: it tells types and ids only, and agents hold no key to the ERP.
    Route("GET", "/events", invoices.list_events, is_faulty=False, is_open=True),
]

if __name__ == "__main__":
    service.main("erp", SCHEMA, ROUTES)
