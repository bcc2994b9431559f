"""Sentences are made from what a policy does; where none is exact, its condition stands as it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import format_money
from apps.policies.expressions import written
from apps.policies.reading import read_set
from apps.policies.sentences import Setting, sentence_of, sentences_of
from tests.policies.builders import CREDIT_POLICIES, NO_MASTER_DATA, THRESHOLDS, forbid, permit, read_tool, tool

WRITE_OFF = tool("erp.write_off", is_irreversible=True)
SETTING = Setting((tool(), read_tool(), WRITE_OFF), "order-to-cash")


def said(text: str, parameters=None, setting: Setting = SETTING) -> str:
    [sentence] = sentences_of(read_set(text, parameters or {}), setting).values()
    return sentence


def test_the_credit_policies_in_words():
    assert sentences_of(read_set(CREDIT_POLICIES, THRESHOLDS), SETTING) == {
        "read-erp": "Reading in erp needs nobody.",
        "credit-alone": "Credit memos up to €500.00 need nobody.",
        "credit-finance": "Credit memos over €500.00 and up to €5,000.00 need one of finance-approvers within 8 hours.",
        "credit-cfo": "Credit memos over €5,000.00 need one of finance-approvers, then one of cfo-office within 1 day.",
    }


def test_what_is_kept_from_the_agent_is_said():
    masking = permit(annotations='@redact("personal, detected:email")')
    assert said(masking).endswith("; the agent gets the result with “personal” and “detected:email” masked.")


def test_a_forbid_in_words():
    assert said(NO_MASTER_DATA) == (
        "Any act where the data is of class “customer_master” and the effect is “write” is forbidden."
    )


def test_the_author_is_not_asked():
    lying = CREDIT_POLICIES.replace("Small credit memos need nobody", "Every credit memo needs the board")
    assert sentences_of(read_set(lying, THRESHOLDS), SETTING) == sentences_of(
        read_set(CREDIT_POLICIES, THRESHOLDS), SETTING
    )


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("context.run.calls > 40", "where the number of calls in the run is over 40"),
        ('context has region && context.region == "EU"', "where the region is “EU”"),
        ("context has region", "where the region is given"),
        ('!(context.arguments has note)', "where the argument note is not given"),
        ('context has confidence && context.confidence.lessThan(decimal("0.6"))', "where the confidence is below 0.6"),
        ('["EU", "CH"].contains(context.region)', "where the region is “EU” or “CH”"),
        ('!context.approved_by.contains("cfo-office")', "where the approved by does not include “cfo-office”"),
        ('context.money.currency != "EUR"', "where the currency is not EUR"),
        ("context.money.minor > 5000", "over 5,000 minor units of any currency"),
        ('context.money.currency == "EUR"', "in EUR"),
        ('context.money.currency == "JPY" && 5000 <= context.money.minor', "at least ¥5,000"),
    ],
)  # fmt: skip
def test_conditions_in_words(when, words):
    assert f" {words} " in said(permit(when))


@pytest.mark.parametrize(
    "when",
    [
        'context.region == "EU" || context.run.calls > 3',
        "context.run.calls * 2 > 10",
        'context.arguments.note like "*a*"',
        "if context.run.calls > 3 then true else false",
        'principal in Team::"o2c-oncall"',
        "context.run.calls > context.run.steps",
        "principal has anything && context.run.calls > 3",
    ],
)
def test_what_no_sentence_says_stands_as_it_is_written(when):
    read = read_set(permit(when), {})
    sentence = sentence_of(read.policies[0], read, SETTING)
    node = read.policies[0].conjuncts[0][0]
    assert f"`{written(node)}`" in sentence


def test_amounts_in_several_currencies_are_alternatives():
    when = (
        '(context.money.currency == "EUR" && context.money.minor > 3000 && context.money.minor <= 500000)'
        ' || (context.money.currency == "USD" && context.money.minor > 4000)'
    )
    assert " over €30.00 and up to €5,000.00 or over $40.00 is " in said(permit(f"({when})"))
    assert "`" in said(permit(f"({when} || context.run.calls > 3)"))
    assert "`" in said(permit(f'({when}) && context.money.currency == "EUR"'))


def test_a_parameter_in_a_condition_shown_as_written_is_shown_with_its_value():
    parameters = {"most": {"type": "long", "value": 1500}}
    assert said(forbid("context.run.calls * 2 > context.params.most"), parameters) == (
        "Any act where `context.run.calls * 2 > context.params.most` is forbidden (most is 1,500)."
    )


def test_a_duration_parameter_is_a_duration():
    parameters = {"wait": {"type": "duration", "value": "PT26H"}}
    assert "over 1 day 2 hours" in said(forbid("context.arguments.age > context.params.wait"), parameters)


def test_unless_and_escalation_and_other_agents():
    text = (
        '@id("p") @says("p") @approval("finance-approvers:2") @escalate("PT2H:cfo-office")\n'
        'permit (principal in Process::"returns", action == Action::"erp.write_off", resource)\n'
        'unless { context.region == "EU" };'
    )
    assert said(text) == (
        "“erp.write_off” by agents of returns needs two of finance-approvers within 1 day;"
        " after 2 hours cfo-office may decide too, unless the region is “EU”."
    )


def test_what_cannot_be_undone_is_never_said_to_need_nobody():
    text = '@id("p") @says("p") permit (principal, action == Action::"erp.write_off", resource);'
    assert said(text) == (
        "“erp.write_off” is allowed; what cannot be undone still needs one of the process's owners."
    )  # fmt: skip
    assert said(text, setting=Setting()) == "“erp.write_off” is allowed."


def test_a_tool_is_named_by_its_thing_only_where_no_other_does_something_to_it():
    setting = Setting((tool(), tool("erp.cancel_credit_memo")))
    text = '@id("p") @says("p") permit (principal, action == Action::"erp.issue_credit_memo", resource);'
    assert said(text, setting=setting).startswith("“erp.issue_credit_memo” ")


@given(
    least=st.integers(0, 10**9),
    width=st.integers(1, 10**9),
    currency=st.sampled_from(["EUR", "USD", "JPY", "KWD"]),
    inclusive=st.booleans(),
)
def test_a_band_of_money_is_said_with_both_its_ends(least, width, currency, inclusive):
    when = (
        f'context.money.currency == "{currency}" && context.money.minor {">=" if inclusive else ">"} {least}'
        f" && context.money.minor < {least + width}"
    )
    low, high = format_money(least, currency), format_money(least + width, currency)
    assert f"{'at least' if inclusive else 'over'} {low} and under {high}" in said(permit(when))
