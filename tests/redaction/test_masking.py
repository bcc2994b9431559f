"""What the marks of a schema cover, and that it is never too little."""

from typing import Any

import pytest

from apps.registry.masking import mark_problems, marked_at, marks_of, masked

P = {"type": "string", "x-data-class": "personal"}
PERSONAL = frozenset({"personal"})
MASKED = "masked: personal"


def cut(document: Any, schema: dict[str, Any], hidden: frozenset[str] = PERSONAL) -> Any:
    return masked(document, marks_of(schema), hidden)


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "document", "left"),
    [
        (obj(name=P, city={}), {"name": "Ann", "city": "Bonn"}, {"name": MASKED, "city": "Bonn"}),
        (obj(who=obj(name=P)), {"who": {"name": "Ann", "id": 7}}, {"who": {"name": MASKED, "id": 7}}),
        (obj(people={"items": obj(name=P)}), {"people": [{"name": "A"}, {}]}, {"people": [{"name": MASKED}, {}]}),
        (obj(grid={"items": {"items": P}}), {"grid": [["a"], [], ["b", "c"]]}, {"grid": [[MASKED], [], [MASKED] * 2]}),
        (obj(pair={"prefixItems": [{}, P]}), {"pair": [1, "Ann", 3]}, {"pair": [1, MASKED, 3]}),
        (obj(pair={"items": [{}, P]}), {"pair": [1, "Ann"]}, {"pair": [1, MASKED]}),
        (obj(who={"x-data-class": "personal"}), {"who": {"deep": ["Ann"]}}, {"who": MASKED}),
        (obj(age={**P, "type": "integer"}), {"age": 41}, {"age": MASKED}),
        (obj(name=P), {"name": None}, {"name": None}),
        # names that look like pointers are names
        (obj(**{"a/b": P, "~": P, "": P}), {"a/b": "x", "~": "y", "": "z"}, {"a/b": MASKED, "~": MASKED, "": MASKED}),
        (obj(a=obj(b=P)), {"a/b": "x", "a": {"b": "y"}}, {"a/b": "x", "a": {"b": MASKED}}),
        # combinators: a branch that did not match counts as well
        (obj(x={"oneOf": [{"type": "integer"}, P]}), {"x": "Ann"}, {"x": MASKED}),
        (obj(x={"anyOf": [{"type": "string"}, P]}), {"x": "Ann"}, {"x": MASKED}),
        (obj(x={"allOf": [{}, {"allOf": [P]}]}), {"x": "Ann"}, {"x": MASKED}),
        ({"if": {}, "then": obj(x=P)}, {"x": "Ann"}, {"x": MASKED}),
        ({"dependentSchemas": {"y": obj(x=P)}}, {"x": "Ann", "y": 1}, {"x": MASKED, "y": 1}),
        # references, also to oneself
        (obj(x={"$ref": "#/$defs/n"}) | {"$defs": {"n": P}}, {"x": "Ann"}, {"x": MASKED}),
        (obj(x={"$ref": "#/$defs/a~1b"}) | {"$defs": {"a/b": P}}, {"x": "Ann"}, {"x": MASKED}),
        (obj(name=P, child={"$ref": "#"}), {"child": {"child": {"name": "A"}}}, {"child": {"child": {"name": MASKED}}}),
        # members that nobody named
        ({"additionalProperties": P, "properties": {"id": {}}}, {"id": 1, "x": "Ann"}, {"id": 1, "x": MASKED}),
        ({"patternProperties": {"^n_": P}}, {"n_1": "Ann", "m": "x"}, {"n_1": MASKED, "m": "x"}),
        ({"patternProperties": {"(": P}}, {"n": "Ann"}, {"n": MASKED}),
        (obj(map={"propertyNames": P}), {"map": {"ann@example.com": 1}}, {"map": MASKED}),
        # another form than the schema says is covered whole
        (obj(who=obj(name=P)), {"who": "Ann"}, {"who": MASKED}),
        (obj(who=obj(name=P)), {"who": ["Ann"]}, {"who": MASKED}),
        (obj(who=obj(name=P)), {"who": 7, "id": 1}, {"who": MASKED, "id": 1}),
        (obj(people={"items": P}), {"people": {"first": "Ann"}}, {"people": MASKED}),
        (obj(people={"items": P}), {"people": "Ann"}, {"people": MASKED}),
        (obj(name=P), ["Ann"], MASKED),
        (obj(name=P), "Ann", MASKED),
    ],
)
def test_what_is_marked_is_covered_and_nothing_else(schema: dict[str, Any], document: Any, left: Any) -> None:
    before = repr(document)
    assert cut(document, schema) == left
    assert repr(document) == before


def test_only_hidden_classes_are_covered() -> None:
    schema = obj(name=P, iban={"x-data-class": "iban"})
    assert cut({"name": "Ann", "iban": "DE1"}, schema, frozenset({"iban"})) == {"name": "Ann", "iban": "masked: iban"}
    document = {"name": "Ann"}
    assert cut(document, schema, frozenset({"health"})) is document


def test_two_classes_on_one_part_are_both_named() -> None:
    schema = obj(x={"x-data-class": "iban", "allOf": [P]})
    assert cut({"x": "y"}, schema, frozenset({"iban", "personal"})) == {"x": "masked: iban, personal"}
    assert cut({"x": "y"}, schema) == {"x": MASKED}


def test_a_secret_whose_place_nobody_named_may_be_in_any_text() -> None:
    secret = frozenset({"secret"})
    marks = marks_of({}, every_text=secret)
    left = masked({"a": "x", "b": [1, "y", {"c": "z"}], "d": True}, marks, secret)
    assert left == {"a": "masked: secret", "b": [1, "masked: secret", {"c": "masked: secret"}], "d": True}


def test_a_property_that_has_the_name_of_the_mark_is_no_mark() -> None:
    schema = obj(**{"x-data-class": {"type": "string"}})
    assert mark_problems(schema) == []
    assert not marks_of(schema)


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        (obj(a={"x-data-class": "two words"}), "/properties/a/x-data-class"),
        (obj(a={"x-data-class": ["personal"]}), "/properties/a/x-data-class"),
        (obj(a={"x-data-class": "p" * 41}), "/properties/a/x-data-class"),
        (obj(a={"items": {"oneOf": [{"x-data-class": ""}]}}), "/properties/a/items/oneOf/0/x-data-class"),
        (obj(a={"x-data-classes": ["personal"]}), "/properties/a/x-data-classes"),
        (obj(a={"x_data_class": "personal"}), "/properties/a/x_data_class"),
        (obj(a=P, b={"$ref": "#b"}), "/properties/b/$ref"),
        (obj(a=P, b={"$ref": "#/$defs/gone"}), "/properties/b/$ref"),
    ],
)
def test_a_mark_that_would_hide_nothing_is_a_problem(schema: dict[str, Any], pointer: str) -> None:
    assert [problem.pointer for problem in mark_problems(schema)] == [pointer]


def test_what_stands_at_a_pointer_belongs_to_the_classes_around_it() -> None:
    schema = obj(who={"x-data-class": "personal", **obj(id={})}, list={"items": {"$ref": "#/$defs/n"}}, **{"a/b": P})
    schema["$defs"] = {"n": P}
    assert marked_at(schema, "/who/id") == marked_at(schema, "/list/0") == marked_at(schema, "/a~1b") == PERSONAL
    assert marked_at(schema, "/other") == frozenset()
