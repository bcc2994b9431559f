"""What the rules judge an invoice by, and how the simulated part of it comes about.

A CSV of receivables says that an invoice was disputed, not why. `simulated_line` fills that gap: a pure function of the
invoice number, so that the loader, the agents and the judge come to the same facts without talking to each other.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from examples.order_to_cash.money import minor_from_text, percent_of, text_from_minor

LATE_DELIVERY_PERCENT_PER_DAY = 4
LATE_DELIVERY_PERCENT_CAP = 40


class DisputeReason(StrEnum):
    PRICE_MISMATCH = "price_mismatch"
    SHORT_DELIVERY = "short_delivery"
    DUPLICATE = "duplicate"
    LATE_DELIVERY = "late_delivery"
    UNEXPLAINED_BALANCE = "unexplained_balance"


@dataclass(frozen=True)
class Line:
    """What contract, delivery note and order book say about an invoice. Amounts in minor units."""

    agreed_minor: int
    delivered_percent: int = 100
    days_delivered_late: int = 0
    duplicate_of: str | None = None

    def as_document(self) -> dict[str, Any]:
        document = asdict(self)
        return {"agreed": text_from_minor(document.pop("agreed_minor")), **document}


@dataclass(frozen=True)
class InvoiceFacts:
    """One invoice as the ERP tells it, reduced to what `rules.assess` looks at."""

    invoice_id: str
    customer_id: str
    billed_minor: int
    currency: str
    dispute_reason: str | None
    line: Line

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> InvoiceFacts:
        """Read the ERP's answer to `GET /invoices/{id}`."""
        line = dict(document["line"])
        agreed = minor_from_text(line.pop("agreed"))
        return cls(
            invoice_id=document["id"],
            customer_id=document["customer_id"],
            billed_minor=minor_from_text(document["amount"]),
            currency=document["currency"],
            dispute_reason=document["dispute_reason"],
            line=Line(agreed_minor=agreed, **line),
        )


def simulated_dispute_reason(invoice_id: str) -> DisputeReason:
    """Why the customer disputes it: 46 % price, 24 % short delivery, 14 % duplicate, 12 % late, 4 % nobody knows."""
    place = _number(invoice_id, "reason", below=100)
    for share, reason in (
        (46, DisputeReason.PRICE_MISMATCH),
        (24, DisputeReason.SHORT_DELIVERY),
        (14, DisputeReason.DUPLICATE),
        (12, DisputeReason.LATE_DELIVERY),
    ):
        if place < share:
            return reason
        place -= share
    return DisputeReason.UNEXPLAINED_BALANCE


def simulated_line(invoice_id: str, billed_minor: int, reason: str | None) -> Line:
    """What the records say. Of the customers who dispute, about two in three turn out to be right."""
    clean = Line(agreed_minor=billed_minor)
    is_justified = _number(invoice_id, "justified", below=100) < 67
    if reason is None or not is_justified:
        return clean
    if reason == DisputeReason.PRICE_MISMATCH:
        overcharge = percent_of(billed_minor, 10 + _number(invoice_id, "overcharge", below=71))
        return Line(agreed_minor=billed_minor - overcharge)
    if reason == DisputeReason.SHORT_DELIVERY:
        return Line(agreed_minor=billed_minor, delivered_percent=15 + 5 * _number(invoice_id, "delivered", below=16))
    if reason == DisputeReason.DUPLICATE:
        return Line(agreed_minor=billed_minor, duplicate_of=_neighbour(invoice_id))
    if reason == DisputeReason.LATE_DELIVERY:
        return Line(agreed_minor=billed_minor, days_delivered_late=2 + _number(invoice_id, "late", below=14))
    return clean


def _number(invoice_id: str, purpose: str, *, below: int) -> int:
    digest = hashlib.sha256(f"{purpose}:{invoice_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % below


def _neighbour(invoice_id: str) -> str:
    """The number a copied invoice would have had before. It names no real invoice; only its presence counts."""
    digits = invoice_id.removeprefix("INV-")
    return f"INV-{(int(digits) - 1) % 10 ** len(digits):0{len(digits)}d}"
