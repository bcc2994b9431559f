"""What policy demands besides votes reaches the engine: who is brought in when, and whether it can be undone."""

import pytest

from apps.approvals.models import Approval
from apps.gateway.models import CallState
from tests.conftest import Robot, parked, settle_news
from tests.fakes.erp import FakeErp
from tests.gateway.test_edit_tool_call import edit, reread, vote
from tests.gateway.test_release_tool_call import release_policy
from tests.world import POLICY

pytestmark = pytest.mark.django_db

ESCALATING = POLICY.replace(
    '@approval("finance-approvers:1") @expires("PT8H")',
    '@approval("finance-approvers:1") @expires("PT8H") @escalate("PT2H:cfo-office, PT4H:o2c-oncall")',
)
STEPS = [{"after_seconds": 7_200, "team": "cfo-office"}, {"after_seconds": 14_400, "team": "o2c-oncall"}]


def test_an_escalation_of_policy_is_one_of_the_approval(writer: Robot, erp: FakeErp) -> None:
    release_policy(ESCALATING)
    call, approval = parked(writer)

    assert approval.escalations == STEPS
    assert call.decisions.get().obligations["escalations"] == STEPS
    vote(approval, "dana")
    settle_news()
    assert reread(call).state == CallState.SUCCEEDED


def test_an_edit_takes_them_along(writer: Robot, erp: FakeErp) -> None:
    release_policy(ESCALATING)
    call, approval = parked(writer)
    renewed = edit(approval, "400.00", arguments={"note": "x"}).approval

    assert renewed.escalations == STEPS
    assert call.versions.get(number=2).obligations["escalations"] == STEPS
    vote(renewed, "felix")
    settle_news()
    assert reread(call).state == CallState.SUCCEEDED


def test_a_policy_that_escalates_elsewhere_now_invalidates(writer: Robot, erp: FakeErp) -> None:
    """More people could have voted than were told."""
    call, approval = parked(writer)
    release_policy(ESCALATING)
    vote(approval, "dana")
    settle_news()
    assert (reread(call).state, reread(call).error_code) == (CallState.INVALIDATED, "decision_changed")


@pytest.mark.parametrize(("tool", "is_reversible"), [("erp.issue_credit_memo", True), ("erp.write_off", False)])
def test_what_can_be_undone_is_known_to_the_engine(writer: Robot, tool: str, is_reversible: bool) -> None:
    _, approval = parked(writer, tool=tool)
    assert Approval.objects.get(id=approval.id).is_reversible is is_reversible
