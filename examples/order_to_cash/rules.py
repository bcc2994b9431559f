"""How a dispute is to be resolved: a pure function of the facts, the mesh's judgement and the judge's yardstick.

The same facts always give the same resolution, so whoever knows the invoices can say what the ledger must hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from examples.order_to_cash.facts import (
    LATE_DELIVERY_PERCENT_CAP,
    LATE_DELIVERY_PERCENT_PER_DAY,
    DisputeReason,
    InvoiceFacts,
)
from examples.order_to_cash.money import minor_from_text, percent_of, text_from_minor

WRITE_OFF_BELOW_MINOR = 500_00
"""Balances nobody can explain cost more to chase than this; above it a person has to look (both currencies)."""

EXTEND_BELOW_MINOR = 1000_00
"""Good customers get more time for an invoice smaller than this, when finance agrees (both currencies)."""
EXTENSION_TIERS = ("gold", "silver")
EXTENSION_DAYS = 14

_AMOUNT_IN_WORDS = re.compile(r"(?<![\w.,-])\d{1,3}(?:,?\d{3})*\.\d{2}(?!\w|\.\d)")


class ResolutionKind(StrEnum):
    CREDIT = "credit"
    WRITE_OFF = "write_off"
    EXPLAIN = "explain"


@dataclass(frozen=True)
class Resolution:
    """What to do, how sure the rule is (0 to 1), and the sentence that says why. `amount_minor` is 0 for explain."""

    kind: ResolutionKind
    amount_minor: int
    currency: str
    reason_code: str
    confidence: float
    rationale: str


def assess(facts: InvoiceFacts) -> Resolution:
    """Resolve one dispute. An invoice nobody disputes is explained as it stands: no credit."""
    match facts.dispute_reason:
        case DisputeReason.PRICE_MISMATCH:
            return _price(facts)
        case DisputeReason.SHORT_DELIVERY:
            return _short_delivery(facts)
        case DisputeReason.DUPLICATE:
            return _duplicate(facts)
        case DisputeReason.LATE_DELIVERY:
            return _late_delivery(facts)
        case DisputeReason.UNEXPLAINED_BALANCE:
            return _unexplained_balance(facts)
        case _:
            return _explain(facts, "Nothing on this invoice is in dispute.")


def revise(resolution: Resolution, *, asked_minor: int, reason_code: str, comment: str) -> Resolution | None:
    """What to answer when a person asks for changes; None when the records justify nothing else.

    `resolution` is what the records call for now, `asked_minor` what is waiting. An amount that the person names is
    taken when it is smaller than what the records justify; a larger one never is.
    """
    if resolution.kind is ResolutionKind.EXPLAIN:
        return None
    if reason_code == "missing_evidence":
        return replace(resolution, amount_minor=asked_minor)
    if reason_code != "wrong_amount":
        return None
    named = _amount_named(comment, besides=asked_minor)
    minor = min(named or resolution.amount_minor, resolution.amount_minor)
    if minor in (0, asked_minor):
        return None
    justified = f"{resolution.currency} {text_from_minor(resolution.amount_minor)}"
    why = f"{resolution.rationale} Changed on request; the records justify up to {justified}."
    return replace(resolution, amount_minor=minor, rationale=why)


def _amount_named(comment: str, *, besides: int) -> int | None:
    """The one amount in the words that is not the one that is waiting; None where they name none, or several."""
    found = {minor_from_text(text.replace(",", "")) for text in _AMOUNT_IN_WORDS.findall(comment)} - {besides}
    return found.pop() if len(found) == 1 else None


def extension_days(tier: str, open_minor: int) -> int:
    """How many more days to ask for after a failed payment; 0 for none."""
    return EXTENSION_DAYS if tier in EXTENSION_TIERS and open_minor < EXTEND_BELOW_MINOR else 0


def _price(facts: InvoiceFacts) -> Resolution:
    overcharge = facts.billed_minor - facts.line.agreed_minor
    if overcharge <= 0:
        return _explain(facts, f"The billed price of {_billed(facts)} is the price agreed in the contract.")
    agreed = _amount(facts, facts.line.agreed_minor)
    return _credit(facts, overcharge, "price_mismatch", 0.97, f"Billed {_billed(facts)}, the contract says {agreed}.")


def _short_delivery(facts: InvoiceFacts) -> Resolution:
    missing = 100 - facts.line.delivered_percent
    if missing <= 0:
        return _explain(facts, "The delivery note is signed for the full quantity.")
    why = f"The delivery note covers {facts.line.delivered_percent} % of the {_billed(facts)} that were billed."
    return _credit(facts, percent_of(facts.billed_minor, missing), "short_delivery", 0.94, why)


def _duplicate(facts: InvoiceFacts) -> Resolution:
    if facts.line.duplicate_of is None:
        return _explain(facts, "No earlier invoice has the same order, amount and date.")
    why = f"Same order, amount and date as {facts.line.duplicate_of}: billed twice."
    return _credit(facts, facts.billed_minor, "duplicate", 0.99, why)


def _late_delivery(facts: InvoiceFacts) -> Resolution:
    days = facts.line.days_delivered_late
    if days <= 0:
        return _explain(facts, "The goods arrived on the agreed day.")
    percent = min(days * LATE_DELIVERY_PERCENT_PER_DAY, LATE_DELIVERY_PERCENT_CAP)
    why = f"Delivered {days} days late; the contract allows {percent} % off {_billed(facts)}."
    return _credit(facts, percent_of(facts.billed_minor, percent), "goodwill", 0.88, why)


def _unexplained_balance(facts: InvoiceFacts) -> Resolution:
    if facts.billed_minor > WRITE_OFF_BELOW_MINOR:
        return _explain(facts, f"A balance of {_billed(facts)} is too large to write off unexplained.")
    why = f"No record explains the balance of {_billed(facts)}; chasing it costs more than it brings."
    return Resolution(
        ResolutionKind.WRITE_OFF,
        facts.billed_minor,
        facts.currency,
        "unexplained_balance",
        confidence=0.71,
        rationale=why,
    )


def _credit(facts: InvoiceFacts, minor: int, reason_code: str, confidence: float, rationale: str) -> Resolution:
    return Resolution(ResolutionKind.CREDIT, minor, facts.currency, reason_code, confidence, rationale)


def _explain(facts: InvoiceFacts, rationale: str) -> Resolution:
    return Resolution(ResolutionKind.EXPLAIN, 0, facts.currency, "no_credit", 0.95, rationale)


def _billed(facts: InvoiceFacts) -> str:
    return _amount(facts, facts.billed_minor)


def _amount(facts: InvoiceFacts, minor: int) -> str:
    return f"{facts.currency} {text_from_minor(minor)}"
