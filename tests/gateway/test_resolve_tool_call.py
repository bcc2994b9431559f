"""A person says what became of a call whose outcome nobody knows."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.audit.models import AuditEntry
from apps.core import outbox
from apps.core.models import OutboxEvent
from apps.gateway import services
from apps.gateway.models import CallState, Finding, Resolution, ToolCall
from apps.registry.models import AgentCredential, Tool
from apps.runs.models import RunState, Span
from tests.conftest import Robot, at_once, person
from tests.fakes.erp import FakeErp
from tests.gateway.unknowns import maker_of_unknowns

pytestmark = pytest.mark.django_db

Api = Callable[[str], APIClient]
FOUND = {"finding": "happened", "words": "It stands in the ledger of today", "reference": "CM-17"}
ABSENT = {"finding": "did_not_happen", "words": "Neither the ledger nor the journal has it"}
ASK = {"finding": "still_unknown", "words": "The ERP was down; it is up again"}


@pytest.fixture
def unknown(writer: Robot, erp: FakeErp, time_passes: Callable[..., None]) -> Callable[..., ToolCall]:

    return maker_of_unknowns(writer, erp, time_passes)


def resolve(client: APIClient, call: ToolCall, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/tool-calls/{call.id}/resolution", body, format="json")


def test_what_happened_becomes_a_success_with_its_evidence(
    unknown: Callable[..., ToolCall], writer: Robot, api: Api
) -> None:
    call = unknown()
    proof = {"link": "https://erp.example.com/CM-17", "sha256": "a" * 64, "result": {"id": "CM-17"}}
    answer = resolve(api("omar"), call, FOUND | proof)

    assert answer.status_code == 201, answer.content
    told = writer.api().get(f"/api/v1/tool-calls/{call.id}").json()
    assert (told["state"], told["result"], told["error"]) == ("succeeded", {"id": "CM-17"}, None)
    assert {**told["resolution"], "id": "", "at": ""} == {
        "id": "",
        "finding": "happened",
        "reference": "CM-17",
        "link": "https://erp.example.com/CM-17",
        "sha256": "a" * 64,
        "by": "Omar Haddad",
        "at": "",
    }
    call.refresh_from_db()
    assert call.run.state == RunState.SUCCEEDED
    span = Span.objects.get(tool_call_id=call.id, kind="resolution")
    assert (span.status, span.actor_name) == ("ok", "Omar Haddad")
    entries = AuditEntry.objects.filter(subject_id=str(call.id), actor_key=f"person:{person('omar').id}")
    assert list(entries.order_by("seq").values_list("code", flat=True)) == ["tool_call.resolved", "tool_call.succeeded"]
    assert "ledger of today" not in str(list(entries.values()))
    news = OutboxEvent.objects.filter(subject=f"tool_call:{call.id}").order_by("id").values_list("name", flat=True)
    assert list(news)[-3:] == ["ToolCallResolved", "ToolCallConcluded", "ToolCallFinished"]


def test_what_did_not_happen_becomes_a_failure(unknown: Callable[..., ToolCall], writer: Robot, api: Api) -> None:
    call = unknown()

    assert resolve(api("priya"), call, ABSENT).status_code == 201
    told = writer.api().get(f"/api/v1/tool-calls/{call.id}").json()
    assert (told["state"], told["error"]["code"]) == ("failed", "resolved.no_effect")
    assert told["resolution"]["by"] == "Priya Nair"


def test_a_waiting_agent_hears_of_it(unknown: Callable[..., ToolCall], writer: Robot, api: Api) -> None:
    call = unknown()
    still = writer.api().get(f"/api/v1/tool-calls/{call.id}?wait=0.2")
    assert (still.status_code, still.json()["state"]) == (200, "outcome_unknown")
    resolve(api("omar"), call, FOUND)
    assert writer.api().get(f"/api/v1/tool-calls/{call.id}?wait=30").json()["state"] == "succeeded"


def test_asked_again_the_system_finds_it(
    unknown: Callable[..., ToolCall], erp: FakeErp, writer: Robot, api: Api
) -> None:
    call = unknown()
    answer = resolve(api("omar"), call, ASK)
    assert (answer.status_code, answer.json()["is_being_asked"]) == (201, True)
    assert resolve(api("priya"), call, ASK).json()["code"] == "tool_call.being_asked"
    assert services.questioned_calls() == [call.id]
    services.ask_again(call.id)

    told = writer.api().get(f"/api/v1/tool-calls/{call.id}").json()
    assert (told["state"], told["result"]["id"]) == ("succeeded", "CM-1")
    assert [request["method"] for request in erp.requests] == ["POST", "GET"]
    services.ask_again(call.id)
    assert len(erp.requests) == 2


def test_not_there_counts_when_it_was_said_twice(unknown: Callable[..., ToolCall], erp: FakeErp, api: Api) -> None:
    call = unknown()
    erp.ledger.clear()
    for expected in (CallState.OUTCOME_UNKNOWN, CallState.FAILED):
        assert resolve(api("omar"), call, ASK).status_code == 201
        services.ask_again(call.id)
        call.refresh_from_db()
        assert call.state == expected
    assert call.error_code == "connector.no_effect"


def test_no_answer_leaves_it_as_it_was(unknown: Callable[..., ToolCall], erp: FakeErp, api: Api) -> None:
    call = unknown()
    erp.always = "500"
    resolve(api("omar"), call, ASK)
    services.ask_again(call.id)
    call.refresh_from_db()

    assert (call.state, call.deadline_at) == (CallState.OUTCOME_UNKNOWN, None)
    told = api("omar").get(f"/api/v1/unknown-outcomes/{call.id}").json()
    assert [(step["kind"], step["status"]) for step in told["steps"]][-1] == ("lookup", "error")


def test_an_asker_that_died_leaves_the_question_to_the_next(
    unknown: Callable[..., ToolCall], api: Api, time_passes: Callable[..., None]
) -> None:
    call = unknown()
    resolve(api("omar"), call, ASK)
    ToolCall.objects.filter(id=call.id).update(deadline_at="2020-01-01T00:00:00Z")
    assert services.questioned_calls() == [call.id]


def test_a_finding_counts_more_than_an_answer_that_comes_later(unknown: Callable[..., ToolCall], api: Api) -> None:
    call = unknown()
    resolve(api("omar"), call, ASK)
    assert resolve(api("priya"), call, ABSENT).status_code == 201
    services.ask_again(call.id)
    call.refresh_from_db()
    assert call.state == CallState.FAILED


def test_without_a_lookup_it_is_only_noted(unknown: Callable[..., ToolCall], api: Api) -> None:
    call = unknown()
    Tool.objects.filter(name="erp.open_ticket").update(lookup=None)
    answer = resolve(api("omar"), call, ASK)

    assert (answer.status_code, answer.json()["is_being_asked"]) == (201, False)
    assert answer.json()["resolutions"][0]["words"] == ASK["words"]
    assert resolve(api("omar"), call, FOUND).status_code == 201


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"reference": " "}, "/reference"),
        ({"link": "javascript:alert(1)"}, "/link"),
        ({"sha256": "A" * 64}, "/sha256"),
        ({"result": {"wrong": 1}}, "/result"),
        ({"result": {"id": "\ud800"}}, "/result"),
        ({"finding": "did_not_happen", "result": {"id": "CM-1"}}, "/result"),
        ({"finding": "perhaps"}, "/finding"),
        ({"words": ""}, "/words"),
    ],
)
def test_a_finding_without_proof_is_refused(
    unknown: Callable[..., ToolCall], api: Api, change: dict[str, Any], pointer: str
) -> None:
    call = unknown()
    answer = resolve(api("omar"), call, FOUND | change)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Resolution.objects.exists()


@pytest.mark.parametrize(("who", "status"), [("dana", 403), ("chen", 403), ("alex", 403), ("otto", 404)])
def test_only_operators_and_owners_may(unknown: Callable[..., ToolCall], api: Api, who: str, status: int) -> None:
    assert resolve(api(who), unknown(), FOUND).status_code == status


def test_who_asked_for_it_may_not(unknown: Callable[..., ToolCall], api: Api) -> None:
    asked = resolve(api("omar"), unknown("behalf", on_behalf_of="omar"), FOUND)
    assert (asked.status_code, asked.json()["code"]) == (403, "tool_call.own_request")

    call = unknown("credential")
    AgentCredential.objects.filter(agent=call.agent_id).update(made_by=f"person:{person('omar').id}")
    assert resolve(api("omar"), call, FOUND).json()["code"] == "tool_call.own_request"
    assert resolve(api("priya"), call, FOUND).status_code == 201


def test_a_known_outcome_cannot_be_resolved(unknown: Callable[..., ToolCall], writer: Robot, api: Api) -> None:
    known = ToolCall.objects.get(id=writer.call("180.00", key="fine").json()["id"])
    assert resolve(api("omar"), known, FOUND).json()["code"] == "tool_call.not_unknown"

    call = unknown()
    resolve(api("omar"), call, FOUND)
    again = resolve(api("priya"), call, ABSENT)
    assert (again.status_code, again.json()["code"]) == (409, "tool_call.already_resolved")
    assert again.json()["detail"] == "Omar Haddad has resolved this already: it happened."


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_is_believed(unknown: Callable[..., ToolCall], api: Api) -> None:
    call = unknown()
    clients = [(api("omar"), FOUND), (api("priya"), ABSENT), (api("omar"), FOUND), (api("priya"), FOUND)]
    answers = at_once([lambda c=client, b=body: resolve(c, call, b) for client, body in clients])  # type: ignore[misc]

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers if answer.status_code == 409} == {
        "tool_call.already_resolved"
    }
    said = Resolution.objects.get()
    call.refresh_from_db()
    assert call.state == (CallState.SUCCEEDED if said.finding == Finding.HAPPENED else CallState.FAILED)
    assert AuditEntry.objects.filter(code="tool_call.resolved").count() == 1


def test_the_queue_tells_what_is_at_stake(unknown: Callable[..., ToolCall], api: Api) -> None:
    first, second = unknown("one"), unknown("two")
    ToolCall.objects.filter(id=first.id).update(money_minor=12_00, currency="EUR")
    ToolCall.objects.filter(id=second.id).update(money_minor=500, currency="USD")
    told = api("omar").get("/api/v1/unknown-outcomes").json()

    assert (told["count"], told["sums"]) == (
        2,
        [{"minor": 1200, "currency": "EUR"}, {"minor": 500, "currency": "USD"}],
    )
    [oldest, _] = told["items"]
    assert (oldest["id"], oldest["downstream_key"]) == (str(first.id), "writer/erp.open_ticket/one")
    assert oldest["arguments"] == {"reference": "T-one"}
    assert [step["kind"] for step in oldest["steps"]] == ["tool", "tool"]
    assert oldest["steps"][0]["says"].startswith("The answer of ERP was lost")
    assert api("otto").get("/api/v1/unknown-outcomes").json()["items"] == []


def test_the_page_shows_it_and_takes_the_finding(
    unknown: Callable[..., ToolCall], sign_in: Callable[[str], Client]
) -> None:
    call = unknown()
    omar = sign_in("omar")
    listed = omar.get("/unknown/").content.decode()
    assert "Open ticket T-k-1" in listed
    assert 'id="unknown-outcomes-badge">1<' in listed
    assert 'id="unknown-outcomes-badge"' not in sign_in("chen").get("/unknown/").content.decode()

    shown = omar.get(f"/unknown/{call.id}/").content.decode()
    assert "writer/erp.open_ticket/k-1" in shown
    refused = omar.post(f"/unknown/{call.id}/resolve/", {**FOUND, "reference": ""})
    assert refused.status_code == 422
    assert "Name the record" in refused.content.decode()
    done = omar.post(f"/unknown/{call.id}/resolve/", {**FOUND, "result": '{"id": "CM-17"}'}, follow=True)
    assert "Noted: it happened" in done.content.decode()
    again = sign_in("priya").post(f"/unknown/{call.id}/resolve/", ABSENT)
    assert again.status_code == 409
    assert "Omar Haddad has resolved this already" in again.content.decode()


def test_a_call_that_was_always_known_has_no_page_there(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    call_id = writer.call("180.00").json()["id"]
    assert sign_in("omar").get(f"/unknown/{call_id}/").status_code == 404


def test_news_of_the_question_reaches_a_worker(unknown: Callable[..., ToolCall], api: Api) -> None:
    call = unknown()
    resolve(api("omar"), call, ASK)
    outbox.drain()
    assert not OutboxEvent.objects.filter(delivered_at=None).exists()
