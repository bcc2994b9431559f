"""Money as whole minor units; as text always with two decimals, because both currencies here have two."""

from __future__ import annotations

import re

CURRENCIES = ("EUR", "USD")
AMOUNT_PATTERN = r"^[0-9]+\.[0-9]{2}$"


def minor_from_text(text: str) -> int:
    """'180.00' is 18000. Raises ValueError for anything the business systems would not print themselves."""
    if not re.match(AMOUNT_PATTERN, text):
        raise ValueError(f"{text!r} is not an amount with two decimals, such as 180.00")
    return int(text.replace(".", ""))


def text_from_minor(minor: int) -> str:
    """18000 is '180.00'."""
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def percent_of(minor: int, percent: int) -> int:
    """A share of an amount, rounded half up to a whole minor unit."""
    return (minor * percent + 50) // 100
