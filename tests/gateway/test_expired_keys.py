"""An idempotency key that is older than its tool keeps keys is refused, and never used again."""

from collections.abc import Callable

import pytest

from apps.gateway.models import ToolCall
from apps.registry import tokens
from apps.registry.definitions import definition_of
from apps.registry.models import Tool
from apps.registry.services import register_tool
from tests.conftest import Robot, parked
from tests.fakes.erp import FakeErp
from tests.queries.crowd import SETUP

pytestmark = pytest.mark.django_db


def keep_keys(days: int | None) -> None:
    like = definition_of(Tool.objects.select_related("connector").get(name="erp.issue_credit_memo"))
    register_tool(definition={**like, "idempotency_keep_days": days}, actor=SETUP)


def test_a_key_that_is_too_old_is_refused_with_the_call_it_belongs_to(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    keep_keys(30)
    first = writer.call("180.00").json()
    time_passes(days=29)
    assert signed_in(writer).call("180.00").json()["replayed"] is True
    time_passes(days=31)
    writer = signed_in(writer)
    for amount in ("180.00", "190.00"):
        answer = writer.call(amount)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_expired")
        assert (answer.json()["tool_call_id"], answer.json()["state"]) == (first["id"], "succeeded")
    assert len(erp.ledger) == 1
    assert ToolCall.objects.count() == 1


def signed_in(robot: Robot) -> Robot:
    """With a token of this moment."""
    return Robot(robot.agent, robot.credential, tokens.issue(robot.credential)[0])


def test_without_a_number_of_days_keys_count_for_good(writer: Robot, time_passes: Callable[..., None]) -> None:
    writer.call("180.00")
    time_passes(days=4000)
    assert signed_in(writer).call("180.00").json()["replayed"] is True


def test_the_key_of_an_open_call_counts_however_long_it_waits(writer: Robot, time_passes: Callable[..., None]) -> None:
    keep_keys(1)
    call, _ = parked(writer)
    time_passes(days=3)
    assert signed_in(writer).call("1280.00").json()["id"] == str(call.id)


def test_a_tool_that_says_nothing_of_it_keeps_its_version() -> None:
    tool = Tool.objects.select_related("connector").get(name="erp.issue_credit_memo")
    assert "idempotency_keep_days" not in definition_of(tool)
    keep_keys(None)
    assert Tool.objects.get(pk=tool.pk).version == tool.version
    keep_keys(30)
    keep_keys(None)
    tool.refresh_from_db()
    assert (tool.version, tool.idempotency_keep_days) == (3, None)
