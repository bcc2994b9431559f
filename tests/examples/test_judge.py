"""The judge sees what is missing, what is double and what nobody asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.order_to_cash.judge import Posting, expected_postings
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


def judge(systems: Systems, csv: Path) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "examples.order_to_cash.judge", "--csv", str(csv), "--erp", systems.urls["erp"]]
    command += ["--token-file", str(token_file(systems.home, "erp"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def post(systems: Systems, posting: Posting, customer_id: str, key: str, amount: str | None = None) -> str:
    path = "/credit-memos" if posting.kind == "credit_memo" else "/write-offs"
    reason = "goodwill" if posting.kind == "credit_memo" else "uncollectible"
    body = {"invoice_id": posting.invoice_id, "customer_id": customer_id, "currency": posting.currency}
    body |= {"amount": amount or text_from_minor(posting.minor), "reason_code": reason}
    with systems.client("erp") as erp:
        return str(erp.post(path, body, key)["id"])


def customer_of(posting: Posting) -> str:
    return f"C-{int(posting.invoice_id.removeprefix('INV-')) - 5000}"


def test_a_right_ledger_agrees_and_each_wrong_one_does_not(systems: Systems, csv: Path) -> None:
    wanted = sorted(expected_postings(read_receivables(csv)), key=str)
    status, report = judge(systems, csv)
    assert (status, report["difference_count"]) == (1, len(wanted))
    for posting in wanted:
        post(systems, posting, customer_of(posting), posting.invoice_id)
    status, report = judge(systems, csv)
    assert (status, report["differences"]) == (0, [])
    assert report["expected"] == report["ledger"]

    credit = next(posting for posting in wanted if posting.kind == "credit_memo")
    double = post(systems, credit, customer_of(credit), "again")
    status, report = judge(systems, csv)
    assert (status, report["differences"]) == (1, [f"not called for: {credit}"])
    with systems.client("erp") as erp:
        erp.post(f"/credit-memos/{double}/void", {})
    assert judge(systems, csv)[0] == 0

    post(systems, credit, customer_of(credit), "other", "0.01")
    assert judge(systems, csv)[0] == 1
