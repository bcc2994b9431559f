"""A tool that cannot be undone, allowed by a permit that asks nobody: the owners of the process are asked."""

import pytest

from apps.approvals.models import Approval
from apps.console.bootstrap.irreversible import warnings_on_irreversible_tools
from apps.gateway import services
from apps.gateway.models import CallState
from apps.registry.definitions import definition_of
from apps.registry.models import Tool
from apps.registry.services import register_tool
from tests.conftest import Robot, parked
from tests.fakes.erp import FakeErp
from tests.gateway.undoing import SETUP
from tests.world import document

pytestmark = pytest.mark.django_db


@pytest.fixture
def final(world: FakeErp) -> None:
    like = definition_of(Tool.objects.select_related("connector").get(name="erp.issue_credit_memo"))
    register_tool(definition={**like, "reversible": False}, actor=SETUP)


@pytest.mark.usefixtures("final")
def test_it_waits_for_the_owners_of_the_process(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer, "180.00")

    assert [stage.team.slug for stage in approval.stages.all()] == ["o2c-builders"]
    assert "never done alone" in str(call.decisions.get().policies)
    assert erp.ledger == []


@pytest.mark.usefixtures("final")
def test_approved_it_runs(writer: Robot, erp: FakeErp) -> None:
    call, _ = parked(writer, "180.00")
    Approval.objects.filter(id=call.approval_id).update(state="approved", resolved_at=call.requested_at)
    services.release_tool_call(call.id)
    call.refresh_from_db()
    assert (call.state, len(erp.ledger)) == (CallState.SUCCEEDED, 1)


@pytest.mark.usefixtures("final")
def test_the_bootstrap_says_which_permits_rely_on_it(erp: FakeErp) -> None:
    [warning] = warnings_on_irreversible_tools(document(erp.url))
    assert warning.startswith("erp.issue_credit_memo cannot be undone, and “credit-alone” of order-to-cash asks nobody")


def test_the_world_of_the_tests_has_none(world: FakeErp, erp: FakeErp) -> None:
    assert warnings_on_irreversible_tools(document(erp.url)) == []
