"""Who answers for a process hears of its budgets and of its held runs, once."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.budgets.models import Measure
from apps.core.models import OutboxEvent
from apps.notifications.models import Notice
from tests.budgets.builders import make_budget
from tests.conftest import Robot
from tests.fakes.erp import FakeErp
from tests.notifications.telling import spread

pytestmark = pytest.mark.django_db


def told_to(sign_in: Callable[[str], Client], username: str) -> str:
    return sign_in(username).get("/notifications/").content.decode()


def test_a_threshold_is_told_once_to_who_answers_for_it(
    writer: Robot, erp: FakeErp, sign_in: Callable[[str], Client]
) -> None:
    make_budget(cap=20_000)
    writer.call("180.00")
    spread()
    OutboxEvent.objects.filter(name="BudgetThresholdReached").update(delivered_at=None)
    spread()

    assert "80 % of €200.00 a day for Order-to-cash writer is used" in told_to(sign_in, "omar")
    assert "80 % of" in told_to(sign_in, "priya")
    assert "80 % of" not in told_to(sign_in, "dana")
    assert Notice.objects.filter(person__username="omar").count() == 2  # 50 and 80 percent


def test_a_held_run_is_told(writer: Robot, erp: FakeErp, sign_in: Callable[[str], Client]) -> None:
    make_budget(cap=1, measure=Measure.REPEATS, window="run")
    run = writer.api().post("/api/v1/runs", {"title": "A"}, format="json").json()["id"]
    for number in range(3):
        writer.call("1.00", key=f"k{number}", run_id=run)
    spread()

    assert "asked for erp.issue_credit_memo 2 times in one run. The run is held." in told_to(sign_in, "omar")
    assert Notice.objects.filter(person__username="omar").count() == 1
