"""Rules place the same halt as people do, under the same lock, and never lift one."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.models import OutboxEvent
from apps.gateway.models import CallState, ToolCall
from apps.halts import services as halts
from apps.halts.models import Halt, HaltRule
from tests.conftest import Robot, actor, at_once
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]


def rule(**more: Any) -> HaltRule:
    text: dict[str, Any] = {
        "scope_type": "agent",
        "scope_reference": "writer",
        "environment": "production",
        "condition": "consecutive_failures",
        "threshold": 3,
        "window_seconds": 300,
        "is_dry": False,
        **more,
    }
    made = halts.set_rule(actor=actor("priya"), slug="failing", text=halts.RuleText(**text))
    HaltRule.objects.filter(id=made.id).update(made_at=clock.now() - dt.timedelta(hours=1))
    return made


def ended(robot: Robot, states: str) -> None:
    """Calls that ended in this order: s succeeded, f failed, d denied."""
    for letter in states:
        call_id = robot.call("10.00", key=f"k-{ToolCall.objects.count()}").json()["id"]
        state = {"s": CallState.SUCCEEDED, "f": CallState.FAILED, "d": CallState.DENIED}[letter]
        ToolCall.objects.filter(id=call_id).update(state=state, finished_at=clock.now())


CASES: list[tuple[dict[str, Any], str, bool]] = [
    ({"condition": "consecutive_failures", "threshold": 3}, "sfff", True),
    ({"condition": "consecutive_failures", "threshold": 3}, "fffsff", False),
    ({"condition": "consecutive_failures", "threshold": 3}, "fff", True),
    ({"condition": "error_rate", "threshold": 50, "least_calls": 4}, "sffs", True),
    ({"condition": "error_rate", "threshold": 51, "least_calls": 4}, "sffs", False),
    ({"condition": "error_rate", "threshold": 50, "least_calls": 5}, "ffff", False),
    ({"condition": "denied_per_minute", "threshold": 2}, "dds", True),
    ({"condition": "denied_per_minute", "threshold": 2}, "dfs", False),
    ({"scope_type": "tool", "scope_reference": "erp.write_off"}, "fff", False),
    ({"scope_type": "process", "scope_reference": "order-to-cash"}, "fff", True),
]


@pytest.mark.parametrize(("text", "states", "fires"), CASES)
def test_it_halts_when_its_condition_is_true(
    writer: Robot, erp: FakeErp, text: dict[str, Any], states: str, fires: bool
) -> None:
    rule(**text)
    ended(writer, states)
    halts.watch_rules()

    assert Halt.objects.exists() == fires
    assert writer.call("10.00", key="after").status_code == (423 if fires else 200)


def test_it_is_the_same_object_in_the_rules_own_name(writer: Robot, erp: FakeErp) -> None:
    rule()
    ended(writer, "fff")
    assert (halts.watch_rules(), halts.watch_rules()) == (1, 0)
    placed = Halt.objects.get()

    assert (placed.placed_by, placed.placed_by_name) == ("rule:failing@1", "Rule failing@1")
    assert "failing@1" in placed.reason
    assert placed.time_to_stop_ms is not None
    codes = AuditEntry.objects.filter(actor_key="rule:failing@1").order_by("seq").values_list("code", flat=True)
    assert list(codes) == ["halt.placed", "halt_rule.placed"]
    assert OutboxEvent.objects.get(name="HaltRuleFired").body == {"rule": "failing@1", "halt_id": str(placed.id)}


def test_a_dry_rule_writes_down_what_it_would_have_done(writer: Robot, erp: FakeErp) -> None:
    rule(is_dry=True)
    ended(writer, "fff")
    assert (halts.watch_rules(), halts.watch_rules()) == (1, 0)

    assert not Halt.objects.exists()
    assert AuditEntry.objects.filter(code="halt_rule.would_have_placed").count() == 1


def test_whoever_lifts_it_is_not_overruled_by_the_same_failures(writer: Robot, erp: FakeErp) -> None:
    rule()
    ended(writer, "fff")
    halts.watch_rules()
    halts.lift_halt(actor=actor("omar"), halt_id=Halt.objects.get().id, reason="Fixed")
    assert halts.watch_rules() == 0
    ended(writer, "fff")
    assert halts.watch_rules() == 1


def test_it_never_lifts(writer: Robot, erp: FakeErp) -> None:
    rule()
    ended(writer, "fff")
    halts.watch_rules()
    ToolCall.objects.update(state=CallState.SUCCEEDED)
    halts.watch_rules()
    halts.retire_rule(actor=actor("priya"), slug="failing")
    assert Halt.objects.in_force().exists()
    assert halts.watch_rules() == 0


def test_what_happened_before_the_rule_is_not_held_against_anyone(writer: Robot, erp: FakeErp) -> None:
    ended(writer, "fff")
    made = rule()
    HaltRule.objects.filter(id=made.id).update(made_at=clock.now())
    assert halts.watch_rules() == 0


def test_a_change_is_a_new_version(writer: Robot) -> None:
    first = rule()
    second = rule(threshold=5)
    first.refresh_from_db()
    assert (str(first), str(second), first.threshold) == ("failing@1", "failing@2", 3)
    assert first.retired_at is not None
    assert AuditEntry.objects.filter(code="halt_rule.set").count() == 2


@pytest.mark.parametrize(
    "change",
    [
        {"scope_type": "mesh"},
        {"environment": "moon"},
        {"condition": "bad_mood"},
        {"threshold": 0},
        {"condition": "error_rate", "threshold": 101},
        {"window_seconds": 10**6},
        {"least_calls": 0},
        {"mode": "pause"},
    ],
)
def test_an_unclear_rule_is_refused(writer: Robot, api: Api, change: dict[str, Any]) -> None:
    body: dict[str, Any] = {
        "slug": "failing",
        "scope": {"type": change.pop("scope_type", "agent"), "id": "writer"},
        "environment": "production",
        "condition": "consecutive_failures",
        "threshold": 3,
        **change,
    }
    answer = api("priya").post("/api/v1/halt-rules", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "halt_rule.invalid")
    assert not HaltRule.objects.exists()


def test_a_tool_that_other_processes_use_is_not_one_owners_to_watch(writer: Robot, api: Api) -> None:
    body = {
        "slug": "failing",
        "scope": {"type": "tool", "id": "erp.find"},
        "environment": "production",
        "condition": "consecutive_failures",
        "threshold": 3,
    }
    assert api("priya").post("/api/v1/halt-rules", body, format="json").json()["code"] == "halt_rule.not_allowed"


def test_the_page_sets_and_retires(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    body = {
        "slug": "failing",
        "scope": "agent:writer",
        "environment": "production",
        "condition": "error_rate",
        "threshold": 50,
        "window_seconds": 300,
        "least_calls": 10,
        "mode": "hold",
        "is_dry": "on",
    }
    priya = sign_in("priya")
    assert priya.post("/halts/rules/", {**body, "threshold": ""}).status_code == 422
    assert priya.post("/halts/rules/", body).status_code == 302
    page = priya.get("/halts/rules/").content.decode()
    assert "failing@1" in page and "tried out" in page
    assert "Set a rule" not in sign_in("dana").get("/halts/rules/").content.decode()
    assert priya.post("/halts/rules/failing/retire/").status_code == 302
    assert "No rule halts anything" in priya.get("/halts/rules/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_workers_place_one_halt(writer: Robot, erp: FakeErp) -> None:
    rule()
    ended(writer, "fff")
    at_once([halts.watch_rules, halts.watch_rules, halts.watch_rules])
    assert Halt.objects.count() == 1
