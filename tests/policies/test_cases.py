"""Test cases say what a set has to answer; those around a threshold are made."""

import pytest

from apps.policies.cases import Bench, boundary_cases, case_problems, run_cases
from tests.policies.builders import CREDIT_POLICIES, NO_MASTER_DATA, THRESHOLDS, forbid, permit, read_tool, tool

WRITE_OFF = tool("erp.write_off", is_irreversible=True)
BENCH = Bench(
    tools={each.name: each for each in (tool(), read_tool(), WRITE_OFF)},
    agents={"o2c-writer": ("order-to-cash", ("o2c-oncall",))},
    owners={"order-to-cash": "o2c-builders"},
    process="order-to-cash",
)


def case(amount: str, outcome: str, **more):
    call = {"tool": "erp.issue_credit_memo", "amount": amount, "currency": "EUR"} | more.pop("call", {})
    return {"name": f"{amount} {outcome}", "call": call, "expect": {"outcome": outcome, **more}}


def problem(each, text: str = CREDIT_POLICIES, parameters=THRESHOLDS) -> str:
    [result] = run_cases(text, parameters, [each], BENCH)
    return result.problem


def test_cases_that_hold():
    for each in (
        case("500.00", "allow", policies=["credit-alone"]),
        case("500.01", "require_approval", approval="finance-approvers:1", expires="PT8H"),
        case("9000.00", "require_approval", approval="finance-approvers:1,cfo-office:1"),
        case("1.00", "deny", call={"currency": "USD"}, policies=[]),
    ):
        assert case_problems([each]) == []
        assert problem(each) == "", each


@pytest.mark.parametrize(
    ("each", "sentence"),
    [
        (case("500.01", "allow"),
         "Expected allow, and it is require_approval: finance-approvers:1, by credit-finance."),
        (case("500.01", "require_approval", approval="cfo-office:1"),
         "Expected the approval “cfo-office:1”, and it is “finance-approvers:1”."),
        (case("500.01", "require_approval", expires="PT1H"), "Expected PT1H to decide, and it is 28800 seconds."),
        (case("1.00", "allow", policies=["read-erp"]), "Expected read-erp to decide, and it was credit-alone."),
        (case("1.00", "allow", call={"tool": "erp.nothing"}), "There is no tool “erp.nothing”."),
        (case("1.00", "allow", call={"agent": "nobody"}), "There is no agent “nobody”."),
        (case("1.001", "allow"), "The amount has more decimals than EUR knows, or is too large."),
    ],
)  # fmt: skip
def test_cases_that_fail_say_how(each, sentence):
    assert problem(each) == sentence


def test_what_cannot_be_undone_asks_its_owners_in_cases_too():
    each = {"name": "n", "call": {"tool": "erp.write_off", "amount": "1", "currency": "EUR"},
            "expect": {"outcome": "require_approval", "approval": "o2c-builders:1"}}  # fmt: skip
    assert problem(each, permit(), {}) == ""


def test_a_set_that_cannot_be_read_fails_every_case():
    assert "cannot be read" in problem(case("1.00", "allow"), "permit (", {})


def test_the_form_of_cases_is_checked():
    assert case_problems({})
    assert case_problems([{"name": "x"}])
    assert [each["pointer"] for each in case_problems([case("1", "allow"), case("1", "allow")])] == ["/1/name"]
    assert case_problems([case("1", "allow", call={"confidence": "0.9"})]) == []
    assert case_problems([case("1", "allow", call={"confidence": "1.5"})])


def test_cases_around_each_threshold():
    made = boundary_cases(CREDIT_POLICIES, THRESHOLDS, BENCH)
    assert [each["name"].removeprefix("erp.issue_credit_memo of ") for each in made] == [
        "€499.99", "€500.00", "€500.01", "€4,999.99", "€5,000.00", "€5,000.01",
    ]  # fmt: skip
    assert [each["expect"]["policies"] for each in made] == [
        ["credit-alone"], ["credit-alone"], ["credit-finance"],
        ["credit-finance"], ["credit-finance"], ["credit-cfo"],
    ]  # fmt: skip
    assert case_problems(made) == []
    assert all(result.passed for result in run_cases(CREDIT_POLICIES, THRESHOLDS, made, BENCH))


def test_a_threshold_that_moves_breaks_the_cases_around_it():
    made = boundary_cases(CREDIT_POLICIES, THRESHOLDS, BENCH)
    raised = {**THRESHOLDS, "credit_alone": {**THRESHOLDS["credit_alone"], "value": "500.01"}}
    failed = [result.name for result in run_cases(CREDIT_POLICIES, raised, made, BENCH) if not result.passed]
    assert failed == ["erp.issue_credit_memo of €500.01"]


def test_counts_of_the_run_have_boundaries_and_a_text_that_cannot_be_read_has_none():
    made = boundary_cases(permit() + forbid("context.run.calls > 40", name="f"), {}, BENCH)
    assert [each["call"]["run"]["calls"] for each in made if each["call"]["tool"] == "erp.write_off"] == [39, 40, 41]
    assert [each["expect"]["outcome"] for each in made if each["call"]["tool"] == "erp.find_credit_memo"] == [
        "allow",
        "allow",
        "deny",
    ]
    assert boundary_cases("permit (", {}, BENCH) == []
    assert boundary_cases(NO_MASTER_DATA, {}, BENCH) == []
