"""An exception lifts what it names for the call it was agreed for, and nothing else; the decision says so, and can be
made again (I11).
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.policies.evaluation import LoadedRelease, decide, replay
from apps.policies.exceptions import ExceptionFacts, used_in
from tests.policies.builders import (
    CREDIT,
    CREDIT_POLICIES,
    NO_MASTER_DATA,
    THRESHOLDS,
    call,
    forbid,
    permit,
    release,
    tool,
)

SAYS = "An exception lets this pass"
OWN = release()


def exception(*rules: str, of: LoadedRelease = OWN, **changes: Any) -> ExceptionFacts:
    values: dict[str, Any] = {
        "id": "1",
        "set": of.ref.set,
        "content_hash": of.ref.content_hash,
        "rules": rules,
        "process": "order-to-cash",
        "agent": "o2c-writer",
        "tool": CREDIT.name,
        "cap_minor": None,
        "currency": "",
        "says": SAYS,
    }
    return ExceptionFacts(**(values | changes))


ASKS = exception("credit-finance")


def test_a_named_permit_asks_nobody_and_the_verdict_names_both():
    assert decide(call("600.00"), [OWN]).outcome == "require_approval"
    verdict = decide(call("600.00", exceptions=(ASKS,)), [OWN])
    assert (verdict.outcome, verdict.obligations.stages) == ("allow", ())
    assert [(policy.set, policy.id) for policy in verdict.policies] == [
        ("order-to-cash", "credit-finance"), ("exceptions", "exception-1"),
    ]  # fmt: skip
    assert verdict.releases == (OWN.ref,)
    assert used_in(verdict.policies) == used_in(verdict.as_json()["policies"]) == ("1",)
    assert SAYS in verdict.reasons


@pytest.mark.parametrize(
    "changes",
    [
        {"agent": "another"},
        {"tool": "erp.write_off"},
        {"process": "procure-to-pay"},
        {"set": "global"},
        {"content_hash": "of another release"},
        {"rules": ("credit-alone",)},
        {"rules": ("credit-cfo",)},
        {"cap_minor": 59_999, "currency": "EUR"},
        {"cap_minor": 60_000, "currency": "USD"},
    ],
)
def test_it_is_for_what_it_was_agreed_for_alone(changes):
    facts = call("600.00", exceptions=(exception(**({"rules": ("credit-finance",)} | changes)),))
    verdict = decide(facts, [OWN])
    assert (verdict.outcome, used_in(verdict.policies)) == ("require_approval", ())


def test_its_cap_is_per_call_and_holds_to_the_cent():
    capped = exception("credit-finance", cap_minor=60_000, currency="EUR")
    assert decide(call("600.00", exceptions=(capped,)), [OWN]).outcome == "allow"
    assert decide(call("600.01", exceptions=(capped,)), [OWN]).outcome == "require_approval"


def test_without_an_agent_it_is_for_every_agent_of_the_process():
    for_all = exception("credit-finance", agent="")
    assert decide(call("600.00", agent="somebody", exceptions=(for_all,)), [OWN]).outcome == "allow"
    elsewhere = call("600.00", process="procure-to-pay", exceptions=(for_all,))
    assert decide(elsewhere, [OWN]).outcome != "allow"


def test_it_names_no_call_that_passes_without_it():
    assert used_in(decide(call("100.00", exceptions=(ASKS,)), [OWN]).policies) == ()


def test_a_named_forbid_is_lifted_and_what_permits_still_speaks():
    own = release(permit(name="p") + forbid(name="no-writes") + forbid(name="too", when="context.money.minor > 70000"))
    lifts = exception("no-writes", of=own)
    verdict = decide(call("600.00", exceptions=(lifts,)), [own])
    assert (verdict.outcome, [policy.id for policy in verdict.policies]) == ("allow", ["p", "exception-1"])
    other = decide(call("900.00", exceptions=(lifts,)), [own])
    assert (other.outcome, used_in(other.policies)) == ("deny", ())
    assert {policy.id for policy in other.policies} == {"no-writes", "too"}


def test_a_lifted_forbid_permits_nothing_by_itself():
    own = release(forbid(name="no"))
    verdict = decide(call("600.00", exceptions=(exception("no", of=own),)), [own])
    assert (verdict.outcome, used_in(verdict.policies)) == ("deny", ())


def test_a_forbid_of_another_set_stands():
    master = release(NO_MASTER_DATA, of="global")
    changes = tool(data_classes=("customer_master", "financial"))
    facts = call("600.00", tool=changes, exceptions=(ASKS,))
    assert decide(facts, [OWN, master]).outcome == "deny"
    both = (ASKS, exception("no-master-data", of=master, id="2"))
    verdict = decide(call("600.00", tool=changes, exceptions=both), [OWN, master])
    assert (verdict.outcome, used_in(verdict.policies)) == ("allow", ("1", "2"))


def test_what_cannot_be_undone_keeps_its_people():
    final = tool(is_irreversible=True)
    facts = call("600.00", tool=final, owner_team="o2c-builders", exceptions=(ASKS,))
    verdict = decide(facts, [OWN])
    assert (verdict.outcome, used_in(verdict.policies)) == ("require_approval", ())
    assert [stage.team for stage in verdict.obligations.stages] == ["finance-approvers"]
    own = release(permit(name="p") + forbid(name="no"))
    lifts = exception("no", "p", of=own)
    verdict = decide(call("600.00", tool=final, owner_team="o2c-builders", exceptions=(lifts,)), [own])
    assert (verdict.outcome, [policy.id for policy in verdict.policies]) == (
        "require_approval", ["p", "never-alone", "exception-1"],
    )  # fmt: skip


def test_an_error_in_any_rule_still_denies():
    own = release(permit(name="p") + forbid(name="no") + forbid(name="errs", when="1 + 9223372036854775807 == 0"))
    verdict = decide(call("600.00", exceptions=(exception("no", of=own),)), [own])
    assert verdict.outcome == "deny" and verdict.errors


def test_a_rule_that_errs_is_not_what_was_agreed_to_lift():
    own = release(permit(name="p") + forbid(name="errs", when="1 + 9223372036854775807 == 0"))
    assert decide(call("600.00", exceptions=(exception("errs", of=own),)), [own]).outcome == "deny"


def test_what_is_masked_stays_masked():
    asks = permit(name="p", annotations='@approval("finance-approvers:1") @redact("financial")')
    own = release(asks)
    verdict = decide(call("600.00", exceptions=(exception("p", of=own),)), [own])
    assert (verdict.outcome, verdict.obligations.redact) == ("allow", ("financial",))


AMOUNTS = st.integers(0, 800_000).map(lambda minor: f"{minor // 100}.{minor % 100:02}")
RULES = st.lists(
    st.sampled_from(["read-erp", "credit-alone", "credit-finance", "credit-cfo", "no", "gone"]), max_size=4
)


@settings(max_examples=60, deadline=None)
@given(amount=AMOUNTS, rules=RULES, cap=st.none() | st.integers(0, 800_000), final=st.booleans(), agent=st.booleans())
def test_any_decision_with_exceptions_is_no_stricter_and_can_be_made_again(amount, rules, cap, final, agent):
    text = CREDIT_POLICIES + forbid(name="no", when="context.money.minor > 600000")
    own = release(text, parameters=THRESHOLDS)
    currency, who = "EUR" if cap is not None else "", "o2c-writer" if agent else ""
    one = exception(*rules, of=own, cap_minor=cap, currency=currency, agent=who)
    facts: dict[str, Any] = {"tool": tool(is_irreversible=final), "owner_team": "o2c-builders" if final else None}
    plain, verdict = decide(call(amount, **facts), [own]), decide(call(amount, **facts, exceptions=(one,)), [own])
    order = ["allow", "require_approval", "deny"]
    assert order.index(verdict.outcome) <= order.index(plain.outcome)
    differs = (verdict.outcome, verdict.obligations) != (plain.outcome, plain.obligations)
    assert bool(used_in(verdict.policies)) == differs
    if final:
        assert verdict.outcome != "allow"
    assert replay(json.loads(json.dumps(verdict.input)), [own]) == verdict
