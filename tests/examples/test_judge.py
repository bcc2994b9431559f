"""The judge sees what is missing, what is double and what nobody asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.order_to_cash.judge import Posting, differences, expected_postings, ledger_postings, read_ledger
from examples.order_to_cash.money import text_from_minor
from examples.order_to_cash.places import token_file
from examples.order_to_cash.receivables import read_receivables
from tests.examples.running import Systems

LINES = [
    f"391,C-{n},{5000 + n},1/2/2013,2/1/2013,{40 + n}.50,{'No' if n % 9 == 8 else 'Yes'},1/15/2013" for n in range(18)
]


@pytest.fixture
def csv(systems: Systems, write_csv: Callable[..., Path]) -> Path:
    path = write_csv(*LINES)
    with systems.client("erp") as erp:
        erp.post("/invoices/import", {"invoices": [receivable.as_document() for receivable in read_receivables(path)]})
    return path


def judged(systems: Systems, csv: Path) -> list[str]:
    with systems.client("erp") as erp:
        return differences(expected_postings(read_receivables(csv)), ledger_postings(read_ledger(erp)))


def run_judge(systems: Systems, csv: Path) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "examples.order_to_cash.judge", "--csv", str(csv), "--erp", systems.urls["erp"]]
    command += ["--token-file", str(token_file(systems.home, "erp"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def post(systems: Systems, posting: Posting, key: str, amount: str | None = None) -> str:
    path = "/credit-memos" if posting.kind == "credit_memo" else "/write-offs"
    reason = "goodwill" if posting.kind == "credit_memo" else "uncollectible"
    body = {"invoice_id": posting.invoice_id, "customer_id": customer_of(posting), "currency": posting.currency}
    body |= {"amount": amount or text_from_minor(posting.minor), "reason_code": reason}
    with systems.client("erp") as erp:
        return str(erp.post(path, body, key)["id"])


def customer_of(posting: Posting) -> str:
    return f"C-{int(posting.invoice_id.removeprefix('INV-')) - 5000}"


def post_all(systems: Systems, csv: Path) -> list[Posting]:
    """All that the rules call for, each under its own key."""
    wanted = sorted(expected_postings(read_receivables(csv)), key=str)
    for posting in wanted:
        post(systems, posting, posting.invoice_id)
    return wanted


def test_the_program_says_by_its_exit_whether_the_ledger_is_right(systems: Systems, csv: Path) -> None:
    status, report = run_judge(systems, csv)
    assert (status, report["agrees"]) == (1, False)
    post_all(systems, csv)
    status, report = run_judge(systems, csv)
    assert (status, report["agrees"], report["differences"]) == (0, True, [])
    assert report["expected"] == report["ledger"]


def test_what_is_missing_is_named(systems: Systems, csv: Path) -> None:
    wanted = expected_postings(read_receivables(csv))
    assert sorted(judged(systems, csv)) == sorted(f"missing: {posting}" for posting in wanted)


def test_a_double_is_named_until_it_is_void(systems: Systems, csv: Path) -> None:
    credit = next(posting for posting in post_all(systems, csv) if posting.kind == "credit_memo")
    double = post(systems, credit, "again")
    assert judged(systems, csv) == [f"not called for: {credit}"]
    with systems.client("erp") as erp:
        erp.post(f"/credit-memos/{double}/void", {})
    assert judged(systems, csv) == []


def test_a_wrong_amount_is_both_missing_and_besides(systems: Systems, csv: Path) -> None:
    for posting in expected_postings(read_receivables(csv)):
        post(systems, posting, posting.invoice_id, text_from_minor(posting.minor + 1))
    found = judged(systems, csv)
    assert len(found) == 2 * len(expected_postings(read_receivables(csv)))
