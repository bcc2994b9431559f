"""Loads a CSV of accounts receivable into the ERP, and its customers into the CRM.

    python -m examples.order_to_cash.load_invoices FILE.csv --erp URL --token-file erp.token \\
        [--crm URL --crm-token-file crm.token] [--country 826=EUR]

Checks the whole file first and loads nothing of a faulty one. Loading the same file again changes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from examples.order_to_cash.receivables import CsvError, Receivable, country_option, read_receivables
from examples.order_to_cash.system_client import SystemClient, SystemFailure

BATCH = 1000


def load_invoices(erp: SystemClient, receivables: Sequence[Receivable]) -> dict[str, int]:
    """Import all, in batches; says how many were new and how many were there."""
    totals = {"created": 0, "unchanged": 0}
    for start in range(0, len(receivables), BATCH):
        batch = [receivable.as_document() for receivable in receivables[start : start + BATCH]]
        answer = erp.post("/invoices/import", {"invoices": batch})
        totals = {name: count + answer[name] for name, count in totals.items()}
    return totals


def load_customers(crm: SystemClient, receivables: Iterable[Receivable]) -> dict[str, int]:
    """Import each customer once. Tier and terms are simulated: the file knows neither."""
    customers = {receivable.customer_id: simulated_customer(receivable) for receivable in receivables}
    answer: dict[str, int] = crm.post("/customers/import", {"customers": list(customers.values())})
    return answer


def simulated_customer(receivable: Receivable) -> dict[str, Any]:
    number = hashlib.sha256(receivable.customer_id.encode()).digest()[0]
    tier = ("gold", "silver", "silver", "standard", "standard", "standard")[number % 6]
    return {
        "id": receivable.customer_id,
        "name": f"Customer {receivable.customer_id}",
        "tier": tier,
        "country": receivable.country_code,
        "contact_email": f"accounts.{receivable.customer_id.lower()}@example.com",
        "is_email_bouncing": False,
        "terms": {"payment_days": 30},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="load_invoices", description="Load a CSV of accounts receivable into the ERP."
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--erp", required=True, metavar="URL")
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--crm", metavar="URL")
    parser.add_argument("--crm-token-file", type=Path)
    parser.add_argument("--country", type=country_option, action="append", default=[], metavar="CODE=CURRENCY")
    options = parser.parse_args()
    if bool(options.crm) != bool(options.crm_token_file):
        parser.error("--crm and --crm-token-file go together")
    try:
        receivables = read_receivables(options.file, dict(options.country))
        report = {"lines": len(receivables), "disputed": sum(receivable.is_disputed for receivable in receivables)}
        if options.crm:
            with SystemClient(options.crm, options.crm_token_file) as crm:
                report["customers_created"] = load_customers(crm, receivables)["created"]
        with SystemClient(options.erp, options.token_file) as erp:
            loaded = load_invoices(erp, receivables)
        report |= {f"invoices_{name}": count for name, count in loaded.items()}
    except (CsvError, SystemFailure, OSError, UnicodeDecodeError) as problem:
        sys.exit(f"{options.file}: {problem}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
