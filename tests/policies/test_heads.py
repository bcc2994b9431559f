"""A decision asks Cedar only about policies that may have a say, hands over only the parameters they read, and holds
one request against the schema. None of it may change an answer: it is held against asking about everything each time.
"""

import json
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.memory import BoundedCache
from apps.policies import evaluation
from apps.policies.evaluation import LoadedRelease, decide
from apps.policies.heads import head_of
from apps.policies.verdicts import CallFacts
from tests.policies.builders import call, permit, read_tool, release, tool

AGENTS = ("o2c-writer", "o2c-reader", "Process", 'a"b\\c', "ä\n", "order-to-cash")
TOOLS = (
    tool(),
    read_tool(),
    tool("crm.change", data_classes=(), has_money=False, is_irreversible=True),
    tool("crm.read", effect="read", data_classes=("customer_master",)),
)
PARAMETERS = {
    "limit": {"type": "money", "value": "500.00", "currency": "EUR"},
    "most": {"type": "long", "value": 3},
    "names": {"type": "strings", "value": ["o2c-writer", "x"]},
    "hours": {"type": "duration", "value": "PT2H"},
}


def entity(kind: str, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(names).map(lambda name: f"{kind}::{json.dumps(name, ensure_ascii=False)}")


agents = entity("Agent", AGENTS)
groups = st.one_of(entity("Process", ("order-to-cash", "returns")), entity("Team", ("o2c-oncall", "board")))
actions = entity("Action", ("read", "write", "financial", "irreversible", *(each.name for each in TOOLS), "none"))
tools = entity("Tool", tuple(each.name for each in TOOLS))
connectors = entity("Connector", ("erp", "crm", "none"))

principals = st.one_of(
    st.just(""),
    agents.map(" == {}".format),
    st.one_of(agents, groups).map(" in {}".format),
    st.sampled_from((" is Agent", " is Team", " is Other::Agent")),
    groups.map(" is Agent in {}".format),
)
acts = st.one_of(
    st.just(""),
    actions.map(" == {}".format),
    actions.map(" in {}".format),
    st.lists(actions, max_size=3).map(lambda many: f" in [{', '.join(many)}]"),
)
resources = st.one_of(
    st.just(""),
    tools.map(" == {}".format),
    st.one_of(tools, connectors).map(" in {}".format),
    st.sampled_from((" is Tool", " is Agent")),
    connectors.map(" is Tool in {}".format),
)
# some hold, some do not, some err
conditions = st.sampled_from(
    (
        "true",
        "context.money.minor <= context.params.limit.minor",
        "context.params.limit.currency == context.arguments.currency",
        'context["params"]["most"] < context.run.calls',
        'context.params["\\u{6d}ost"] == 3',
        "context.params has hours && context.params.hours > 5",
        "context.params has absent",
        "context has params",
        "context.params == {most: 3}",
        "[context.params].containsAny([context.params])",
        '{all: context}.all.params.names.contains("x")',
        'context.params.names.contains("o2c-writer")',
        "(if context.arguments has days then context.params else context.params).most == 3",
        "context.arguments.days > 1",
        "context.arguments.days * 9223372036854775807 > 1",
        'context.arguments.note like "*a*"',
        'context.confidence.lessThan(decimal("0.9"))',
        "principal in resource",
        "context.params.absent == 1",
        "context.run.calls.minor == 1",
        'context.effect == "write"',
        'context.data_classes.contains("customer_master") && context.effect == "write"',
        'context.effect == "write" && context.arguments.days > 1',
        'context.arguments.days > 1 && context.effect == "write"',
        'context.arguments.note && context.effect == "read"',
        'context.arguments.days > 1 || context.effect == "read"',
        'context.effect == "read" || context.params.absent == 1',
        'context.arguments.ship_to has country && context.effect == "read"',
        'if context.effect == "read" then context.arguments.days > 1 else false',
        "context.params.most > 5 && context.absent",
        'action in Action::"write" && context.arguments.days > 1',
        "context.effect < 3",
        'context.money == {minor: 100, currency: "EUR"}',
        "context has confidence && context has region",
        "context has money && context.money has minor && context.money.minor > 100",
        '{all: context}.all.environment == "production"',
        "(if context has confidence then context else context).run.calls > 1",
        'context.arguments has note && context["arguments"]["note"] == "a"',
        "context.approved_by.isEmpty() && context.customer_tier == 1",
    )
)
extras = st.sampled_from(("", '@approval("finance-approvers:1")', '@approval("cfo-office:2") @expires("PT2H")'))


@st.composite
def policies(draw: st.DrawFn) -> str:
    written = []
    clauses = st.lists(st.tuples(st.sampled_from(("when", "unless")), conditions), max_size=2)
    for number in range(draw(st.integers(0, 9))):
        effect = draw(st.sampled_from(("permit", "permit", "forbid")))
        head = f"principal{draw(principals)}, action{draw(acts)}, resource{draw(resources)}"
        body = "".join(f"\n{word} {{ {condition} }}" for word, condition in draw(clauses))
        extra = draw(extras) if effect == "permit" else ""
        written.append(f'@id("p{number}") @says("{number}; // says") {extra} // a; b\n{effect} ({head}){body};\n')
    return draw(st.sampled_from(("", "// nothing\n"))).join(written)


more = st.fixed_dictionaries(
    {},
    optional={
        "days": st.sampled_from((1, 30, 2**62)),
        "note": st.sampled_from(("", "a", "\ud800", "\u202e")),
        "ship_to": st.just({"country": "DE"}),
    },
)


@st.composite
def calls(draw: st.DrawFn) -> CallFacts:
    return call(
        draw(st.sampled_from(("1.00", "600.00"))),
        tool=draw(st.sampled_from(TOOLS)),
        agent=draw(st.sampled_from(AGENTS)),
        process=draw(st.sampled_from(("order-to-cash", "returns"))),
        teams=draw(st.sampled_from((("o2c-oncall",), ("o2c-oncall", "board")))),
        run_calls=draw(st.sampled_from((1, 7))),
        confidence=draw(st.sampled_from((None, 0.5, 0.95))),
        more=draw(more) | {"reference": "R-1"},
        owner_team="o2c-oncall",
    )


def asked_about_everything(releases: list[LoadedRelease], question: evaluation._Question) -> list[evaluation._Answer]:
    """What the decision would be made of without any of it."""
    answers = []
    for each in releases:
        text = "\n".join(terms.source for terms in each.terms)
        whole = evaluation.Speaking(
            each.ref, each.terms, text, each.parameters.types, json.dumps(each.parameters.values)
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(evaluation, "_fitting", BoundedCache(1))
            answer = evaluation._ask(whole, question, is_checked=True)
        answers.append(answer or evaluation._Answer(errors=(evaluation._does_not_fit(each.ref),)))
    return answers


@settings(max_examples=600, deadline=None)
@given(facts=calls(), text=policies(), everywhere=policies())
def test_asking_about_less_gives_the_same_answer(facts, text, everywhere):
    releases = [
        release(everywhere, of="global", parameters=PARAMETERS),
        release(text, parameters={name: PARAMETERS[name] for name in ("limit", "most")}),
    ]
    assert not any(each.problem for each in releases)
    verdict = decide(facts, releases)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "_answers", asked_about_everything)
        assert decide(facts, releases) == verdict


def test_what_no_policy_speaks_of_is_still_held_against_its_schema():
    nothing = release("", of="global")
    verdict = decide(call(more={"note": "\ud800"}), [nothing, release("", of="returns")])
    assert verdict.outcome == "deny"
    assert len(verdict.errors) == 2


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("true", set()),
        ("context.money.minor > 1", {"money"}),
        ("context.params.most == 3", {"params"}),
        ('context has region && context["region"] == "emea"', {"region"}),
        ("context.arguments has note.length && context.run.calls > 1", {"arguments", "run"}),
        ("context.arguments == {}", {"arguments"}),
        ("[context.effect].contains(context.environment)", {"effect", "environment"}),
        ("{all: context}.all.effect == context.effect", None),
        ("(if true then context else context).effect == context.effect", None),
    ],
)
def test_what_a_policy_reads_of_a_call(condition, names):
    [terms] = release(f"{permit()[:-2]} when {{ {condition} }};\n", parameters=PARAMETERS).terms
    assert terms.context == names


def test_cedar_is_given_what_the_policies_read():
    releases = [release(f"{permit()[:-2]} when {{ context.money.minor < 9999999 }};\n")]
    with (
        patch.object(evaluation, "_fitting", BoundedCache(100)),
        patch.object(evaluation, "is_authorized", wraps=evaluation.is_authorized) as asked,
    ):
        for amount in ("1.00", "2.00"):
            assert decide(call(amount), releases).outcome == "allow"
    first, then = (json.loads(each.args[0]["context"]) for each in asked.call_args_list)
    assert {"arguments", "environment", "money", "params", "run"} <= first.keys()
    assert then == {"params": {}, "money": {"minor": 200, "currency": "EUR"}}


def test_half_a_letter_in_what_nobody_reads_is_denied_whatever_fitted_before():
    releases = [release(permit())]
    # the two halves together are a letter again once they are written
    for note in ("a", "\ud83d\ude00", "ä", "\N{GRINNING FACE}"):
        assert decide(call(more={"note": note}), releases).outcome == "allow"
    for note in ("\ud83d", "\ude00", "\ude00\ud83d"):
        assert decide(call(more={"note": note}), releases).outcome == "deny"


@pytest.mark.parametrize("scope", [{"op": "near"}, {"op": "==", "slot": "?principal"}, {"op": "All", "but": {}}, {}])
def test_a_head_of_an_unknown_form_is_refused(scope):
    known = {"op": "All"}
    with pytest.raises(ValueError, match="unknown form"):
        head_of({"principal": scope, "action": known, "resource": known})
