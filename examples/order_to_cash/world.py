"""A small generated business: forty customers and as many invoices as are asked for, the same ones every time.

Names are invented. Amounts are mixed so that some credits stay below the agents' own limit, most need one approver and
a few the CFO office too.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from examples.order_to_cash.facts import simulated_dispute_reason, simulated_line
from examples.order_to_cash.money import text_from_minor

FIRST_INVOICE_NUMBER = 100001
SEEDED_INVOICES = 200
PAYMENT_DAYS = 30

COMPANIES: tuple[tuple[str, str], ...] = (
    ("Nordlicht Optik GmbH", "DE"),
    ("Halden Maschinenbau AG", "DE"),
    ("Brücke & Sohn KG", "DE"),
    ("Weserfeld Logistik GmbH", "DE"),
    ("Tannhof Möbelwerke GmbH", "DE"),
    ("Isarblick Medizintechnik AG", "DE"),
    ("Kornmark Lebensmittel GmbH", "DE"),
    ("Lindengrund Verlag GmbH", "DE"),
    ("Rheinau Chemie AG", "DE"),
    ("Sternberg Elektro GmbH", "DE"),
    ("Atelier Vasseur SARL", "FR"),
    ("Lumière du Nord SAS", "FR"),
    ("Pontarlier Mécanique SA", "FR"),
    ("Maison Delcourt SAS", "FR"),
    ("Verrerie du Lac SA", "FR"),
    ("Van der Molen Bloemen BV", "NL"),
    ("Zuiderzee Shipping BV", "NL"),
    ("De Gouden Tegel BV", "NL"),
    ("Officina Bellandi SpA", "IT"),
    ("Ceramiche Montefosco SRL", "IT"),
    ("Textil Araluce SL", "ES"),
    ("Bodegas Peñarroya SA", "ES"),
    ("Alpenrad Sport GmbH", "AT"),
    ("Donau Papier GmbH", "AT"),
    ("Kestrel Bay Outfitters Inc.", "US"),
    ("Harlan & Boyd Supply Co.", "US"),
    ("Cedar Fork Medical LLC", "US"),
    ("Ridgeline Analytics Inc.", "US"),
    ("Bluewater Marine Parts LLC", "US"),
    ("Two Rivers Brewing Co.", "US"),
    ("Prairie Wind Energy LLC", "US"),
    ("Copperfield Tools Inc.", "US"),
    ("Sandhill Foods Corp.", "US"),
    ("Juniper Lane Home Inc.", "US"),
    ("Granite Pass Freight LLC", "US"),
    ("Lakeshore Dental Group", "US"),
    ("Falcon Ridge Builders Inc.", "US"),
    ("Marlow Print Works LLC", "US"),
    ("Osprey Point Hotels Inc.", "US"),
    ("Summit Creek Cycles LLC", "US"),
)
TIERS = ("gold", "silver", "silver", "standard", "standard")


def customers() -> list[dict[str, Any]]:
    """As the CRM's import takes them. Every eighth has an address that bounces."""
    return [_customer(number, name, country) for number, (name, country) in enumerate(COMPANIES)]


def invoice(number: int, *, today: date, kind: str) -> dict[str, Any]:
    """The invoice with this number, as the ERP's import takes it. `kind`: settled, open, overdue or disputed."""
    chance = random.Random(f"invoice:{number}")
    customer = chance.randrange(len(COMPANIES))
    invoice_id = f"INV-{FIRST_INVOICE_NUMBER + number}"
    amount_minor = _amount_minor(chance)
    issued = today - timedelta(days=_age_days(chance, kind))
    due = issued + timedelta(days=PAYMENT_DAYS)
    reason = simulated_dispute_reason(invoice_id).value if kind == "disputed" else None
    return {
        "id": invoice_id,
        "customer_id": _customer_id(customer),
        "amount": text_from_minor(amount_minor),
        "currency": "USD" if COMPANIES[customer][1] == "US" else "EUR",
        "issued": issued.isoformat(),
        "due": due.isoformat(),
        "settled": (due - timedelta(days=chance.randrange(10))).isoformat() if kind == "settled" else None,
        "dispute_reason": reason,
        "line": simulated_line(invoice_id, amount_minor, reason).as_document(),
    }


def seeded_invoices(today: date) -> list[dict[str, Any]]:
    """The first two hundred: of twenty, twelve are settled, five open, two overdue and one disputed."""
    kinds = ("disputed", "overdue", "overdue", *["open"] * 5, *["settled"] * 12)
    return [invoice(number, today=today, kind=kinds[number % len(kinds)]) for number in range(SEEDED_INVOICES)]


def _customer(number: int, name: str, country: str) -> dict[str, Any]:
    host = "".join(letter for letter in name.split(" ", maxsplit=1)[0].lower() if letter.isascii() and letter.isalnum())
    return {
        "id": _customer_id(number),
        "name": name,
        "tier": TIERS[number % len(TIERS)],
        "country": country,
        "contact_email": f"accounts.{host}@example.com",
        "is_email_bouncing": number % 8 == 3,
        "terms": {"payment_days": PAYMENT_DAYS},
    }


def _customer_id(number: int) -> str:
    return f"C-{1001 + number}"


def _amount_minor(chance: random.Random) -> int:
    """Four in ten small, five in ten ordinary, one in ten large."""
    size = chance.random()
    low, high = (20_00, 90_00) if size < 0.4 else (120_00, 4_800_00) if size < 0.9 else (9_000_00, 48_000_00)
    return chance.randrange(low, high)


def _age_days(chance: random.Random, kind: str) -> int:
    if kind in ("settled", "overdue"):
        return PAYMENT_DAYS + chance.randrange(3, 60)
    return chance.randrange(2, PAYMENT_DAYS)
