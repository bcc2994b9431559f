"""Drills: the stop is tried on a canary, measured, and kept as evidence."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.models import OutboxEvent
from apps.gateway.models import ToolCall
from apps.halts import services as halts
from apps.halts.models import Halt, HaltDrill
from tests.conftest import Robot, actor, at_once
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]
Passes = Callable[..., None]


def planned(every_days: int = 0) -> HaltDrill:
    return halts.schedule_drill(actor=actor("omar"), agent="writer", planned_for=clock.now(), every_days=every_days)


def test_it_holds_the_canary_measures_and_lets_it_go(
    writer: Robot, triage: Robot, erp: FakeErp, time_passes: Passes
) -> None:
    writer.call("10.00", key="before")
    drill = planned()
    assert (halts.carry_out_drills(), halts.carry_out_drills()) == (1, 0)
    placed = Halt.objects.get()
    assert (placed.reason_code, placed.mode, placed.placed_by) == ("drill", "hold", "system:halt-drill")
    assert writer.call("10.00", key="during").status_code == 423
    assert triage.call("10.00", key="during").status_code == 200

    time_passes(seconds=21)
    assert (halts.carry_out_drills(), halts.carry_out_drills()) == (1, 0)
    drill.refresh_from_db()
    assert (drill.turned_away_count, drill.got_through_count, drill.outcome) == (1, 0, "Held")
    assert drill.time_to_stop_ms is not None
    assert writer.call("10.00", key="after").status_code == 200
    entry = AuditEntry.objects.get(code="halt_drill.finished")
    assert (entry.outcome, entry.data["turned_away"], entry.data["got_through"]) == ("held", 1, 0)
    assert OutboxEvent.objects.filter(name="HaltDrillFinished").exists()


def test_a_call_that_got_through_is_found(writer: Robot, erp: FakeErp, time_passes: Passes) -> None:
    """It cannot happen; the drill is there to see it if it does."""
    drill = planned()
    halts.carry_out_drills()
    Halt.objects.update(environment="staging")
    writer.call("10.00")
    Halt.objects.update(environment="production")
    time_passes(seconds=21)
    halts.carry_out_drills()
    drill.refresh_from_db()

    assert (drill.got_through_count, drill.outcome) == (1, "Failed: a call got through")
    assert AuditEntry.objects.get(code="halt_drill.finished").outcome == "failed"


def test_a_quiet_canary_shows_little_and_says_so(writer: Robot, time_passes: Passes) -> None:
    drill = planned()
    halts.carry_out_drills()
    time_passes(seconds=21)
    halts.carry_out_drills()
    drill.refresh_from_db()
    assert drill.outcome == "Held, but no call came"


def test_a_drill_that_nobody_ends_holds_for_five_minutes(writer: Robot, erp: FakeErp) -> None:
    planned()
    halts.carry_out_drills()
    placed = Halt.objects.get()
    assert placed.expires_at - placed.placed_at <= dt.timedelta(minutes=5, seconds=1)


def test_the_next_one_is_planned(writer: Robot, time_passes: Passes) -> None:
    planned(every_days=7)
    halts.carry_out_drills()
    time_passes(seconds=21)
    halts.carry_out_drills()
    following = HaltDrill.objects.get(finished_at=None)
    assert following.planned_for - clock.now() > dt.timedelta(days=6, hours=23)
    assert following.every_days == 7


def test_a_cancelled_one_is_not_carried_out(writer: Robot, api: Api) -> None:
    drill = planned(every_days=7)
    assert api("omar").post(f"/api/v1/halt-drills/{drill.id}/cancel").status_code == 200
    again = api("omar").post(f"/api/v1/halt-drills/{drill.id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "halt_drill.not_planned")
    assert halts.carry_out_drills() == 0
    assert not Halt.objects.exists()


@pytest.mark.parametrize("change", [{"planned_for": "2001-01-01T00:00:00Z"}, {"every_days": 400}, {"every_days": -1}])
def test_an_unclear_plan_is_refused(writer: Robot, api: Api, change: dict[str, object]) -> None:
    body = {"agent": "writer", "planned_for": clock.now().isoformat(), **change}
    answer = api("omar").post("/api/v1/halt-drills", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "halt_drill.bad_time")


def test_the_page_plans_and_shows_the_history(
    writer: Robot, sign_in: Callable[[str], Client], time_passes: Passes
) -> None:
    omar = sign_in("omar")
    assert omar.post("/halts/drills/", {"agent": ""}).status_code == 422
    assert omar.post("/halts/drills/", {"agent": "writer"}).status_code == 302
    halts.carry_out_drills()
    writer.call("10.00")
    assert "Drill" in omar.get(f"/halts/{Halt.objects.get().id}/").content.decode()
    time_passes(seconds=21)
    halts.carry_out_drills()
    page = omar.get("/halts/drills/").content.decode()
    assert "Held" in page and "1 turned away" in page and "0 got through" in page
    assert "Plan a drill" not in sign_in("dana").get("/halts/drills/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_workers_hold_the_canary_once(writer: Robot) -> None:
    planned()
    at_once([halts.carry_out_drills, halts.carry_out_drills])
    assert Halt.objects.count() == 1
    assert not ToolCall.objects.exists()
