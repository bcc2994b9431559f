"""A rule that halts when a budget is used up: once in each period, in its own name, and not when somebody raised it."""

from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.budgets.models import Measure
from apps.budgets.services import end_budget
from apps.core import outbox
from apps.core.actor import system_actor
from apps.core.errors import Invalid
from apps.core.models import OutboxEvent
from apps.halts import services as halts
from apps.halts import tasks
from apps.halts.models import Halt, HaltRule
from tests.budgets.builders import make_budget
from tests.conftest import Robot, actor, at_once, robot_named
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


def rule(**more: Any) -> HaltRule:
    text: dict[str, Any] = {
        "scope_type": "agent",
        "scope_reference": "writer",
        "environment": "production",
        "condition": "budget_used_up",
        "threshold": 5,
        "window_seconds": 300,
        "is_dry": False,
        **more,
    }
    return halts.set_rule(actor=actor("priya"), slug="money-gone", text=halts.RuleText(**text))


def heard(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Deliver the news; what the task would do is done at once."""
    found: list[int] = []
    monkeypatch.setattr(tasks.watch_rules, "delay", lambda: found.append(halts.watch_rules()))
    outbox.drain()
    return found


def test_a_budget_that_is_used_up_halts_what_it_is_set_on(
    writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule()
    make_budget(cap=18_000)
    writer.call("180.00")
    assert heard(monkeypatch) == [1]
    placed = Halt.objects.get()

    assert (placed.placed_by, placed.reason_code, placed.mode) == ("rule:money-gone@1", "budget", "hold")
    codes = AuditEntry.objects.filter(actor_key="rule:money-gone@1").order_by("seq").values_list("code", flat=True)
    assert list(codes) == ["halt.placed", "halt_rule.placed"]
    told = writer.call(key="read", tool="erp.find", arguments={"reference": "CM-1"})
    assert (told.status_code, told.json()["halt"]["reason_code"]) == (423, "budget")
    assert "a budget is used up" in told.json()["halt"]["reason"].lower()


def test_below_the_cap_it_does_nothing(writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch) -> None:
    rule()
    make_budget(cap=20_000)
    writer.call("180.00")

    assert heard(monkeypatch) == []
    assert (halts.watch_rules(), Halt.objects.exists()) == (0, False)


def test_the_news_again_halts_once_and_overrules_nobody_who_lifted(
    writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule()
    make_budget(cap=18_000)
    writer.call("180.00")
    heard(monkeypatch)
    OutboxEvent.objects.filter(name="BudgetThresholdReached").update(delivered_at=None)
    assert heard(monkeypatch) == [0]

    halts.lift_halt(actor=actor("priya"), halt_id=Halt.objects.get().id, reason="We know")
    OutboxEvent.objects.filter(name="BudgetThresholdReached").update(delivered_at=None)
    assert heard(monkeypatch) == [0]
    assert Halt.objects.count() == 1


def test_the_next_period_counts_anew(
    writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch, time_passes: Any
) -> None:
    rule()
    make_budget(cap=18_000, window="hour")
    writer.call("180.00")
    heard(monkeypatch)
    halts.lift_halt(actor=actor("priya"), halt_id=Halt.objects.get().id, reason="We know")
    # a token lives for a quarter of an hour
    time_passes(minutes=61)
    robot_named("writer").call("180.00", key="k-2")
    heard(monkeypatch)

    assert Halt.objects.count() == 2


def test_one_that_was_raised_meanwhile_halts_nothing(
    writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule()
    make_budget(cap=18_000)
    writer.call("180.00")
    make_budget(cap=30_000)

    assert heard(monkeypatch) == [0]
    assert not Halt.objects.exists()


def test_one_that_was_ended_meanwhile_halts_nothing(
    writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule()
    budget = make_budget(cap=18_000)
    writer.call("180.00")
    end_budget(actor=system_actor("tests"), budget_id=budget.id, reason="No more")

    assert heard(monkeypatch) == [0]


@pytest.mark.parametrize(
    "more",
    [
        {"scope_type": "process", "scope_reference": "order-to-cash"},
        {"environment": "production", "measure": Measure.CALLS, "window": "run", "cap": 1},
    ],
)
def test_budgets_of_other_scopes_and_of_a_run_do_not_count(
    writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    rule()
    make_budget(**{"cap": 18_000, **more})
    writer.call("180.00")
    heard(monkeypatch)

    assert not Halt.objects.exists()


def test_what_was_used_up_before_the_rule_was_set_does_not_count(writer: Robot, erp: FakeErp) -> None:
    make_budget(cap=18_000)
    writer.call("180.00")
    rule()

    assert halts.watch_rules() == 0


def test_a_dry_rule_writes_down_what_it_would_have_done(
    writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(is_dry=True)
    make_budget(cap=18_000)
    writer.call("180.00")
    heard(monkeypatch)

    assert not Halt.objects.exists()
    entry = AuditEntry.objects.get(code="halt_rule.would_have_placed")
    assert entry.actor_key == "rule:money-gone@1"


def test_a_tool_has_no_budgets(writer: Robot) -> None:
    with pytest.raises(Invalid) as refusal:
        rule(scope_type="tool", scope_reference="erp.write_off")
    assert [error["pointer"] for error in refusal.value.details["errors"]] == ["/scope_type"]


def test_it_says_that_it_needs_the_whole(writer: Robot) -> None:
    made = rule()
    assert (made.threshold, made.window_seconds) == (100, 24 * 3600)


@pytest.mark.django_db(transaction=True)
def test_two_workers_place_one_halt(writer: Robot, erp: FakeErp) -> None:
    rule()
    make_budget(cap=18_000)
    writer.call("180.00")

    assert sum(at_once([halts.watch_rules, halts.watch_rules])) == 1
    assert Halt.objects.count() == 1
