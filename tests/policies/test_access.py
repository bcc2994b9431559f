"""Who can do what, said before any call, is what becomes of every call."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.policies.access import Access, Caller, Deciding, access_to
from apps.policies.evaluation import decide
from apps.policies.reading import read_set
from apps.policies.sentences import Setting
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
from tests.policies.generated import AGENT, PARAMETERS, PROCESS, TEAM, calls, rules, tools

CALLER = Caller(AGENT, PROCESS, (TEAM,), "production", "o2c-builders")
FINANCE = '@approval("finance-approvers:1") @expires("PT8H")'


def said(of: Any, *texts: tuple[str, Any], caller: Caller = CALLER, setting: Setting | None = None) -> Access:
    deciding = [
        Deciding(f"set{number}", 1, read_set(text, parameters)) for number, (text, parameters) in enumerate(texts)
    ]
    return access_to(of, caller, deciding, setting or Setting((of,), titles={of.name: "Issue a credit memo"}))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_every_call_gets_what_its_cell_says(data):
    facts = data.draw(tools())
    texts = data.draw(st.lists(rules(most=4), min_size=1, max_size=2))
    owners = data.draw(st.sampled_from(["o2c-builders", ""]))
    cell = said(facts, *((text, PARAMETERS) for text in texts), caller=replace(CALLER, owners=owners))
    loaded = [release(text, of=f"set{number}", parameters=PARAMETERS) for number, text in enumerate(texts)]
    for made in [data.draw(calls(facts)) for _ in range(3)]:
        made = replace(made, environment="production", owner_team=owners if facts.is_irreversible else None)
        verdict = decide(made, loaded)
        expected = {"allowed": "allow", "asks": "require_approval", "forbidden": "deny"}.get(cell.answer)
        if expected:
            assert verdict.outcome == expected, cell.sentence
        if cell.answer == "asks":
            assert verdict.obligations.stages == cell.stages
        # whoever decides stands in the cell, and what stands there without a condition applies
        names = {(clause.of.name, clause.left.id) for clause in cell.clauses}
        assert {(ref.set, ref.id) for ref in verdict.policies if ref.set != "mesh"} <= names
        for clause in cell.clauses:
            if clause.always and verdict.outcome != "deny":
                assert clause.permits
                assert clause.left.id in {ref.id for ref in verdict.policies if ref.set == clause.of.name}


def test_it_reads_like_a_sentence():
    assert said(CREDIT, (CREDIT_POLICIES, THRESHOLDS)).sentence == (
        "Credit memos: up to €500.00 alone; over €500.00 and up to €5,000.00 with one of finance-approvers within "
        "8 hours; over €5,000.00 with one of finance-approvers, then one of cfo-office within 1 day; otherwise "
        "forbidden."
    )


@pytest.mark.parametrize(
    ("of", "text", "answer", "sentence"),
    [
        (read_tool(), CREDIT_POLICIES, "allowed", "alone."),
        (tool("crm.rename"), CREDIT_POLICIES, "forbidden", "no policy allows this."),
        (CREDIT, permit(annotations=FINANCE), "asks", "with one of finance-approvers within 8 hours."),
        (
            tool(is_irreversible=True),
            permit(),
            "asks",
            "with one of o2c-builders within 1 day, as what cannot be undone is never done alone.",
        ),
        (CREDIT, permit() + forbid(), "forbidden", "forbidden by “f says no” (set0)."),
        (CREDIT, permit() + forbid("context.run.calls > 40"), "depends",
         "always alone; never where the number of calls in the run is over 40."),
        (CREDIT, permit(annotations='@redact("personal")'), "allowed", "alone, with “personal” masked."),
        (CREDIT, permit(annotations='@redact("detected:email")'), "forbidden",
         "policy demands that what detected:email finds is masked, and no such detector is installed."),
        (CREDIT, permit("context.run.calls < 3") + permit("context.run.calls > 1", name="q", annotations=FINANCE),
         "depends", "where the number of calls in the run is under 3 alone; where the number of calls in the run is "
         "over 1 with one of finance-approvers within 8 hours; where several of these apply, all their people are "
         "asked; otherwise forbidden."),
    ],
)  # fmt: skip
def test_what_is_said(of, text, answer, sentence):
    cell = said(of, (text, THRESHOLDS))
    assert (cell.answer, cell.sentence.partition(": ")[2]) == (answer, sentence)


def test_a_forbid_of_the_global_set_takes_away_what_the_process_permits():
    master = tool("crm.rename", data_classes=("customer_master",))
    assert said(master, (permit(), {})).answer == "allowed"
    cell = said(master, (NO_MASTER_DATA, {}), (permit(), {}))
    assert (cell.answer, cell.sentence) == (
        "forbidden",
        "“Issue a credit memo”: forbidden by “No agent changes customer master data” (set0).",
    )


def test_without_a_release_and_with_one_that_cannot_be_read_nothing_is_allowed():
    assert said(CREDIT).answer == "forbidden"
    broken = Deciding("set0", 1, read_set(permit(), {}), "The policies set0@1 cannot be read.")
    cell = access_to(CREDIT, CALLER, [broken], Setting())
    assert (cell.answer, "cannot be read" in cell.sentence) == ("forbidden", True)


def test_what_may_fail_is_never_certain():
    assert said(CREDIT, (permit() + permit("context.run.calls * 9223372036854775807 > 0", name="q"), {})).answer == (
        "depends"
    )
