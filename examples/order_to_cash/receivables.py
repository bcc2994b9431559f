"""Reads a CSV of accounts receivable into invoices, or says which line and column is wrong."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TextIO

from examples.order_to_cash.facts import InvoiceFacts, Line, simulated_dispute_reason, simulated_line
from examples.order_to_cash.money import CURRENCIES, text_from_minor

COLUMNS = (
    "countryCode",
    "customerID",
    "invoiceNumber",
    "InvoiceDate",
    "DueDate",
    "InvoiceAmount",
    "Disputed",
    "SettledDate",
)
"""The columns that must be there. Others, such as PaperlessDate or DaysLate, may be; nothing reads them."""

CURRENCY_BY_COUNTRY: dict[str, str] = {"391": "EUR", "406": "USD", "770": "EUR", "818": "EUR", "897": "USD"}
"""The sample names its countries by numbers without a key and has no currency: this split is ours, two kept apart."""

LARGEST_AMOUNT = Decimal("999999999.99")


class CsvError(ValueError):
    """A file that cannot be loaded. Says line, column and what is wrong with the value."""


@dataclass(frozen=True)
class Receivable:
    """One line of the file."""

    invoice_id: str
    customer_id: str
    country_code: str
    amount_minor: int
    currency: str
    issued: date
    due: date
    settled: date | None
    is_disputed: bool

    @property
    def dispute_reason(self) -> str | None:
        return simulated_dispute_reason(self.invoice_id).value if self.is_disputed else None

    @property
    def line(self) -> Line:
        return simulated_line(self.invoice_id, self.amount_minor, self.dispute_reason)

    def facts(self) -> InvoiceFacts:
        return InvoiceFacts(
            self.invoice_id, self.customer_id, self.amount_minor, self.currency, self.dispute_reason, self.line
        )

    def as_document(self) -> dict[str, Any]:
        """As the ERP's import takes it. A disputed invoice is loaded as it stood in dispute: not settled yet."""
        settled = None if self.is_disputed or self.settled is None else self.settled.isoformat()
        return {
            "id": self.invoice_id,
            "customer_id": self.customer_id,
            "amount": text_from_minor(self.amount_minor),
            "currency": self.currency,
            "issued": self.issued.isoformat(),
            "due": self.due.isoformat(),
            "settled": settled,
            "dispute_reason": self.dispute_reason,
            "line": self.line.as_document(),
        }


def read_receivables(path: Path, extra_countries: Mapping[str, str] | None = None) -> list[Receivable]:
    """Every line of the file, all checked before the first is given out."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(_receivables(file, {**CURRENCY_BY_COUNTRY, **(extra_countries or {})}))


def _receivables(file: TextIO, countries: Mapping[str, str]) -> Iterator[Receivable]:
    reader = csv.DictReader(file)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise CsvError(f"line 1: missing column {', '.join(missing)}")
    seen: dict[str, int] = {}
    for row in reader:
        line = reader.line_num
        if None in row or None in row.values():
            raise CsvError(f"line {line}: the number of columns differs from the first line's")
        receivable = _receivable(_Cells(row, line), countries)
        if receivable.invoice_id in seen:
            first = seen[receivable.invoice_id]
            raise CsvError(f"line {line}, column invoiceNumber: the same number stands on line {first}")
        seen[receivable.invoice_id] = line
        yield receivable


def _receivable(cells: _Cells, countries: Mapping[str, str]) -> Receivable:
    country = cells.text("countryCode")
    if country not in countries:
        raise cells.error("countryCode", f"no currency is known for it; known are {', '.join(sorted(countries))}")
    number = cells.text("invoiceNumber")
    if not (number.isascii() and number.isdigit()):
        raise cells.error("invoiceNumber", "must be digits")
    return Receivable(
        invoice_id=f"INV-{number}",
        customer_id=cells.text("customerID"),
        country_code=country,
        amount_minor=cells.minor("InvoiceAmount"),
        currency=countries[country],
        issued=cells.day("InvoiceDate"),
        due=cells.day("DueDate"),
        settled=cells.day("SettledDate") if cells.row["SettledDate"].strip() else None,
        is_disputed=cells.yes_or_no("Disputed"),
    )


@dataclass(frozen=True)
class _Cells:
    """One line's cells, each read as what it must be, with errors that name the place."""

    row: dict[str, str]
    line: int

    def error(self, column: str, problem: str) -> CsvError:
        return CsvError(f"line {self.line}, column {column}: {self.row[column]!r}: {problem}")

    def text(self, column: str) -> str:
        value = self.row[column].strip()
        if not value:
            raise self.error(column, "must not be empty")
        return value

    def minor(self, column: str) -> int:
        try:
            amount = Decimal(self.text(column))
        except InvalidOperation:
            raise self.error(column, "is not an amount") from None
        if not amount.is_finite() or not 0 < amount <= LARGEST_AMOUNT or amount != round(amount, 2):
            raise self.error(column, "must be a positive amount with at most two decimals")
        return int(amount * 100)

    def day(self, column: str) -> date:
        try:
            month, number, year = (int(part) for part in self.text(column).split("/"))
            return date(year, month, number)
        except ValueError:
            raise self.error(column, "is not a date as month/day/year, such as 2/25/2013") from None

    def yes_or_no(self, column: str) -> bool:
        value = self.text(column).lower()
        if value not in ("yes", "no"):
            raise self.error(column, "must be Yes or No")
        return value == "yes"


def country_option(text: str) -> tuple[str, str]:
    """Read a `--country 826=EUR` option."""
    code, _, currency = text.partition("=")
    if not code or currency not in CURRENCIES:
        raise ValueError(f"{text!r} is not CODE=CURRENCY with one of {', '.join(CURRENCIES)}")
    return code, currency
