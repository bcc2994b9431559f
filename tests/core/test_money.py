"""Money is exact or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.core.money import Money


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("180.00", "EUR", 18000), ("180", "EUR", 18000), (180, "USD", 18000), ("180", "JPY", 180), ("1.234", "KWD", 1234)],
)
def test_major_units_become_minor_ones(amount: object, currency: str, minor: int) -> None:
    assert Money.parse(amount, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        *[(amount, "EUR") for amount in ("1.005", 1.5, True, None, "NaN", "Infinity", "1e30", "", "1,50")],
        *[("1.00", currency) for currency in ("XXQ", None, 978)],
        ("1.5", "JPY"),
    ],
)
def test_what_is_not_exactly_money_is_refused(amount: object, currency: object) -> None:
    with pytest.raises(Invalid):
        Money.parse(amount, currency)


@given(st.integers(min_value=-(10**14), max_value=10**14))
def test_cents_survive_the_way_through_text(minor: int) -> None:
    sign, whole = "-" if minor < 0 else "", abs(minor)
    assert Money.parse(f"{sign}{whole // 100}.{whole % 100:02d}", "EUR") == Money(minor, "EUR")


def test_money_reads_as_people_write_it() -> None:
    assert str(Money(128000, "EUR")) == "€1,280.00"
    assert str(Money(1280, "JPY")) == "¥1,280"
