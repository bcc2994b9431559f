"""A policy that cannot be evaluated denies (fail closed): Cedar skips a forbid that errs, which must not mean yes."""

import pytest

from apps.approvals import services as approvals
from apps.audit.models import AuditEntry
from apps.core.errors import Invalid
from apps.gateway.models import CallState, Decision, ToolCall
from apps.policies.services import publish_release
from apps.registry.models import Process
from apps.runs.models import Run, RunState
from tests.conftest import Robot, actor, parked, settle_news
from tests.contract.problems import problem_of
from tests.fakes.erp import FakeErp
from tests.world import PARAMETERS, POLICY

pytestmark = pytest.mark.django_db

# Nothing is wrong with it before a call is large enough: from 93 euro on the product leaves Cedar's 64 bits.
ERRS = """
@id("no-odd-sums") @says("No sums that end in a riddle")
forbid (principal, action == Action::"erp.issue_credit_memo", resource)
when { context.money.minor * 1000000000000000 == 1234000000000000000 };
"""
# `note` is optional in the tool's schema, and this reads it without asking whether it is there.
READS_WHAT_MAY_BE_ABSENT = """
@id("no-goodwill") @says("Not for goodwill")
forbid (principal, action == Action::"erp.issue_credit_memo", resource)
when { context.arguments.note == "goodwill" };
"""


def release(text: str) -> None:
    publish_release(
        policy_set="order-to-cash",
        process=Process.objects.get(slug="order-to-cash"),
        text=text,
        parameters=PARAMETERS,
        environments=["production"],
        actor=actor("priya"),
    )


def test_a_forbid_that_errs_denies_and_the_decision_says_which(writer: Robot, erp: FakeErp) -> None:
    release(POLICY + ERRS)
    answer = writer.call("180.00")

    assert problem_of(answer) == (403, "denied")
    assert "could not be evaluated" in answer.json()["detail"]
    assert answer.json()["decision"]["outcome"] == "deny"
    call = ToolCall.objects.get()
    assert (call.state, call.error_code) == (CallState.DENIED, "denied")
    assert ["no-odd-sums" in sentence for sentence in Decision.objects.get(tool_call=call).errors] == [True]
    assert AuditEntry.objects.filter(subject_id=str(call.id), outcome="deny").exists()
    assert Run.objects.get(id=call.run_id).state == RunState.FAILED
    assert erp.requests == []


def test_the_same_policy_decides_where_it_can(writer: Robot, erp: FakeErp) -> None:
    release(POLICY + ERRS)

    assert writer.call("12.35", key="other sum").status_code == 200
    assert problem_of(writer.call("12.34", key="odd sum")) == (403, "denied")
    assert len(erp.ledger) == 1


def test_a_call_people_approved_is_not_carried_out_under_a_policy_that_errs(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    release(POLICY + ERRS)
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    settle_news()

    call.refresh_from_db()
    assert call.state == CallState.INVALIDATED
    assert erp.requests == []


def test_a_policy_that_reads_what_a_call_may_not_have_is_not_even_released(writer: Robot, erp: FakeErp) -> None:
    with pytest.raises(Invalid, match=r"policy\.invalid"):
        release(POLICY + READS_WHAT_MAY_BE_ABSENT)

    assert writer.call("180.00").status_code == 200
