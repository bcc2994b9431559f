"""Compares the ERP's ledger with what the rules call for: exactly one credit memo for each such dispute, none besides.

    python -m examples.order_to_cash.judge --erp URL --token-file erp.token --csv FILE.csv

Recomputes everything from the CSV. Prints counts and sums in minor units per currency as JSON; exits with 1 on any
difference.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.order_to_cash.receivables import CsvError, Receivable, country_option, read_receivables
from examples.order_to_cash.rules import ResolutionKind, assess
from examples.order_to_cash.system_client import SystemClient, SystemFailure

PAGE = 500
DIFFERENCES_SHOWN = 20
LEDGER_KIND = {ResolutionKind.CREDIT: "credit_memo", ResolutionKind.WRITE_OFF: "write_off"}


@dataclass(frozen=True)
class Posting:
    """What a posting is compared by."""

    kind: str
    invoice_id: str
    currency: str
    minor: int

    def __str__(self) -> str:
        return f"{self.kind} of {self.currency} {self.minor} (minor units) on {self.invoice_id}"


def expected_postings(receivables: Iterable[Receivable]) -> Counter[Posting]:
    """What the rules call for: one posting for each dispute that is right or cannot be explained."""
    resolutions = ((receivable, assess(receivable.facts())) for receivable in receivables if receivable.is_disputed)
    return Counter(
        Posting(LEDGER_KIND[resolution.kind], receivable.invoice_id, resolution.currency, resolution.amount_minor)
        for receivable, resolution in resolutions
        if resolution.kind in LEDGER_KIND
    )


def ledger_postings(entries: Iterable[dict[str, Any]]) -> Counter[Posting]:
    """What the ledger holds; a void takes its credit memo out again."""
    postings: Counter[Posting] = Counter()
    for entry in entries:
        kind, sign = ("credit_memo", -1) if entry["kind"] == "void" else (entry["kind"], 1)
        postings[Posting(kind, entry["invoice_id"], entry["currency"], entry["amount_minor"])] += sign
    return +postings


def totals(postings: Counter[Posting]) -> dict[str, dict[str, dict[str, int]]]:
    """Count and sum per kind and currency."""
    result: dict[str, dict[str, dict[str, int]]] = {}
    for posting, times in postings.items():
        total = result.setdefault(posting.kind, {}).setdefault(posting.currency, {"count": 0, "minor": 0})
        total["count"] += times
        total["minor"] += times * posting.minor
    return result


def differences(expected: Counter[Posting], found: Counter[Posting]) -> list[str]:
    """One sentence for each posting that is missing, one for each that should not be there."""
    missing = [f"missing: {posting}" for posting in (expected - found).elements()]
    besides = [f"not called for: {posting}" for posting in (found - expected).elements()]
    return missing + besides


def read_ledger(erp: SystemClient) -> Iterator[dict[str, Any]]:
    after = 0
    while items := erp.get("/ledger", after=after, limit=PAGE)["items"]:
        yield from items
        after = items[-1]["number"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="judge", description="Compare the ERP's ledger with what the rules call for.")
    parser.add_argument("--erp", required=True, metavar="URL")
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--csv", type=Path, required=True, metavar="FILE")
    parser.add_argument("--country", type=country_option, action="append", default=[], metavar="CODE=CURRENCY")
    options = parser.parse_args()
    try:
        expected = expected_postings(read_receivables(options.csv, dict(options.country)))
        with SystemClient(options.erp, options.token_file) as erp:
            found = ledger_postings(read_ledger(erp))
    except (CsvError, SystemFailure, OSError, UnicodeDecodeError) as problem:
        sys.exit(f"judge: {problem}")
    wrong = differences(expected, found)
    report = {
        "agrees": not wrong,
        "expected": totals(expected),
        "ledger": totals(found),
        "difference_count": len(wrong),
        "differences": wrong[:DIFFERENCES_SHOWN],
    }
    print(json.dumps(report, indent=2))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
