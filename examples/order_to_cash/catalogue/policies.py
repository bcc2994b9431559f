"""The two policy sets and the thresholds a process owner edits. The Cedar text stands beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from examples.order_to_cash.money import text_from_minor

CREDIT_ALONE_MINOR = 30_00
CREDIT_CFO_MINOR = 5000_00

_HERE = Path(__file__).parent


def _money(minor: int, currency: str, label: str) -> dict[str, str]:
    return {"type": "money", "value": text_from_minor(minor), "currency": currency, "label": label}


POLICIES: list[dict[str, Any]] = [
    {
        "set": "order-to-cash",
        "environments": ["production"],
        "parameters": {
            "credit_alone_eur": _money(CREDIT_ALONE_MINOR, "EUR", "Euro credit memos an agent may post alone, up to"),
            "credit_alone_usd": _money(CREDIT_ALONE_MINOR, "USD", "Dollar credit memos an agent may post alone, up to"),
            "credit_cfo_eur": _money(CREDIT_CFO_MINOR, "EUR", "Above this in euro the CFO office votes too"),
            "credit_cfo_usd": _money(CREDIT_CFO_MINOR, "USD", "Above this in dollars the CFO office votes too"),
        },
        "text": (_HERE / "order_to_cash.cedar").read_text(encoding="utf-8"),
    },
    {
        "set": "global",
        "environments": ["production"],
        "parameters": {},
        "text": (_HERE / "global.cedar").read_text(encoding="utf-8"),
    },
]
