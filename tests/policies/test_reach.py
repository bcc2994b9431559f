"""The hash of what a set can reach of the tools: the same as long as what was reviewed means the same."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from apps.core.money import Money
from apps.policies.evaluation import decide
from apps.policies.reach import reach_hash, reached_by
from apps.policies.verdicts import Verdict
from tests.policies.builders import (
    CREDIT,
    CREDIT_POLICIES,
    NO_MASTER_DATA,
    THRESHOLDS,
    forbid,
    permit,
    read_tool,
    release,
    tool,
)
from tests.policies.generated import CONDITIONS, DEMANDS, NAMES, PARAMETERS, PROCESS, calls, rules, tools

OTHER = tool("crm.rename", has_money=False)


def of(text: str, *registry, parameters=None, process: str = PROCESS) -> str:
    return reach_hash(text, parameters or {}, process, registry)


def with_arguments(**properties):
    return tool(input_schema={**CREDIT.input_schema, "properties": {**CREDIT.input_schema["properties"], **properties}})


CHANGES = ("effect", "data_classes", "has_money", "input_schema", "is_irreversible", "connector")


KNOWN_BEFORE = CONDITIONS[:8] + CONDITIONS[13:17] + CONDITIONS[20:22]
NOT_KNOWN = ("context.run.calls > 2", "context.run.calls <= 2")


@st.composite
def mixed(draw) -> str:
    """Rules over everything in which what a tool says decides only together with what it does not say."""
    texts = []
    for number in range(draw(st.integers(1, 2))):
        known, call_by_call = draw(st.sampled_from(KNOWN_BEFORE)), draw(st.sampled_from(NOT_KNOWN))
        when = f"({known}) {draw(st.sampled_from(['&&', '||']))} {call_by_call}"
        texts.append(permit(when, name=f"r{number}", annotations=draw(st.sampled_from(DEMANDS))))
    return "".join(texts)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_under_the_same_hash_every_call_is_decided_the_same(data):
    """A tool changes in some way; where the hash does not, the set answers every call as before."""
    text, name = data.draw(mixed() | rules(most=2)), data.draw(st.sampled_from(NAMES))
    before, other = data.draw(tools(name)), data.draw(tools(name))
    changed = data.draw(st.sets(st.sampled_from(CHANGES), min_size=1, max_size=2))
    values = {field: getattr(other, field) for field in changed} | (
        {"connector": "hr"} if "connector" in changed else {}
    )
    after = replace(before, **values, definition_digest="")
    assume(of(text, before, parameters=PARAMETERS) == of(text, after, parameters=PARAMETERS))
    loaded = [release(text, parameters=PARAMETERS)]
    for made in [data.draw(calls(before)) for _ in range(3)]:
        again = replace(made, tool=after, money=(made.money or Money(1, "EUR")) if after.has_money else None)
        first, second = decide(made, loaded), decide(again, loaded)
        if not any("cannot be weighed" in error for error in second.errors):  # else it is no call of it any more
            assert said(first) == said(second)


def said(verdict: Verdict) -> tuple[object, ...]:
    return verdict.outcome, verdict.policies, verdict.obligations


@pytest.mark.parametrize(
    "after",
    [
        with_arguments(reference={"type": "string"}),
        with_arguments(days={"type": "string"}),
        tool(definition_digest="another"),
    ],
)
def test_what_no_rule_reads_may_change(after):
    assert of(CREDIT_POLICIES, CREDIT, OTHER, parameters=THRESHOLDS) == of(
        CREDIT_POLICIES, after, OTHER, parameters=THRESHOLDS
    )


@pytest.mark.parametrize(
    "after",
    [
        tool(has_money=False),
        tool(is_irreversible=True),
        tool(effect="read"),
        tool(data_classes=("personal",)),
        tool(connector="crm"),
    ],
)
def test_what_a_rule_may_tell_may_not(after):
    assert of(CREDIT_POLICIES, CREDIT, parameters=THRESHOLDS) != of(CREDIT_POLICIES, after, parameters=THRESHOLDS)


def test_an_argument_counts_where_a_rule_reads_it():
    text = permit("context.arguments has days && context.arguments.days > 3")
    assert of(text, CREDIT) != of(text, with_arguments(days={"type": "string"}))
    assert of(text, CREDIT) == of(text, with_arguments(note={"type": "integer"}))
    whole = permit("context.arguments == context.arguments")
    assert of(whole, CREDIT) != of(whole, with_arguments(note={"type": "integer"}))


def test_a_new_tool_counts_where_some_rule_may_apply_to_it():
    assert of(CREDIT_POLICIES, CREDIT, parameters=THRESHOLDS) == of(
        CREDIT_POLICIES, CREDIT, OTHER, parameters=THRESHOLDS
    )
    assert of(CREDIT_POLICIES, CREDIT, parameters=THRESHOLDS) != of(
        CREDIT_POLICIES, CREDIT, read_tool(), parameters=THRESHOLDS
    )
    # a rule over everything that needs a class of data the tool does not have cannot apply to it
    assert of(NO_MASTER_DATA, CREDIT) == of(NO_MASTER_DATA, CREDIT, OTHER) == of(NO_MASTER_DATA)
    assert of(NO_MASTER_DATA) != of(NO_MASTER_DATA, tool("crm.rename", data_classes=("customer_master",)))


def test_rules_of_another_process_reach_nothing_here():
    text = CREDIT_POLICIES.replace("order-to-cash", "other")
    assert reached_by(text, THRESHOLDS, PROCESS, [CREDIT, OTHER]) == {}
    assert set(reached_by(text, THRESHOLDS, "", [CREDIT, OTHER])) == {CREDIT.name}


def test_the_types_of_the_parameters_count_and_their_order_does_not():
    assert of(forbid(), parameters=THRESHOLDS) != of(forbid())
    turned = dict(reversed(THRESHOLDS.items()))
    assert of(CREDIT_POLICIES, CREDIT, OTHER, parameters=THRESHOLDS) == of(
        CREDIT_POLICIES, OTHER, CREDIT, parameters=turned
    )


def test_a_text_that_cannot_be_read_stands_on_every_tool():
    assert of("permit (", CREDIT) != of("permit (", CREDIT, OTHER)
