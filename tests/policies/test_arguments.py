"""JSON Schema → the types policies see."""

import gzip
import json
from dataclasses import replace

import pytest
from cedarpy import Schema

from apps.policies.arguments import ArgumentShape, Field, Misfit, RecordOf, Scalar, SetOf, carry, shape_of
from apps.policies.schema import GROUPS, argument_shape, decision_schema, schema_json
from tests.policies.builders import SHARED, read_tool, tool

TEXT, LONG, BOOL = Scalar("String"), Scalar("Long"), Scalar("Boolean")


def shape(*, defs=None, required=(), **properties) -> ArgumentShape:
    return shape_of({"type": "object", "$defs": defs or {}, "required": list(required), "properties": properties})


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({"type": "string", "format": "date"}, TEXT),
        ({"type": "integer", "minimum": 1}, LONG),
        ({"type": "boolean"}, BOOL),
        ({"enum": ["EUR", "USD"]}, TEXT),
        ({"enum": [1, 2]}, LONG),
        ({"enum": [True]}, BOOL),
        ({"const": "x"}, TEXT),
        ({"type": "array", "items": {"type": "integer"}}, SetOf(LONG)),
        ({"type": "array", "items": {"type": "array", "items": {"enum": ["a"]}}}, SetOf(SetOf(TEXT))),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, RecordOf((Field("a", TEXT, False),))),
        ({"type": "string", "anyOf": [{"minLength": 2}, {"pattern": "x"}]}, TEXT),
        ({"$ref": "#/$defs/name"}, TEXT),
    ],
)
def test_a_type_cedar_has(schema, type_):
    made = shape(defs={"name": {"type": "string"}}, x=schema)
    assert made.record.fields == (Field("x", type_, False),)
    assert made.left_out == ()


@pytest.mark.parametrize(
    ("schema", "because"),
    [
        ({"type": "number"}, "fraction"),
        ({"type": ["integer", "string"]}, "several types"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "no type"),
        ({"oneOf": [{"type": "string"}]}, "no type"),
        ({"enum": ["a", 1]}, "several types"),
        ({"enum": [1.5]}, "“float”"),
        ({"type": "null"}, "null"),
        ({}, "no type"),
        (True, "no type"),
        ({"type": "file"}, "“file”"),
        ({"type": "object"}, "no fields"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "no fields"),
        ({"type": "object", "properties": {"a": {"type": "number"}}}, "none of its fields"),
        ({"type": "array"}, "one type"),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string"}}, "one type"),
        ({"type": "array", "items": {"type": "number"}}, "fraction"),
        ({"type": "array", "items": {"type": ["string", "null"]}}, "null"),
        ({"$ref": "#/$defs/tree"}, "none of its fields"),
        ({"$ref": "#/$defs/itself"}, "contains itself"),
        ({"$ref": "#/nowhere"}, "no type"),
        ({"$ref": "https://example.org/schema.json"}, "outside"),
    ],
)
def test_what_cedar_cannot_carry_is_left_out_with_a_reason(schema, because):
    defs = {
        "tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}}},
        "itself": {"$ref": "#/$defs/itself"},
    }
    made = shape(defs=defs, x=schema, kept={"type": "string"})
    assert [field.name for field in made.record.fields] == ["kept"]
    (reason,) = [left.reason for left in made.left_out if left.pointer == "/x"]
    assert because in reason


def test_a_null_is_an_absent_argument():
    made = shape(required=["x"], x={"type": ["string", "null"]})
    assert made.record.fields == (Field("x", TEXT, is_required=False),)
    assert carry({"x": None}, made.record) == {}
    assert carry({"x": "y"}, made.record) == {"x": "y"}


def test_required_arguments_are_required():
    made = shape(required=["x"], x={"type": "string"})
    with pytest.raises(Misfit, match="/x is missing"):
        carry({}, made.record)


def test_names_that_mean_something_to_cedar_are_left_out():
    made = shape(__entity={"type": "string"}, __extn={"type": "string"}, __expr={"type": "string"})
    assert made.record.fields == ()
    assert len(made.left_out) == 3


def test_a_recursive_type_keeps_what_is_not_recursive():
    tree = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/t"}}},
    }
    made = shape(defs={"t": tree}, x={"$ref": "#/$defs/t"})
    assert made.record.fields == (Field("x", RecordOf((Field("name", TEXT, False),)), False),)
    assert made.left_out[0].pointer == "/x/children"


def test_references_that_multiply_are_cut_off():
    defs = {
        f"d{n}": {"type": "object", "properties": {f"p{i}": {"$ref": f"#/$defs/d{n + 1}"} for i in range(12)}}
        for n in range(7)
    }
    defs["d7"] = {"type": "object", "properties": {"leaf": {"type": "string"}}}
    made = shape(defs=defs, x={"$ref": "#/$defs/d0"})
    assert any("more than" in left.reason for left in made.left_out)


def test_the_same_schema_in_another_order_makes_the_same_type():
    first = {
        "type": "object",
        "properties": {"b": {"type": "string"}, "a": {"type": "number"}, "c": {"type": "number"}},
    }
    second = {
        "properties": {"c": {"type": "number"}, "a": {"type": "number"}, "b": {"type": "string"}},
        "type": "object",
    }
    assert shape_of(first) == shape_of(second)


@pytest.mark.parametrize(
    "name", ["with space", "ünïcode", 'quote"', "line\nbreak", "nul\0", "$", "", "if", "a/b~c", "String"]
)
def test_any_name_may_stand_in_the_schema(name):
    named = tool(input_schema={"type": "object", "properties": {name: {"type": "string"}}})
    decision_schema(named, ())
    assert (
        name
        in schema_json([named], ())[""]["actions"][named.name]["appliesTo"]["context"]["attributes"]["arguments"][
            "attributes"
        ]
    )


def test_the_schema_of_all_tools_has_an_action_each_and_the_groups():
    made = schema_json([tool(), read_tool()], (("limit", "money"),))
    assert set(made[""]["actions"]) == {*GROUPS, "erp.issue_credit_memo", "erp.find_credit_memo"}
    Schema.from_json_str(json.dumps(made))


def test_the_schema_of_a_decision_is_made_once():
    assert decision_schema(tool(), (("a", "long"),)) is decision_schema(tool(), (("a", "long"),))
    assert decision_schema(tool(), (("a", "long"),)) is not decision_schema(tool(), (("a", "bool"),))
    assert decision_schema(tool(), ()) is not decision_schema(tool(has_money=False), ())


def test_every_operation_of_a_large_real_description_makes_a_schema():
    path = SHARED / "data" / "openapi"
    found = sorted(path.glob("*stripe*.gz")) if path.exists() else []
    if not found:
        pytest.skip("the OpenAPI descriptions are not beside this checkout")
    document = json.loads(gzip.decompress(found[0].read_bytes()))
    components = document["components"]
    made = 0
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {}) if isinstance(operation, dict) else {}
            for body in content.values():
                schema = {**body["schema"], "components": components}
                named = replace(tool(), input_schema=schema, definition_digest=f"operation {made}")
                assert argument_shape(named).left_out is not None
                decision_schema(named, ())
                made += 1
    assert made > 100
