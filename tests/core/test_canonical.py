"""Canonical JSON is RFC 8785, whichever of the two encoders writes it."""

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as some

from apps.core.canonical import canonical_bytes
from apps.core.errors import Invalid

values = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**53), 2**53) | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=20,
)


@given(values)
def test_it_is_what_the_reference_writes(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        with pytest.raises(Invalid):
            canonical_bytes(value)
    else:
        assert canonical_bytes(value) == expected


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": [True, None, "é\n\x1f\x7f\u2028/"]}, '{"a":[true,null,"é\\n\\u001f\x7f\u2028/"],"b":1}'),
        # by UTF-16 code units: the emoji's first one is lower than the last letter of the plane
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'),
        ({"a": 1.0, "b": 1e30, "c": 0.1}, '{"a":1,"b":1e+30,"c":0.1}'),
        (("x", ["y"]), '["x",["y"]]'),
    ],
)
def test_names_are_sorted_and_numbers_short(value: Any, written: str) -> None:
    assert canonical_bytes(value) == written.encode()


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800", {"\ud800": 1}, {1: 2}])
def test_what_json_cannot_carry_exactly_is_refused(value: Any) -> None:
    with pytest.raises(Invalid) as refusal:
        canonical_bytes(value)
    assert refusal.value.code == "json.not_canonical"


def test_what_is_nested_without_end_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(Invalid):
        canonical_bytes(value)
