"""A request is held against the schema of its tool once for all calls of its form: names and types. Nothing else of a
request may matter to Cedar's schemas, or a call that does not fit would be let through to its policies.
"""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest
from cedarpy import Decision, Entities, PolicySet, Schema, is_authorized
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from apps.core.memory import BoundedCache
from apps.policies import evaluation
from apps.policies.evaluation import decide
from tests.policies.builders import call, permit, release, tool

STRING, LONG, BOOLEAN = {"type": "String"}, {"type": "Long"}, {"type": "Boolean"}
TYPES = (
    STRING,
    LONG,
    BOOLEAN,
    {"type": "Set", "element": STRING},
    {"type": "Set", "element": LONG},
    {"type": "Extension", "name": "decimal"},
    {"type": "Record", "attributes": {"of": STRING, "to": {**LONG, "required": False}}},
)
NAMES = ("of", "to", "type", "__type")
# a value of a type as the call hands it over, whatever the schema asks for
decimals = st.decimals(0, 1, places=4, allow_nan=False).map(
    lambda value: {"__extn": {"fn": "decimal", "arg": f"{value}"}}
)
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(("0.5", "1", "true", 'T::"a"', "{}"))
)
scalars = st.one_of(texts, st.integers(-(2**63), 2**63 - 1), st.booleans(), decimals)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)),
    max_leaves=6,
)
contexts = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)


@st.composite
def other_values(draw: st.DrawFn, value: Any) -> Any:
    """Another value of the same form: other letters, other numbers, another order and number of equal items."""
    if isinstance(value, dict):
        if "__extn" in value:
            return draw(decimals)
        return {name: draw(other_values(each)) for name, each in value.items()}
    if isinstance(value, list):
        again = draw(st.permutations(value + value[:1]))
        return [draw(other_values(each)) for each in again]
    if isinstance(value, bool):
        return draw(st.booleans())
    return draw(st.integers(-(2**63), 2**63 - 1) if isinstance(value, int) else texts)


schemas = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from(TYPES), st.booleans()).map(lambda each: {**each[0], "required": each[1]}),
    max_size=4,
)


def fits(context: dict[str, Any], attributes: dict[str, Any]) -> bool:
    action = {
        "appliesTo": {
            "principalTypes": ["A"],
            "resourceTypes": ["A"],
            "context": {"type": "Record", "attributes": attributes},
        }
    }
    schema = Schema.from_json_str(json.dumps({"": {"entityTypes": {"A": {}}, "actions": {"do": action}}}))
    a = {"type": "A", "id": "a"}
    request = {"principal": a, "action": {"type": "Action", "id": "do"}, "resource": a, "context": json.dumps(context)}
    try:
        result = is_authorized(request, PolicySet.from_str(""), Entities.from_json_str("[]"), schema)
    except ValueError:
        return False
    return result.decision is not Decision.NoDecision


@settings(max_examples=600, deadline=None)
@given(context=contexts, attributes=schemas, data=st.data())
def test_what_has_the_form_of_something_that_fits_fits(context, attributes, data):
    other = data.draw(other_values(context))
    assume(evaluation._form(context) == evaluation._form(other))
    assert fits(context, attributes) == fits(other, attributes)


@settings(max_examples=300, deadline=None)
@given(attributes=schemas.filter(bool), data=st.data())
def test_what_fits_keeps_fitting_in_its_form(attributes, data):
    context = {name: data.draw(of_type(kind)) for name, kind in attributes.items()}
    other = data.draw(other_values(context))
    assert evaluation._form(context) == evaluation._form(other)
    assert fits(context, attributes) and fits(other, attributes)


def of_type(kind: dict[str, Any]) -> st.SearchStrategy[Any]:
    if kind["type"] == "Set":
        return st.lists(of_type(kind["element"]), max_size=3)
    if kind["type"] == "Record":
        return st.fixed_dictionaries({"of": texts}, optional={"to": st.integers(-(2**63), 2**63 - 1)})
    return {"String": texts, "Long": st.integers(-(2**63), 2**63 - 1), "Boolean": st.booleans(), "Extension": decimals}[
        kind["type"]
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "1"}, {"a": 1}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {}),
        ({"a": [1]}, {"a": ["1"]}),
        ({"a": []}, {"a": {}}),
        ({"a": [1]}, {"a": [1, "1"]}),
        ({"a": {"b": "x"}}, {"a": "x"}),
        ({"a": {"__extn": {"fn": "decimal", "arg": "0.1"}}}, {"a": {"__extn": {"fn": "ip", "arg": "0.1"}}}),
        ({"a": {"__extn": {"fn": "decimal", "arg": "0.1"}}}, {"a": "0.1"}),
    ],
)
def test_what_a_schema_tells_apart_has_another_form(one, other):
    assert evaluation._form(one) != evaluation._form(other)


def test_one_form_is_held_against_its_schema_once_and_another_by_itself():
    releases = [release(permit())]
    with (
        patch.object(evaluation, "_fitting", BoundedCache(100)),
        patch.object(evaluation, "decision_schema", wraps=evaluation.decision_schema) as asked,
    ):
        for amount in ("1.00", "2.00", "3.00"):
            assert decide(call(amount), releases).outcome == "allow"
        assert asked.call_count == 1
        decide(call(confidence=None), releases)
        assert asked.call_count == 2
        decide(call(tool=tool("erp.other")), releases)
        assert asked.call_count == 3


def test_large_forms_are_not_remembered_without_end():
    many = tool(
        input_schema={"type": "object", "properties": {f"field_{number}": {"type": "string"} for number in range(50)}}
    )
    releases, fitting = [release(permit())], BoundedCache(5_000, weigh=lambda length: length)
    with patch.object(evaluation, "_fitting", fitting):
        for left_out in range(50):
            fields = {f"field_{number}": "x" for number in range(50) if number != left_out}
            assert decide(call(tool=many, more=fields), releases).outcome == "allow"
    assert 1 <= len(fitting._values) <= 5


def test_what_did_not_fit_is_asked_again_each_time():
    releases = [release(permit())]
    with (
        patch.object(evaluation, "_fitting", BoundedCache(100)),
        patch("apps.policies.schema._context", return_value={}),
        patch("apps.policies.schema._schemas", BoundedCache(100)),
    ):
        for _ in range(3):
            assert decide(call(), releases).outcome == "deny"
