"""How much the agents may move in a day, and how fast one of them may go."""

from __future__ import annotations

from typing import Any

from examples.order_to_cash.catalogue.people import PROCESS

BUDGETS: list[dict[str, Any]] = [
    {
        "scope": {"type": "process", "id": PROCESS},
        "environment": "production",
        "measure": "money",
        "currency": "EUR",
        "window": "day",
        "cap": "500000.00",
        "reason": "What treasury covers in a day without being asked",
    }
]

RATES: list[dict[str, Any]] = [
    {
        "scope": {"type": "agent", "id": "o2c-collections"},
        "environment": "production",
        "capacity": 60,
        "refill_per_second": 5,
        "reason": "A dunning run must not crowd out the people who work in the CRM",
    }
]
