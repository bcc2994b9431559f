"""Disputes are resolved by facts alone, and the same way each time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from examples.order_to_cash.catalogue.policies import CREDIT_ALONE_MINOR
from examples.order_to_cash.facts import InvoiceFacts, Line
from examples.order_to_cash.receivables import read_receivables
from examples.order_to_cash.rules import (
    WRITE_OFF_BELOW_MINOR,
    Resolution,
    ResolutionKind,
    assess,
    extension_days,
    revise,
)

CREDIT, EXPLAIN, WRITE_OFF = ResolutionKind.CREDIT, ResolutionKind.EXPLAIN, ResolutionKind.WRITE_OFF


def facts(reason: str | None, billed_minor: int = 100_00, **line: object) -> InvoiceFacts:
    whole = Line(**{"agreed_minor": billed_minor, **line})  # type: ignore[arg-type]
    return InvoiceFacts("INV-1042", "C-1", billed_minor, "EUR", reason, whole)


@pytest.mark.parametrize(
    ("reason", "line", "kind", "minor", "code"),
    [
        ("price_mismatch", {"agreed_minor": 80_50}, CREDIT, 19_50, "price_mismatch"),
        ("price_mismatch", {}, EXPLAIN, 0, "no_credit"),
        ("price_mismatch", {"agreed_minor": 120_00}, EXPLAIN, 0, "no_credit"),
        ("short_delivery", {"delivered_percent": 65}, CREDIT, 35_00, "short_delivery"),
        ("short_delivery", {}, EXPLAIN, 0, "no_credit"),
        ("duplicate", {"duplicate_of": "INV-1041"}, CREDIT, 100_00, "duplicate"),
        ("duplicate", {}, EXPLAIN, 0, "no_credit"),
        ("late_delivery", {"days_delivered_late": 3}, CREDIT, 12_00, "goodwill"),
        ("late_delivery", {"days_delivered_late": 90}, CREDIT, 40_00, "goodwill"),
        ("late_delivery", {}, EXPLAIN, 0, "no_credit"),
        ("unexplained_balance", {}, WRITE_OFF, 100_00, "unexplained_balance"),
        (None, {"agreed_minor": 80_50}, EXPLAIN, 0, "no_credit"),
        ("a reason of tomorrow", {"agreed_minor": 80_50}, EXPLAIN, 0, "no_credit"),
    ],
)
def test_each_reason_is_resolved_by_its_own_facts(
    reason: str | None, line: dict[str, object], kind: ResolutionKind, minor: int, code: str
) -> None:
    resolution = assess(facts(reason, **line))
    assert (resolution.kind, resolution.amount_minor, resolution.reason_code) == (kind, minor, code)
    assert 0 < resolution.confidence <= 1
    assert resolution.rationale.endswith(".")


def test_a_large_unexplained_balance_is_not_written_off() -> None:
    assert assess(facts("unexplained_balance", WRITE_OFF_BELOW_MINOR)).kind is WRITE_OFF
    assert assess(facts("unexplained_balance", WRITE_OFF_BELOW_MINOR + 1)).kind is EXPLAIN


def test_facts_survive_the_way_through_the_erp() -> None:
    original = facts("duplicate", 55_94, duplicate_of="INV-1041")
    document = {"id": "INV-1042", "customer_id": "C-1", "amount": "55.94", "currency": "EUR"}
    told = InvoiceFacts.from_document({**document, "dispute_reason": "duplicate", "line": original.line.as_document()})
    assert told == original


def test_the_real_receivables_give_the_agents_and_the_approvers_enough_to_do(real_csv: Path) -> None:
    receivables = read_receivables(real_csv)
    disputes = [receivable for receivable in receivables if receivable.is_disputed]
    assert (len(receivables), len(disputes)) == (2466, 561)
    resolutions = [assess(receivable.facts()) for receivable in disputes]
    credits = [resolution for resolution in resolutions if resolution.kind is CREDIT]
    assert Counter(resolution.kind for resolution in resolutions) == {CREDIT: 351, EXPLAIN: 190, WRITE_OFF: 20}
    assert {currency: _sum(credits, currency) for currency in ("EUR", "USD")} == {"EUR": 620288, "USD": 608339}
    assert 0.45 <= sum(credit.amount_minor > CREDIT_ALONE_MINOR for credit in credits) / len(credits) <= 0.55


def _sum(resolutions: list, currency: str) -> int:  # type: ignore[type-arg]
    return sum(resolution.amount_minor for resolution in resolutions if resolution.currency == currency)


def asked_to_change(reason_code: str, comment: str, *, asked_minor: int = 128000) -> Resolution | None:
    """The answer of the rules where the records justify 1,280.00."""
    justified = Resolution(ResolutionKind.CREDIT, 128000, "EUR", "price_mismatch", 0.97, "Billed too much.")
    return revise(justified, asked_minor=asked_minor, reason_code=reason_code, comment=comment)


@pytest.mark.parametrize(
    ("comment", "minor"),
    [
        ("Only 900.00, the rest was agreed", 90000),
        ("1,180.50 please", 118050),
        ("900.00 instead of 1280.00", 90000),
        ("Make it 2000.00", None),  # the records justify no more
        ("1280.00 is wrong", None),
        ("900.00 or 950.00", None),
        ("Invoice INV-900.00 and 2026.01.02 say otherwise", None),
        ("Less", None),
    ],
)
def test_a_wrong_amount_is_answered_with_the_one_named_up_to_what_is_justified(comment: str, minor: int | None) -> None:
    revised = asked_to_change("wrong_amount", comment)
    assert (revised.amount_minor if revised else None) == minor
    if revised is not None:
        assert "justify up to EUR 1280.00" in revised.rationale


def test_what_was_asked_for_too_little_or_too_much_is_put_right_by_the_records() -> None:
    revised = asked_to_change("wrong_amount", "Please look again", asked_minor=150000)
    assert revised is not None
    assert revised.amount_minor == 128000


def test_missing_evidence_is_answered_with_the_same_amount() -> None:
    revised = asked_to_change("missing_evidence", "Which delivery?", asked_minor=90000)
    assert revised is not None
    assert revised.amount_minor == 90000


@pytest.mark.parametrize("reason_code", ["wrong_party", "not_justified", "duplicate", "other", ""])
def test_what_the_records_cannot_answer_is_taken_back(reason_code: str) -> None:
    assert asked_to_change(reason_code, "900.00") is None


def test_an_explanation_has_no_other_amount() -> None:
    nothing = Resolution(ResolutionKind.EXPLAIN, 0, "EUR", "no_credit", 0.95, "Agreed.")
    assert revise(nothing, asked_minor=100, reason_code="wrong_amount", comment="0.50") is None


@pytest.mark.parametrize(
    ("tier", "open_minor", "days"),
    [("gold", 99999, 14), ("silver", 8040, 14), ("standard", 8040, 0), ("gold", 100000, 0)],
)
def test_good_customers_get_more_time_for_small_invoices(tier: str, open_minor: int, days: int) -> None:
    assert extension_days(tier, open_minor) == days
