"""A decision is made inside the transaction of every call: it must cost far less than a query."""

import statistics
import time

import pytest

from apps.policies.evaluation import decide
from tests.policies.builders import CREDIT_POLICIES, NO_MASTER_DATA, THRESHOLDS, call, release

ROUNDS = 400
EXTRA = """
@id("extra-{n}") @says("Never reached")
permit (principal in Process::"order-to-cash", action == Action::"erp.issue_credit_memo", resource)
when {{ context.money.minor > {limit} && context.arguments.reason_code == "goodwill" }};
"""


@pytest.mark.parametrize(("count", "limit_milliseconds"), [(10, 3), (200, 10)])
def test_a_decision_takes_well_below_a_millisecond(count, limit_milliseconds):
    """The limits are ten times what an idle machine needs, so that a busy one does not fail."""
    text = CREDIT_POLICIES + "".join(EXTRA.format(n=n, limit=10_000_000 + n) for n in range(count - 5))
    releases = (release(text, parameters=THRESHOLDS), release(NO_MASTER_DATA, of="global"))
    facts = call("600.00")
    assert decide(facts, releases).outcome == "require_approval"
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        decide(facts, releases)
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds) * 1_000
    print(f"\ndecide() with {count} policies in two sets: p50 {median * 1_000:.0f} µs")
    assert median < limit_milliseconds
