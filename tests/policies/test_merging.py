"""Two people's work on one text comes together by rule, parameter and case; what both changed is named."""

from hypothesis import given
from hypothesis import strategies as st

from apps.policies.merging import Clash, DraftContent, merge
from apps.policies.reading import read_policies
from tests.policies.builders import CREDIT_POLICIES, THRESHOLDS, permit

BASE = DraftContent(CREDIT_POLICIES, THRESHOLDS)


def valued(value: str):
    return {**THRESHOLDS, "credit_alone": {**THRESHOLDS["credit_alone"], "value": value}}


def test_a_threshold_and_a_rule_come_together():
    theirs = DraftContent(CREDIT_POLICIES.replace('@expires("PT8H")', '@expires("PT4H")'), THRESHOLDS)
    merged = merge(BASE, DraftContent(CREDIT_POLICIES, valued("750.00")), theirs)
    assert merged.clashes == ()
    assert merged.content == DraftContent(theirs.text, valued("750.00"))


def test_the_same_threshold_twice_is_a_clash_and_one_side_can_be_preferred():
    mine, theirs = DraftContent(CREDIT_POLICIES, valued("750.00")), DraftContent(CREDIT_POLICIES, valued("600.00"))
    assert merge(BASE, mine, theirs).clashes == (Clash("parameter", "credit_alone"),)
    assert merge(BASE, mine, theirs, prefer="mine").content == mine
    assert merge(BASE, mine, theirs, prefer="theirs").content == theirs


def test_both_change_the_text_in_different_rules():
    mine = DraftContent(CREDIT_POLICIES.replace("Small credit memos", "Tiny credit memos"), THRESHOLDS)
    theirs = DraftContent(CREDIT_POLICIES + "\n" + permit(name="new"), THRESHOLDS)
    merged = merge(BASE, mine, theirs)
    assert merged.clashes == ()
    assert "Tiny credit memos" in merged.content.text
    assert [policy.id for policy in read_policies(merged.content.text)][-1] == "new"


def test_a_text_that_cannot_be_read_clashes_as_a_whole():
    broken, theirs = DraftContent("permit (", {}), DraftContent(permit(), {})
    assert merge(DraftContent("", {}), broken, theirs).clashes == (Clash("text", ""),)


NAMES = st.sampled_from("abcde")
VALUES = st.dictionaries(NAMES, st.integers(0, 2), max_size=5)


def content(values) -> DraftContent:
    return DraftContent(
        "".join(permit(f"context.run.calls < {value}", name=name) for name, value in values.items()),
        {name: {"type": "long", "value": value} for name, value in values.items()},
        tuple({"name": name, "value": value} for name, value in values.items()),
    )


def rules(merged: DraftContent) -> dict[str, str]:
    return {policy.id: policy.source for policy in read_policies(merged.text)}


@given(VALUES, VALUES, VALUES)
def test_each_thing_is_that_of_who_changed_it(base, mine, theirs):
    merged = merge(content(base), content(mine), content(theirs))
    clashes = {(clash.kind, clash.name) for clash in merged.clashes}
    for name in {*base, *mine, *theirs}:
        was, here, there = base.get(name), mine.get(name), theirs.get(name)
        both_changed = here != was and there not in (was, here)
        assert (("parameter", name) in clashes) is both_changed
        expected = here if here != was else there
        got = merged.content.parameters.get(name)
        assert (got["value"] if got else None) == expected


@given(VALUES, VALUES)
def test_one_side_alone_is_that_side(base, theirs):
    assert merge(content(base), content(base), content(theirs)).content == content(theirs) or list(base) != list(theirs)
    merged = merge(content(base), content(theirs), content(base))
    assert merged.clashes == ()
    assert rules(merged.content) == rules(content(theirs))
    assert dict(merged.content.parameters) == dict(content(theirs).parameters)
