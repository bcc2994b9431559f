"""The pages of rates: set, change and end one; and never over somebody else's change unseen."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.audit.models import AuditEntry
from apps.budgets.models import Rate
from apps.budgets.services import WantedRate, set_rate
from apps.core.errors import Conflict
from tests.budgets.builders import TESTS, make_rate
from tests.conftest import Robot, at_once

pytestmark = pytest.mark.django_db
SignIn = Callable[[str], Client]


def filled(robot: Robot, **more: Any) -> dict[str, Any]:
    return {
        "scope": f"agent:{robot.agent.id}",
        "environment": "production",
        "calls": "30",
        "period": "60",
        "capacity": "5",
        "reason": "The ERP is slow",
        **more,
    }


def test_a_rate_is_written_in_calls_a_minute(writer: Robot, sign_in: SignIn) -> None:
    answer = sign_in("priya").post("/budgets/rates/", filled(writer))
    rate = Rate.objects.get()

    assert answer["Location"] == f"/budgets/rates/{rate.id}/"
    assert (rate.refill_per_second, rate.capacity, rate.set_by_name) == (0.5, 5, "Priya Nair")
    assert AuditEntry.objects.get(code="rate.set").reason == "The ERP is slow"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("calls", "many", "This is not a number."),
        ("calls", "0", "More than nothing, or it is a halt."),
        ("calls", "nan", "This is not a number."),
        ("calls", "", "required"),
        ("capacity", "1.5", "This is not a whole number."),
        ("capacity", "0", "From 1 to 100000 calls at once."),
        ("reason", "", "Say why, for whoever asks."),
        ("scope", "agent:moon", "Select a valid choice"),
        ("period", "7", "Select a valid choice"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    writer: Robot, sign_in: SignIn, field: str, value: str, says: str
) -> None:
    answer = sign_in("priya").post("/budgets/rates/", filled(writer, **{field: value}))

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not Rate.objects.exists()


def test_the_form_of_a_change_says_the_rate_as_it_is(writer: Robot, sign_in: SignIn) -> None:
    rate = make_rate(capacity=7, refill_per_second=0.25)
    page = sign_in("priya").get(f"/budgets/rates/{rate.id}/").content.decode()

    assert f'name="instead_of" value="{rate.id}"' in page
    assert 'name="calls" value="15"' in page
    assert '<option value="60" selected>' in page


def test_another_rate_takes_the_place_of_the_one_that_was_seen(writer: Robot, sign_in: SignIn) -> None:
    rate = make_rate()
    sign_in("priya").post("/budgets/rates/", filled(writer, instead_of=str(rate.id)))
    rate.refresh_from_db()

    assert rate.ended_by_name == "Priya Nair"
    assert Rate.objects.get(ended_at=None).capacity == 5


@pytest.mark.parametrize("seen", ["", "the one before"])
def test_a_change_that_somebody_made_meanwhile_is_not_written_over(writer: Robot, sign_in: SignIn, seen: str) -> None:
    before = make_rate()
    present = make_rate(capacity=9)
    answer = sign_in("priya").post("/budgets/rates/", filled(writer, instead_of=str(before.id) if seen else ""))

    assert answer.status_code == 409
    assert "has set another rate since" in answer.content.decode()
    assert Rate.objects.get(ended_at=None).id == present.id


def test_one_that_was_ended_meanwhile_is_not_brought_back(writer: Robot, sign_in: SignIn) -> None:
    rate = make_rate()
    client = sign_in("priya")
    assert client.post(f"/budgets/rates/{rate.id}/end/", {"reason": "Fast now"})["Location"].endswith(f"{rate.id}/")
    answer = client.post("/budgets/rates/", filled(writer, instead_of=str(rate.id)))

    assert answer.status_code == 409
    assert not Rate.objects.filter(ended_at=None).exists()


def test_programs_may_say_what_they_have_seen(writer: Robot, api: Callable[[str], APIClient]) -> None:
    body = {
        "scope": {"type": "agent", "id": "writer"},
        "environment": "production",
        "capacity": 3,
        "refill_per_second": 1,
    }
    client = api("priya")
    first = client.post("/api/v1/rates", body | {"instead_of": None}, format="json")
    stale = client.post("/api/v1/rates", body | {"instead_of": None}, format="json")
    again = client.post("/api/v1/rates", body | {"instead_of": first.json()["id"]}, format="json")
    blind = client.post("/api/v1/rates", body, format="json")

    assert [one.status_code for one in (first, stale, again, blind)] == [201, 409, 201, 201]
    assert stale.json()["code"] == "rate.stale"


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_told(writer: Robot) -> None:
    wanted = WantedRate("agent", "writer", "production", 5, 1.0)

    def attempt() -> str:
        try:
            return str(set_rate(actor=TESTS, wanted=wanted, instead_of=None).id)
        except Conflict as error:
            return error.code

    results = at_once([attempt, attempt])
    assert results.count("rate.stale") == 1
    assert Rate.objects.filter(ended_at=None).count() == 1


def test_who_does_not_govern_sees_no_forms(writer: Robot, sign_in: SignIn) -> None:
    rate = make_rate()
    page = sign_in("omar").get(f"/budgets/rates/{rate.id}/").content.decode()

    assert "Turned away" in page
    assert "Set the rate" not in page
    assert "End this rate" not in page


def test_an_end_without_a_reason_is_asked_for_it(writer: Robot, sign_in: SignIn) -> None:
    rate = make_rate()
    answer = sign_in("priya").post(f"/budgets/rates/{rate.id}/end/", {"reason": ""})

    assert answer.status_code == 422
    assert "Say why this needs no rate any more." in answer.content.decode()
