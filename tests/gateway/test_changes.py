"""Who made a changed call: the rule of decision 18, tried against every change that a schema allows."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import Money
from apps.gateway.changes import Version, changes_between, only_lowers_money, told_in_plain
from apps.registry.models import Tool
from tests.world import CREDIT_SCHEMA

TOOL = Tool(input_schema=CREDIT_SCHEMA, money_amount="/amount", money_currency="/currency")
NESTED = Tool(input_schema={}, money_amount="/lines/0/price", money_currency="/currency")

amounts = st.integers(0, 10**9)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3), lambda inner: st.lists(inner, max_size=2)
)
arguments = st.fixed_dictionaries(
    {"currency": st.sampled_from(["EUR", "USD"]), "invoice_id": st.text(max_size=3)},
    optional={"note": values, "other": values},
)


def version(rest: dict[str, Any], minor: int) -> Version:
    return Version({**rest, "amount": str(Decimal(minor) / 100)}, Money(minor, rest["currency"]))


@given(rest=arguments, before=amounts, after=amounts)
def test_lowering_alone_makes_nobody_a_maker(rest: dict[str, Any], before: int, after: int) -> None:
    assert only_lowers_money(TOOL, version(rest, before), version(rest, after)) is (after < before)


@given(one=arguments, other=arguments, before=amounts, after=amounts)
def test_with_anything_else_changed_the_amount_does_not_matter(
    one: dict[str, Any], other: dict[str, Any], before: int, after: int
) -> None:
    if one != other:
        assert not only_lowers_money(TOOL, version(one, before), version(other, after))


@given(rest=arguments, minors=st.lists(amounts, min_size=3, max_size=3))
def test_lowering_twice_is_lowering(rest: dict[str, Any], minors: list[int]) -> None:
    first, second, third = (version(rest, minor) for minor in minors)
    if only_lowers_money(TOOL, first, second) and only_lowers_money(TOOL, second, third):
        assert only_lowers_money(TOOL, first, third)


@given(rest=arguments, before=amounts, after=amounts)
def test_there_and_back_is_not_lowering_twice(rest: dict[str, Any], before: int, after: int) -> None:
    there = only_lowers_money(TOOL, version(rest, before), version(rest, after))
    back = only_lowers_money(TOOL, version(rest, after), version(rest, before))
    assert not (there and back)


def test_an_argument_that_comes_or_goes_is_a_change() -> None:
    plain = {"currency": "EUR", "invoice_id": "INV-1"}
    for added in ({"note": None}, {"note": ""}, {"other": []}):
        assert not only_lowers_money(TOOL, version(plain, 200), version({**plain, **added}, 100))
        assert not only_lowers_money(TOOL, version({**plain, **added}, 200), version(plain, 100))


def test_true_is_not_one() -> None:
    plain = {"currency": "EUR"}
    assert not only_lowers_money(TOOL, version({**plain, "flag": True}, 200), version({**plain, "flag": 1}, 100))


def test_without_money_every_change_has_a_maker() -> None:
    assert not only_lowers_money(TOOL, Version({"a": 2}, None), Version({"a": 1}, None))


def test_an_amount_deep_inside_is_found_and_the_rest_around_it_compared() -> None:
    before = Version({"currency": "EUR", "lines": [{"price": "2.00", "sku": "a"}]}, Money(200, "EUR"))
    lower = Version({"currency": "EUR", "lines": [{"price": "1.00", "sku": "a"}]}, Money(100, "EUR"))
    other = Version({"currency": "EUR", "lines": [{"price": "1.00", "sku": "b"}]}, Money(100, "EUR"))

    assert only_lowers_money(NESTED, before, lower)
    assert not only_lowers_money(NESTED, before, other)
    assert before.arguments["lines"][0]["price"] == "2.00"


@pytest.mark.parametrize(
    ("after", "shown", "told"),
    [
        (
            {"amount": "900.00"},
            [{"label": "Amount", "before": "1280.00", "after": "900.00"}],
            "amount €1,280.00 → €900.00",
        ),
        ({"note": "secret"}, [{"label": "Note", "before": "—", "after": "secret"}], "note"),
        (
            {"customer_id": "C-9", "amount": "900.00"},
            [
                {"label": "Amount", "before": "1280.00", "after": "900.00"},
                {"label": "Customer id", "before": "C-204", "after": "C-9"},
            ],
            "amount €1,280.00 → €900.00, customer id",
        ),
        ({"secret name": 1}, [{"label": "Secret name", "before": "—", "after": "1"}], "another argument"),
    ],
)
def test_a_change_in_words(after: dict[str, Any], shown: list[dict[str, str]], told: str) -> None:
    """On the card with everything; outside the vault money alone has values."""
    asked = {"customer_id": "C-204", "amount": "1280.00"}
    changed = {**asked, **after}
    money = {"1280.00": Money(128000, "EUR"), "900.00": Money(90000, "EUR")}
    before = Version(asked, money["1280.00"])

    assert changes_between(TOOL, asked, changed) == shown
    assert told_in_plain(TOOL, before, Version(changed, money[changed["amount"]])) == told
