"""Three levels of difference: sentences, rules and parameters, text."""

from hypothesis import given
from hypothesis import strategies as st

from apps.policies.differences import Content, difference
from apps.policies.sentences import Setting
from tests.policies.builders import CREDIT_POLICIES, THRESHOLDS, forbid, permit, read_tool, tool

SETTING = Setting((tool(), read_tool()), "order-to-cash")
BEFORE = Content(CREDIT_POLICIES, THRESHOLDS)


def raised(value: str, name: str = "credit_alone"):
    return {**THRESHOLDS, name: {**THRESHOLDS[name], "value": value}}


def test_a_threshold_changes_the_sentences_of_the_rules_that_read_it():
    found = difference(BEFORE, Content(CREDIT_POLICIES, raised("750.00")), SETTING)
    assert [(rule.id, rule.before, rule.after) for rule in found.changed_rules] == [
        (
            "credit-alone",
            "Credit memos up to €500.00 need nobody.",
            "Credit memos up to €750.00 need nobody.",
        ),
        (
            "credit-finance",
            "Credit memos over €500.00 and up to €5,000.00 need one of finance-approvers within 8 hours.",
            "Credit memos over €750.00 and up to €5,000.00 need one of finance-approvers within 8 hours.",
        ),
    ]
    assert [(p.name, p.before, p.after) for p in found.parameters] == [("credit_alone", "€500.00", "€750.00")]
    assert found.changed_rules[0].fields == ()
    assert found.changed_rules[0].parameters == found.parameters
    assert found.summary == "changed 2 rules, changed 1 parameter"
    assert all(piece.is_folded for piece in found.text)


def test_layout_and_labels_change_nothing():
    relabelled = {name: {**stored, "label": "Another"} for name, stored in THRESHOLDS.items()}
    found = difference(BEFORE, Content(CREDIT_POLICIES.replace(" &&", "\n  &&"), relabelled), SETTING)
    assert found.is_empty
    assert found.summary == "changed nothing"


def test_a_remark_changes_the_text_alone():
    found = difference(BEFORE, Content(CREDIT_POLICIES + "// a remark\n", THRESHOLDS), SETTING)
    assert (found.changed_rules, found.parameters, found.summary) == ((), (), "changed the text alone")
    assert [line.text for piece in found.text for line in piece.lines if line.kind == "added"] == ["// a remark"]


def test_rules_come_and_go_and_fields_change():
    before = Content(permit("context.run.calls < 5", name="a") + permit(name="gone"), {})
    after = Content(
        permit("context.run.calls < 6", name="a", annotations='@approval("cfo-office:1")') + forbid(name="new"), {}
    )
    found = {rule.id: rule for rule in difference(before, after, SETTING).rules}
    assert {name: rule.change for name, rule in found.items()} == {"a": "changed", "new": "added", "gone": "removed"}
    assert [(field.name, field.before, field.after) for field in found["a"].fields] == [
        ("conditions", "when { context.run.calls < 5 }", "when { context.run.calls < 6 }"),
        ("approval", "", "cfo-office:1"),
    ]
    assert found["gone"].after == found["new"].before == ""


def test_long_unchanged_text_folds():
    text = "".join(permit(name=f"p{n}") for n in range(20))
    after = text.replace('@id("p10") @says("p10 says yes")', '@id("p10") @says("other")')
    pieces = difference(Content(text, {}), Content(after, {}), SETTING).text
    assert [piece.is_folded for piece in pieces] == [True, False, False, False, True]
    assert [line.kind for line in pieces[2].lines] == ["removed", "added"]


def test_a_text_that_cannot_be_read_is_compared_as_text():
    found = difference(BEFORE, Content("permit (", {}), SETTING)
    assert found.problem
    assert found.rules == ()
    assert not found.is_empty


NAMES = st.sampled_from("abcdef")
RULES = st.dictionaries(NAMES, st.tuples(st.booleans(), st.integers(0, 3)), max_size=6)


def content(rules) -> Content:
    made = (permit if is_permit else forbid for is_permit, _ in rules.values())
    text = "".join(
        make(f"context.run.calls < {most}", name=name)
        for make, (name, (_, most)) in zip(made, rules.items(), strict=True)
    )
    return Content(text, {})


@given(RULES, RULES)
def test_a_difference_tells_exactly_what_differs_and_the_same_backwards(one, two):
    there, back = difference(content(one), content(two), SETTING), difference(content(two), content(one), SETTING)
    assert {rule.id for rule in there.rules if rule.change == "same"} == {
        name for name in one if two.get(name) == one[name]
    }
    turned = {"added": "removed", "removed": "added", "changed": "changed", "same": "same"}
    assert {(rule.id, turned[rule.change], rule.after, rule.before) for rule in there.rules} == {
        (rule.id, rule.change, rule.before, rule.after) for rule in back.rules
    }
    assert there.changed_rules == () if one == two else there.changed_rules or list(one) != list(two)


@given(RULES, RULES)
def test_the_text_of_both_versions_can_be_read_off_the_difference(one, two):
    lines = [line for piece in difference(content(one), content(two), SETTING).text for line in piece.lines]
    before = [line.before for line in lines if line.kind != "added"]
    after = [line.after for line in lines if line.kind != "removed"]
    assert before == list(range(1, len(before) + 1))
    assert after == list(range(1, len(after) + 1))
