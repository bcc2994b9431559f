"""I11: a verdict can be reached again from what is stored of it."""

import json

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.money import Money
from apps.policies.evaluation import decide, replay
from tests.policies.builders import CREDIT_POLICIES, NO_MASTER_DATA, THRESHOLDS, call, forbid, permit, release, tool

RELEASES = (
    release(
        CREDIT_POLICIES
        + permit('context.arguments.note like "*a*"', name="risky")
        + permit(
            "context.arguments has days && context.arguments.days < 5",
            name="days",
            annotations='@approval("cfo-office:2")',
        )
        + forbid("context.run.steps > 50", name="steps"),
        parameters=THRESHOLDS,
    ),
    release(NO_MASTER_DATA, of="global"),
)
SAFE = 2**53 - 1
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
arguments = st.fixed_dictionaries(
    {
        "invoice_id": text,
        "customer_id": text,
        "amount": text,
        "currency": st.sampled_from(["EUR", "USD"]),
        "reason_code": text,
    },
    optional={
        "note": text | anything,
        "days": st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False) | anything,
        "rate": anything,
        "tags": st.lists(text) | anything,
        "ship_to": st.fixed_dictionaries({"country": text}) | anything,
        "unknown": anything,
    },
)
names = st.lists(text, max_size=3).map(tuple)


@settings(max_examples=300, deadline=None)
@given(
    arguments=arguments,
    money=st.builds(Money, st.integers(-SAFE, SAFE), st.sampled_from(["EUR", "USD"])) | st.none(),
    confidence=st.none() | st.floats() | st.decimals(),
    steps=st.integers(0, 100),
    teams=names,
    approved_by=names,
    region=st.none() | text,
    master=st.booleans(),
)
def test_a_verdict_is_reached_again_from_its_stored_input(
    arguments, money, confidence, steps, teams, approved_by, region, master
):
    facts = call(
        tool=tool(data_classes=("customer_master",) if master else ("financial", "a")),
        arguments=arguments,
        money=money,
        confidence=confidence,
        run_steps=steps,
        teams=teams,
        approved_by=approved_by,
        region=region,
    )
    verdict = decide(facts, RELEASES)
    assert replay(verdict.input, RELEASES) == verdict
    stored = json.loads(rfc8785.dumps(verdict.input))
    again = replay(stored, tuple(reversed(RELEASES)))
    assert again.as_json() == verdict.as_json()
    assert again.input == stored
    if verdict.outcome != "deny":
        assert verdict.errors == ()
        assert verdict.policies
