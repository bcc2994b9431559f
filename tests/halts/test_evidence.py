"""What is known before a halt is placed, and what can be shown afterwards."""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.models import OutboxEvent
from apps.gateway import services as gateway
from apps.gateway.models import CallState, ToolCall
from apps.halts import services as halts
from apps.halts.above import above
from apps.halts.models import Halt
from tests.conftest import Robot, actor, credit, parked
from tests.external.asking import asked as asked_outside
from tests.fakes.erp import FakeErp
from tests.halts.test_place_halt import halt

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]
SignIn = Callable[[str], Client]


def preview(api: Api, **more: str) -> dict[str, Any]:
    query = {"scope": "process", "id": "order-to-cash", "environment": "production", **more}
    answer = api("omar").get("/api/v1/halts/preview", query)
    assert answer.status_code == 200, answer.json()
    return dict(answer.json())


def test_the_preview_counts_what_it_would_touch(writer: Robot, triage: Robot, api: Api, erp: FakeErp) -> None:
    parked(writer, "1280.00", key="a")
    parked(writer, "900.00", key="b")
    writer.call(key="c", arguments=credit("700.00", currency="USD"))
    erp.faults = ["500"]
    triage.call("10.00", key="d")
    told = preview(api)

    assert (told["agents"], told["approvals_waiting"], told["approvals_running_out"]) == (2, 2, 0)
    assert told["money_pending"] == [{"minor": 218000, "currency": "EUR"}]
    assert [call["agent"] for call in told["executing"]] == ["triage"]
    assert told["continuing"][0] == "1 call that is executing: it cannot be recalled"
    assert "All work in sandbox and staging" in told["continuing"]
    assert not Halt.objects.exists()


def test_it_says_whose_time_runs_out_within_the_halt(writer: Robot, api: Api, time_passes: Callable[..., None]) -> None:
    parked(writer)
    assert preview(api)["approvals_running_out"] == 0
    time_passes(hours=5)
    assert preview(api, mode="drain")["approvals_running_out"] == 1


@pytest.mark.parametrize(
    ("scope", "reference", "says"),
    [
        ("agent", "writer", "1 agent in production outside this scope"),
        ("tool", "erp.write_off", "Everything else that 1 agent in this scope may do"),
        ("counterparty", "invoice:INV-1042", "Everything else that 2 agents in this scope may do"),
    ],
)
def test_what_is_near_and_goes_on_is_said(writer: Robot, api: Api, scope: str, reference: str, says: str) -> None:
    assert says in preview(api, scope=scope, id=reference)["continuing"]


def test_a_preview_of_nothing_is_refused(writer: Robot, api: Api) -> None:
    answer = api("omar").get("/api/v1/halts/preview", {"scope": "galaxy", "environment": "production"})
    assert answer.json()["code"] == "halt.invalid"
    answer = api("omar").get("/api/v1/halts/preview", {"scope": "agent", "id": "x", "environment": "production"})
    assert answer.json()["code"] == "halt.scope_not_found"


@pytest.mark.parametrize("scope", ["mesh", "process:order-to-cash", "agent:writer", "connector:erp", "tool:erp.find"])
def test_each_number_opens_its_rows(writer: Robot, sign_in: SignIn, erp: FakeErp, scope: str) -> None:
    parked(writer, key="a")
    asked_outside(writer)
    erp.faults = ["500"]
    writer.call("10.00", key="b")
    writer.api().post("/api/v1/runs", {"title": "Before"}, format="json")
    counted = sign_in("omar").get("/halts/new/", {"scope": scope}).context["preview"]
    numbers = {
        "agents": counted.agent_count,
        "runs": counted.open_run_count,
        "executing": len(counted.executing),
        "waiting": counted.waiting_count,
    }
    for what, number in numbers.items():
        page = sign_in("omar").get("/halts/touched/", {"scope": scope, "environment": "production", "what": what})
        assert page.status_code == 200
        assert len(page.context["page"].items) == number, what


def test_the_panel_links_to_them(writer: Robot, sign_in: SignIn) -> None:
    html = sign_in("omar").get("/halts/new/", {"scope": "agent:writer"}).content.decode()
    link = html.split('href="/halts/touched/', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    assert parse_qs(urlparse(link).query) == {
        "scope": ["agent:writer"],
        "environment": ["production"],
        "what": ["agents"],
    }


def test_what_is_typed_is_looked_up_before_anything_is_stopped(writer: Robot, sign_in: SignIn) -> None:
    omar = sign_in("omar")
    asks = omar.get("/halts/new/", {"scope": "counterparty"}).content.decode()
    missing = omar.get("/halts/new/", {"scope": "counterparty", "reference": "planet:mars"}).content.decode()
    found = omar.get("/halts/new/", {"scope": "counterparty", "reference": "invoice:INV-1042"}).content.decode()

    assert "Kind and number" in asks
    assert "There is nothing by this name here" in missing
    assert "Hold invoice INV-1042" in found
    body = {"scope": "counterparty", "reference": "invoice:INV-1042", "mode": "hold", "reason_code": "security"}
    assert omar.post("/halts/", body).status_code == 302
    assert Halt.objects.get().scope_text == "invoice:INV-1042"


def test_the_preview_is_there_in_half_a_second(writer: Robot, api: Api) -> None:
    for number in range(30):
        parked(writer, key=f"k-{number}")
    preview(api)
    began = time.monotonic()
    preview(api, scope="mesh", id="")
    assert time.monotonic() - began < 0.5


def test_afterwards_it_says_when_which_call_and_how_each_ended(
    writer: Robot, api: Api, erp: FakeErp, sign_in: SignIn, time_passes: Callable[..., None]
) -> None:
    writer.call("10.00", key="done")
    erp.faults = ["500"]
    call_id = writer.call("10.00", key="under way").json()["id"]
    placed = halt(api("omar")).json()
    row = Halt.objects.get()

    assert row.last_admitted_at == ToolCall.objects.get(id=call_id).executing_at
    assert placed["last_admitted_at"] is not None
    assert row.time_to_stop_ms is not None and row.time_to_stop_ms < 5000
    assert [str(call) for call in row.executing_calls] == [call_id]
    page = sign_in("omar").get(f"/halts/{row.id}/").content.decode()
    assert "Last call admitted" in page and "of 1 that was executing" in page

    for minutes in range(1, 60):
        time_passes(minutes=minutes)
        for overdue in gateway.overdue_calls():
            gateway.recover_tool_call(overdue)
    [ended] = api("omar").get(f"/api/v1/halts/{row.id}").json()["executing"]
    assert ended["state"] in (CallState.FAILED, CallState.OUTCOME_UNKNOWN, CallState.SUCCEEDED)
    assert ended["finished_at"] is not None


def test_what_ran_hours_ago_is_looked_for_when_nobody_is_held_up(
    writer: Robot, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the lock only the last moments are read: a day of calls would hold every agent up."""
    ran_at = clock.now() - dt.timedelta(hours=5)
    writer.call("10.00")
    ToolCall.objects.update(executing_at=ran_at)
    look = above()
    looked: list[dt.timedelta] = []

    def counted(scope: Any, environment: str, within: dt.timedelta) -> dt.datetime | None:
        looked.append(within)
        return look.last_admitted(scope, environment, within)

    monkeypatch.setattr("apps.halts.services.placing.above", lambda: replace(look, last_admitted=counted))
    placed = halt(api("omar")).json()

    assert placed["last_admitted_at"] is not None
    assert Halt.objects.get().last_admitted_at == ran_at
    assert looked == [dt.timedelta(seconds=30), dt.timedelta(days=1)]


def test_where_nothing_ran_it_says_so(writer: Robot, api: Api, sign_in: SignIn) -> None:
    placed = halt(api("omar")).json()
    assert (placed["last_admitted_at"], placed["executing"]) == (None, [])
    assert "none in the day before" in sign_in("omar").get(f"/halts/{placed['id']}/").content.decode()


@pytest.mark.parametrize(("mode", "says"), [("stop", "It goes on as a hold."), ("hold", "It holds nothing any more.")])
def test_the_end_of_its_time_is_written_down_once(writer: Robot, api: Api, mode: str, says: str) -> None:
    placed = halt(api("omar"), mode=mode).json()
    assert halts.tell_expired_halts() == 0
    Halt.objects.filter(id=placed["id"]).update(expires_at=clock.now() - dt.timedelta(seconds=1))

    assert (halts.tell_expired_halts(), halts.tell_expired_halts()) == (1, 0)
    assert AuditEntry.objects.get(code="halt.expired").reason == says
    assert OutboxEvent.objects.filter(name="HaltExpired").count() == 1
    assert writer.call("10.00").status_code == (423 if mode == "stop" else 200)


def test_people_see_of_what_executed_only_what_is_theirs(writer: Robot, api: Api, erp: FakeErp) -> None:
    erp.faults = ["500"]
    writer.call("10.00")
    placed = halts.place_halt(
        actor=actor("omar"),
        scope_type="mesh",
        scope_reference="",
        environment="production",
        mode="hold",
        reason_code="drill",
    )
    assert len(api("omar").get(f"/api/v1/halts/{placed.id}").json()["executing"]) == 1
    assert api("otto").get(f"/api/v1/halts/{placed.id}").json()["executing"] == []
