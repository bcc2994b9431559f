"""A text is read exactly: what is written out again parses to the same, whatever stands in it."""

import json

import pytest
from cedarpy import policies_to_json_str
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.policies.cedar_text import TextError
from apps.policies.expressions import written
from apps.policies.reading import canonical_text, parameters_in, read_policies, read_set
from tests.policies.builders import CREDIT_POLICIES, THRESHOLDS, forbid, permit

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.sampled_from(["money", "minor", "if", "odd name", 'qu"ote', "a*b", "like", "x1"]) | TEXT.filter(bool)


def one(value):
    return {"Value": value}


def both(form):
    return lambda inner: st.tuples(inner, inner).map(lambda two: {form: {"left": two[0], "right": two[1]}})


LEAVES = (
    st.booleans().map(one)
    | st.integers(-(2**63), 2**63 - 1).map(one)
    | TEXT.map(one)
    | TEXT.map(lambda name: one({"__entity": {"type": "Team", "id": name}}))
    | st.sampled_from(["context", "principal", "resource", "action"]).map(lambda name: {"Var": name})
    | st.just({"decimal": [one("0.6")]})
)


def compound(inner):
    forms = [
        "&&",
        "||",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "in",
        "+",
        "-",
        "*",
        "contains",
        "containsAny",
        "containsAll",
    ]
    binary = st.one_of([both(form)(inner) for form in forms])
    parts = st.lists(st.just("Wildcard") | TEXT.filter(lambda t: len(t) == 1).map(lambda t: {"Literal": t}), min_size=1)
    return st.one_of(
        binary,
        st.tuples(inner, NAMES).map(lambda two: {".": {"left": two[0], "attr": two[1]}}),
        st.tuples(inner, NAMES).map(lambda two: {"has": {"left": two[0], "attr": two[1]}}),
        st.tuples(inner, parts).map(lambda two: {"like": {"left": two[0], "pattern": two[1]}}),
        inner.map(lambda arg: {"!": {"arg": arg}}),
        inner.filter(lambda arg: not isinstance(arg.get("Value"), int)).map(lambda arg: {"neg": {"arg": arg}}),
        inner.map(lambda arg: {"isEmpty": {"arg": arg}}),
        st.lists(inner, max_size=3).map(lambda items: {"Set": items}),
        st.dictionaries(NAMES, inner, max_size=2).map(lambda fields: {"Record": fields}),
        st.tuples(inner, inner, inner).map(
            lambda three: {"if-then-else": dict(zip(("if", "then", "else"), three, strict=True))}
        ),
        st.tuples(inner, inner).map(lambda two: {"lessThan": list(two)}),
        inner.map(lambda left: {"is": {"left": left, "entity_type": "Agent"}}),
    )


EXPRESSIONS = st.recursive(LEAVES, compound, max_leaves=8)


def parsed(condition: str):
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    return json.loads(policies_to_json_str(text))["staticPolicies"]["policy0"]["conditions"][0]["body"]


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS)
def test_what_is_written_out_parses_to_the_same(expression):
    once = parsed(written(expression))
    assert parsed(written(once)) == once
    assert written(once) == written(expression)


@pytest.mark.parametrize(
    "condition",
    [
        "!(context.a && context.b) || -context.c * (2 + 3) < 4 - (5 - 6)",
        'context["odd name"].x == {a: 1, "b c": "q\\n\\u{1F600}"}',
        'context.confidence.lessThan(decimal("0.6")) && context.effect like "w*r\\*"',
        'principal is Agent in Team::"t" && ip("10.0.0.1").isInRange(ip("10.0.0.0/8"))',
        "(if context.a then 1 else 2) == -5 && [1, 2].contains(context.run.calls)",
    ],
)
def test_every_form_of_cedar_survives(condition):
    assert parsed(written(parsed(condition))) == parsed(condition)


def test_a_policy_is_read_with_its_place_its_head_and_what_it_asks():
    read = read_set(CREDIT_POLICIES, THRESHOLDS)
    assert [policy.id for policy in read.policies] == ["read-erp", "credit-alone", "credit-finance", "credit-cfo"]
    cfo = read.by_id()["credit-cfo"]
    assert (cfo.effect, cfo.line, cfo.says) == (
        "permit",
        20,
        "The largest credit memos need finance and the CFO office",
    )
    assert cfo.scopes == {
        "principal": 'in Process::"order-to-cash"',
        "action": '== Action::"erp.issue_credit_memo"',
        "resource": "",
    }
    assert [(stage.team, stage.quorum) for stage in cfo.demand.stages] == [("finance-approvers", 1), ("cfo-office", 1)]
    assert cfo.demand.expires_seconds == 86400
    assert parameters_in(cfo) == {"credit_cfo"}
    assert len(cfo.conjuncts) == 2


def test_more_than_ten_policies_keep_their_order():
    text = "".join(permit(name=f"p{n}") for n in range(25))
    assert [policy.id for policy in read_policies(text)] == [f"p{n}" for n in range(25)]


def test_the_canonical_text_forgets_layout_and_keeps_remarks_and_meaning():
    messy = CREDIT_POLICIES.replace("\n", " \n  ") + "// the end\n"
    assert canonical_text(messy) == canonical_text(canonical_text(messy))
    assert "// the end" in canonical_text(messy)
    assert [p.conjuncts for p in read_policies(canonical_text(messy))] == [
        p.conjuncts for p in read_policies(CREDIT_POLICIES)
    ]


@pytest.mark.parametrize("text", ["permit (", "permit (principal, action, resource) when { " + "(" * 40, 'x"'])
def test_what_is_no_policy_is_refused_with_its_place_and_stays_as_it_is(text):
    with pytest.raises(TextError):
        read_policies(text)
    assert canonical_text(text) == text


def test_an_empty_text_has_no_policies():
    assert read_policies("") == read_policies("// nothing\n") == ()
    assert len(read_policies(permit() + forbid())) == 2
