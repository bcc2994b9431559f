"""Loading a CSV: all of it or nothing, with errors that name the place, and once however often it is loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.order_to_cash.places import token_file
from examples.order_to_cash.receivables import CsvError, country_option, read_receivables
from tests.examples.running import Systems

GOOD = "391,0379-NEVHP,0000611365,1/2/2013,2/1/2013,55.94,No,1/15/2013"
DISPUTED = "406,8976-AMJEO,0007900770,1/26/2013,2/25/2013,61.74,Yes,3/3/2013"


def test_a_line_becomes_an_invoice(write_csv: Callable[..., Path]) -> None:
    settled, disputed = read_receivables(write_csv(GOOD, DISPUTED))
    assert settled.as_document() == {
        "id": "INV-0000611365",
        "customer_id": "0379-NEVHP",
        "amount": "55.94",
        "currency": "EUR",
        "issued": "2013-01-02",
        "due": "2013-02-01",
        "settled": "2013-01-15",
        "dispute_reason": None,
        "line": {"agreed": "55.94", "delivered_percent": 100, "days_delivered_late": 0, "duplicate_of": None},
    }
    assert (disputed.currency, disputed.as_document()["settled"]) == ("USD", None)
    assert disputed.dispute_reason


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (GOOD.replace("55.94", "abc"), "line 3, column InvoiceAmount: 'abc': is not an amount"),
        (GOOD.replace("55.94", "-1"), "line 3, column InvoiceAmount: '-1': must be a positive amount"),
        (GOOD.replace("55.94", "1.005"), "line 3, column InvoiceAmount: '1.005': must be a positive amount"),
        (GOOD.replace("55.94", "NaN"), "line 3, column InvoiceAmount: 'NaN': must be a positive amount"),
        (GOOD.replace("1/2/2013", "2013-01-02"), "line 3, column InvoiceDate: '2013-01-02': is not a date"),
        (GOOD.replace("1/2/2013", "13/2/2013"), "line 3, column InvoiceDate: '13/2/2013': is not a date"),
        (GOOD.replace("391", "826"), "line 3, column countryCode: '826': no currency is known"),
        (GOOD.replace("No", "Maybe"), "line 3, column Disputed: 'Maybe': must be Yes or No"),
        (GOOD.replace("0379-NEVHP", " "), "line 3, column customerID: ' ': must not be empty"),
        (GOOD.replace("0000611365", "A-1"), "line 3, column invoiceNumber: 'A-1': must be digits"),
        (DISPUTED, "line 3, column invoiceNumber: the same number stands on line 2"),
        ("391,0379-NEVHP", "line 3: the number of columns differs"),
        (GOOD + ",more", "line 3: the number of columns differs"),
    ],
)
def test_an_error_names_line_and_column(write_csv: Callable[..., Path], line: str, message: str) -> None:
    with pytest.raises(CsvError) as error:
        read_receivables(write_csv(DISPUTED, line))
    assert str(error.value).startswith(message)


def test_a_missing_column_is_named(write_csv: Callable[..., Path]) -> None:
    with pytest.raises(CsvError, match="line 1: missing column countryCode"):
        read_receivables(write_csv(GOOD, header="a,b"))


def test_other_countries_can_be_told(write_csv: Callable[..., Path]) -> None:
    path = write_csv(GOOD.replace("391", "826"))
    assert read_receivables(path, dict([country_option("826=EUR")]))[0].currency == "EUR"
    with pytest.raises(ValueError, match="GBP"):
        country_option("826=GBP")


def test_loading_twice_changes_nothing(systems: Systems, write_csv: Callable[..., Path]) -> None:
    path = write_csv(GOOD, DISPUTED)
    assert '"invoices_created": 2' in load(systems, path).stdout
    assert '"invoices_created": 0, "invoices_unchanged": 2' in load(systems, path).stdout
    with systems.client("erp") as erp:
        types = [event["type"] for event in erp.get("/events")["items"]]
    assert types == ["invoice_created", "invoice_created", "dispute_opened"]


def test_a_faulty_file_loads_nothing_and_says_why(systems: Systems, write_csv: Callable[..., Path]) -> None:
    failed = load(systems, write_csv(GOOD, DISPUTED.replace("61.74", "?")))
    assert failed.returncode == 1
    assert "line 3, column InvoiceAmount" in failed.stderr
    with systems.client("erp") as erp:
        assert erp.get("/invoices")["items"] == []


def load(systems: Systems, path: Path) -> subprocess.CompletedProcess[str]:
    erp = ["--erp", systems.urls["erp"], "--token-file", str(token_file(systems.home, "erp"))]
    crm = ["--crm", systems.urls["crm"], "--crm-token-file", str(token_file(systems.home, "crm"))]
    command = [sys.executable, "-m", "examples.order_to_cash.load_invoices", str(path), *erp, *crm]
    return subprocess.run(command, capture_output=True, text=True, check=False)
