"""Setting and ending budgets: who may, what is refused, what is told, and what pages and API show of it."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.budgets.models import Budget, Measure, Reservation
from apps.budgets.periods import period_at
from tests.budgets.builders import check_ledger, counter_of, make_budget
from tests.conftest import Robot, parked
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

BODY: dict[str, Any] = {
    "scope": {"type": "process", "id": "order-to-cash"},
    "environment": "production",
    "measure": "money",
    "currency": "EUR",
    "window": "day",
    "cap": 100_000,
    "reason": "The board",
}


def test_a_process_owner_sets_one_and_it_is_told(api: Callable[..., Any]) -> None:
    answer = api("priya").post("/api/v1/budgets", BODY, format="json")

    body = answer.json()
    assert answer.status_code == 201, body
    assert (body["cap"], body["present"]["left"], body["time_zone"]) == (100_000, 100_000, "Europe/Berlin")
    entry = AuditEntry.objects.get(code="budget.set")
    assert (entry.subject_id, entry.process, entry.data["cap"]) == (body["id"], "order-to-cash", 100_000)
    assert api("dana").get(f"/api/v1/budgets/{body['id']}").json()["set_by"] == "Priya Nair"


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("no currency", {"currency": ""}, "/currency"),
    ("a currency of calls", {"measure": "calls"}, "/currency"),
    ("a negative cap", {"cap": -1}, "/cap"),
    ("an unknown window", {"window": "fortnight"}, "/window"),
    ("steps of a day", {"measure": "steps", "currency": ""}, "/window"),
    ("tokens without an estimate", {"measure": "tokens", "currency": ""}, "/estimate"),
    ("an unknown scope", {"scope": {"type": "planet"}}, "/scope"),
]


@pytest.mark.parametrize(("what", "change", "pointer"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_does_not_say_clearly_what_to_cap_is_refused(
    api: Callable[..., Any], what: str, change: dict[str, Any], pointer: str
) -> None:
    answer = api("priya").post("/api/v1/budgets", BODY | change, format="json")

    assert (answer.status_code, answer.json()["code"]) == (422, "budget.invalid")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Budget.objects.exists()


@pytest.mark.parametrize(("who", "status"), [("priya", 403), ("omar", 403), ("otto", 403)])
def test_the_mesh_takes_somebody_who_governs_the_mesh(api: Callable[..., Any], who: str, status: int) -> None:
    answer = api(who).post("/api/v1/budgets", BODY | {"scope": {"type": "mesh"}}, format="json")

    assert answer.status_code == status
    assert not Budget.objects.exists()


def test_another_cap_goes_on_with_the_same_ledger(writer: Robot, erp: FakeErp) -> None:
    budget = make_budget(cap=20_000)
    writer.call("180.00", key="a")
    lowered = make_budget(cap=10_000)

    assert lowered.id == budget.id
    counter = counter_of(budget)
    assert (counter.cap, counter.ceiling, counter.settled, counter.left) == (10_000, 18_000, 18_000, 0)
    assert writer.call("1.00", key="b").status_code == 429
    make_budget(cap=30_000)
    assert writer.call("120.00", key="c").status_code == 200
    assert writer.call("1.00", key="d").status_code == 429
    entry = AuditEntry.objects.filter(code="budget.changed").earliest("seq")
    assert (entry.data["before"]["cap"], entry.data["after"]["cap"]) == (20_000, 10_000)
    check_ledger()


def test_what_a_lowered_cap_frees_does_not_open_again(writer: Robot, erp: FakeErp) -> None:
    budget = make_budget(cap=300_000)
    call, _ = parked(writer)
    make_budget(cap=1_000)
    writer.api().post(f"/api/v1/tool-calls/{call.id}/cancel")

    assert counter_of(budget).left == 1_000
    assert writer.call("180.00", key="b").status_code == 429


def test_an_ended_budget_lets_calls_go_and_settles_what_it_holds(
    writer: Robot, erp: FakeErp, api: Callable[..., Any]
) -> None:
    budget = make_budget(cap=128_000)
    call, _ = parked(writer)
    ended = api("priya").post(f"/api/v1/budgets/{budget.id}/end", {"reason": "Quarter is over"}, format="json")
    again = api("priya").post(f"/api/v1/budgets/{budget.id}/end", {"reason": "Quarter is over"}, format="json")

    assert ended.status_code == 200
    assert (again.status_code, again.json()["code"]) == (409, "budget.already_ended")
    assert writer.call("180.00", key="b").status_code == 200
    writer.api().post(f"/api/v1/tool-calls/{call.id}/cancel")
    assert counter_of(budget).reserved == 0
    check_ledger()


def test_a_number_equals_its_list(writer: Robot, erp: FakeErp, sign_in: Callable[[str], Client]) -> None:
    """I14: what the page says is settled and reserved is the sum of the calls it lists."""
    budget = make_budget(cap=1_000_000)
    writer.call("180.00", key="a")
    writer.call("20.00", key="b")
    parked(writer, key="c")
    page = sign_in("omar").get(f"/budgets/{budget.id}/").content.decode()
    settled = (
        sign_in("omar").get(f"/budgets/{budget.id}/?period={counter_of(budget).id}&state=settled").content.decode()
    )

    assert "€200.00" in page
    assert "€1,280.00" in page
    assert settled.count("Issue a credit memo") == 2
    assert sum(row.settled_amount or 0 for row in Reservation.objects.filter(state="settled")) == 20_000


def test_the_list_says_which_is_used_up(writer: Robot, erp: FakeErp, sign_in: Callable[[str], Client]) -> None:
    make_budget(cap=18_000)
    writer.call("180.00")
    page = sign_in("omar").get("/budgets/").content.decode()

    assert "Order-to-cash writer: €180.00 a day" in page
    assert "Used up" in page


def test_the_form_takes_major_units_and_says_what_is_wrong(sign_in: Callable[[str], Client], writer: Robot) -> None:
    form = {
        "scope": f"agent:{writer.agent.id}",
        "environment": "production",
        "measure": "money",
        "currency": "EUR",
        "window": "day",
        "cap": "1,250.50",
        "reason": "The board",
    }
    made = sign_in("priya").post("/budgets/", form)
    wrong = sign_in("priya").post("/budgets/", form | {"measure": "tokens", "cap": "1000"})
    money = sign_in("priya").post("/budgets/", form | {"cap": "12.345"})

    assert made.status_code == 302
    assert Budget.objects.get().cap == 125_050
    assert wrong.status_code == money.status_code == 422
    assert "Say what a report without a number counts as." in wrong.content.decode()
    assert "more decimals" in money.content.decode()


def test_an_agent_knows_the_amounts_of_its_own_budgets_alone(writer: Robot) -> None:
    own, wide = make_budget(), make_budget(scope_type="process", scope_reference="order-to-cash")

    assert writer.api().get(f"/api/v1/budgets/{own.id}").json()["present"]["left"] == 100_000
    shown = writer.api().get(f"/api/v1/budgets/{wide.id}").json()
    assert "cap" not in shown
    assert "set_by" not in shown


def test_reported_use_counts_and_closes(writer: Robot, erp: FakeErp) -> None:
    budget = make_budget(cap=5_00, measure=Measure.MODEL_COST, estimate=1_00)
    report = {"key": "m-1", "model": "large", "tokens": 1200, "cost": {"minor": 480, "currency": "EUR"}}
    first = writer.api().post("/api/v1/usage", report, format="json")
    again = writer.api().post("/api/v1/usage", report, format="json")
    other = writer.api().post("/api/v1/usage", report | {"tokens": 1}, format="json")
    assert writer.call("1.00", key="a").status_code == 200
    unknown = writer.api().post("/api/v1/usage", {"key": "m-2", "cost": None}, format="json")

    assert (first.status_code, again.status_code, unknown.status_code) == (201, 201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "usage.conflict")
    counter = counter_of(budget)
    assert (counter.settled, counter.overrun) == (500, 80)
    refused = writer.call("1.00", key="b")
    assert (refused.status_code, refused.json()["budget"]["measure"]) == (429, "model_cost")
    check_ledger()


def test_only_who_may_halt_lets_a_held_run_go_on(
    writer: Robot, erp: FakeErp, api: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    make_budget(cap=1, measure=Measure.REPEATS, window="run")
    run = writer.api().post("/api/v1/runs", {"title": "A"}, format="json").json()["id"]
    answers = [writer.call("1.00", key=f"k{n}", run_id=run) for n in range(2)]
    hold = answers[-1].json()["run_hold"]["id"]
    path = f"/api/v1/run-holds/{hold}/release"

    assert api("dana").post(path, {"reason": "Fine"}, format="json").status_code == 403
    assert "held since" in sign_in("omar").get("/budgets/").content.decode().lower()
    assert api("omar").post(path, {"reason": "It waits for a slow system"}, format="json").status_code == 200
    assert api("omar").post(path, {"reason": "Again"}, format="json").json()["code"] == "run_hold.already_released"
    codes = [writer.call("1.00", key=f"later{n}", run_id=run).status_code for n in range(2)]

    assert codes == [200, 429]
    assert AuditEntry.objects.filter(code="run.released").count() == 1


@pytest.mark.parametrize(
    ("window", "now", "starts", "ends"),
    [
        ("hour", "2026-03-29 01:30", "2026-03-29 01:00", "2026-03-29 02:00"),
        ("day", "2026-03-29 10:00", "2026-03-28 23:00", "2026-03-29 22:00"),
        ("day", "2026-10-25 10:00", "2026-10-24 22:00", "2026-10-25 23:00"),
        ("week", "2026-11-20 10:00", "2026-11-15 23:00", "2026-11-22 23:00"),
        ("month", "2026-12-31 23:30", "2026-12-31 23:00", "2027-01-31 23:00"),
    ],
)
def test_a_period_begins_where_the_process_is(window: str, now: str, starts: str, ends: str) -> None:
    moment, first, last = (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) for text in (now, starts, ends))
    period = period_at(Budget(window=window, time_zone="Europe/Berlin"), moment, None)

    assert period is not None
    assert (period.starts_at, period.ends_at) == (first, last)
    assert moment.astimezone(ZoneInfo("Europe/Berlin")) >= period.starts_at
