"""Ungoverned actions and model prices by page and API, who hears of them, and prices from the bootstrap file."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.audit.models import AuditEntry
from apps.console.bootstrap.load import load
from apps.core import outbox
from apps.core.actor import system_actor
from apps.core.errors import Invalid
from apps.notifications.models import News, Notice
from apps.notifications.services import spread_due
from apps.telemetry.models import ModelPrice, UngovernedAction
from tests.conftest import Robot, person
from tests.telemetry.exporting import tool_span
from tests.telemetry.test_ungoverned import call_in
from tests.telemetry.ungoverned import make_ungoverned

pytestmark = pytest.mark.django_db
PRICE: dict[str, Any] = {
    "model": "gpt-5*",
    "currency": "USD",
    "input": "2.50",
    "cached_input": "0.125",
    "output": "10",
    "effective_from": "2026-01-01T00:00:00Z",
}


def test_a_person_reads_the_list_and_one_of_it_and_acknowledges(
    writer: Robot, sign_in: Callable[[str], Client]
) -> None:
    around = tool_span("issue_credit_memo")
    call_in(writer, around)
    action = make_ungoverned(writer, "mail.send", count=3)
    priya = sign_in("priya")
    assert b"mail.send" in priya.get("/ungoverned/").content
    page = priya.get(f"/ungoverned/{action.id}/").content.decode()
    assert "Acknowledge 3 executions" in page
    assert page.count("of no run") == 3
    assert "Acknowledge" not in sign_in("dana").get(f"/ungoverned/{action.id}/").content.decode()
    url = f"/ungoverned/{action.id}/acknowledge/"
    empty = priya.post(url, {"reason": "", "execution_count": "3"})
    assert (empty.status_code, "Say what it was" in empty.content.decode()) == (422, True)
    stale = priya.post(url, {"reason": "A test", "execution_count": "2"})
    assert stale.status_code == 409
    assert re.search(r'name="execution_count" value="3"', stale.content.decode())
    assert "A test" in stale.content.decode()
    assert priya.post(url, {"reason": "A test", "execution_count": "3"}).status_code == 302
    assert b"mail.send" not in priya.get("/ungoverned/").content
    assert b"A test" in priya.get("/ungoverned/?state=acknowledged").content


def test_the_list_answers_a_poll_with_nothing_while_nothing_changed(
    writer: Robot, sign_in: Callable[[str], Client]
) -> None:
    make_ungoverned(writer)
    omar = sign_in("omar")
    [version] = re.findall(r"version=([^\"&]+)", omar.get("/ungoverned/").content.decode())[:1]
    poll = f"/ungoverned/?version={version}"
    assert omar.get(poll, headers={"HX-Request": "true"}).status_code == 204
    make_ungoverned(writer)
    assert omar.get(poll, headers={"HX-Request": "true"}).status_code == 200


def test_by_the_api(writer: Robot, api: Callable[[str], APIClient]) -> None:
    action = make_ungoverned(writer, count=2)
    omar = api("omar")
    [item] = omar.get("/api/v1/ungoverned-actions?state=open").json()["items"]
    assert (item["agent"], item["tool"], item["execution_count"], item["state"]) == ("writer", "mail.send", 2, "open")
    read = omar.get(f"/api/v1/ungoverned-actions/{action.id}?limit=1").json()
    assert len(read["executions"]) == 1
    assert len(read["executions"][0]["trace_id"]) == 32
    rest = omar.get(f"/api/v1/ungoverned-actions/{action.id}", {"cursor": read["next"]}).json()
    assert (len(rest["executions"]), rest["next"]) == (1, None)
    url = f"/api/v1/ungoverned-actions/{action.id}/acknowledge"
    done = omar.post(url, {"reason": "Known", "execution_count": 2}, format="json").json()
    assert (done["state"], done["reason"], done["acknowledged_by"]) == ("acknowledged", "Known", str(person("omar")))
    assert omar.post(url, {"reason": "Again", "execution_count": 2}, format="json").status_code == 409


def test_who_answers_for_the_process_hears_of_it_until_it_is_acknowledged(writer: Robot) -> None:
    action = make_ungoverned(writer)
    outbox.drain()
    spread_due()
    heard = set(Notice.objects.filter(kind="ungoverned").values_list("person__username", flat=True))
    assert {"priya", "omar"} <= heard
    assert "otto" not in heard
    UngovernedAction.objects.update(acknowledged_at=action.found_at)
    assert News.objects.get(kind="ungoverned").key == f"ungoverned:{action.id}"


# --- prices


def test_prices_are_set_by_who_governs_the_mesh(api: Callable[[str], APIClient]) -> None:
    assert api("priya").post("/api/v1/model-prices", PRICE, format="json").status_code == 403
    boss = person("priya")
    boss.is_superuser = True
    boss.save(update_fields=["is_superuser"])
    made = api("priya").post("/api/v1/model-prices", PRICE, format="json")
    assert made.status_code == 200, made.content
    assert (made.json()["input"], made.json()["cached_input"], made.json()["output"]) == ("2.50", "0.125", "10.00")
    corrected = api("priya").post("/api/v1/model-prices", {**PRICE, "input": "3"}, format="json")
    assert corrected.json()["id"] == made.json()["id"]
    assert len(api("dana").get("/api/v1/model-prices").json()["items"]) == 1
    lines = AuditEntry.objects.filter(code="model_price.set").order_by("seq")
    assert [line.data["after"]["input_micro"] for line in lines] == [2_500_000, 3_000_000]
    assert lines[1].data["before"]["input_micro"] == 2_500_000
    for wrong in ({"input": "-1"}, {"output": "0.0000001"}, {"input": "1e9"}, {"output": "NaN"}, {"currency": "XXQ"}):
        assert api("priya").post("/api/v1/model-prices", {**PRICE, **wrong}, format="json").status_code == 422


def test_prices_of_the_file_are_set_once_and_give_way_to_a_persons() -> None:
    bootstrap = system_actor("bootstrap")
    file = {"model_prices": [PRICE]}
    assert load(file, actor=bootstrap).notes == []
    assert load(file, actor=bootstrap).notes == []
    assert AuditEntry.objects.filter(code="model_price.set").count() == 1
    ModelPrice.objects.update(set_by="person:somebody")
    [note] = load(file, actor=bootstrap).notes
    assert "changed since" in note
    bad = {"model_prices": [{**PRICE, "currency": "XXQ", "effective_from": "tomorrow"}, {**PRICE, "input": "2,5"}]}
    with pytest.raises(Invalid) as refusal:
        load(bad, actor=bootstrap)
    pointers = {error["pointer"] for error in refusal.value.details["errors"]}
    assert "/model_prices/1/input" in pointers
