"""Seeing what is masked: who may, for which reason, on which answer, and what stays of it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.models import OutboxEvent
from apps.gateway.models import ToolCall
from apps.vault.models import Payload
from tests.conftest import Robot, credit, parked
from tests.fakes.erp import FakeErp
from tests.redaction.marking import MARKER, mark

pytestmark = pytest.mark.django_db

OUTPUT = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}, "contact": {"type": "string", "x-data-class": "personal"}},
}


@pytest.fixture
def call(writer: Robot) -> ToolCall:
    mark(customer_id="personal", note="secret", also={"output_schema": OUTPUT})
    arguments = credit("1280.00") | {"note": "hunter2-hunter2"}
    return parked(writer, arguments=arguments)[0]


def entries() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(code="payload.revealed").order_by("seq"))


def test_compliance_reveals_one_call_with_a_reason(call: ToolCall, api: Callable[[str], Any]) -> None:
    answer = api("chen").post(f"/api/v1/tool-calls/{call.id}/reveal", {"reason": "Complaint 17"}, format="json")

    assert answer.status_code == 200, answer.content
    assert answer.json()["arguments"]["customer_id"] == MARKER
    assert answer.json()["arguments"]["note"] == "masked: secret"
    assert answer.json()["classes"] == ["personal"]
    assert answer["Cache-Control"] == "no-store"
    [entry] = entries()
    assert (entry.actor_name, entry.reason, entry.data["classes"]) == ("Chen Wei", "Complaint 17", ["personal"])
    assert entry.subject_id == str(call.id)
    assert MARKER not in str(entry.data)
    [news] = OutboxEvent.objects.filter(name="PayloadRevealed")
    assert news.body["tool_call_id"] == str(call.id)


def test_it_holds_for_that_answer_only_and_each_time_is_a_line(call: ToolCall, api: Callable[[str], Any]) -> None:
    for n in range(2):
        api("chen").post(f"/api/v1/tool-calls/{call.id}/reveal", {"reason": f"Look {n}"}, format="json")
    assert [entry.reason for entry in entries()] == ["Look 0", "Look 1"]
    card = api("chen").get(f"/api/v1/approvals/{call.approval_id}").json()["card"]
    assert MARKER not in str(card)


def test_the_result_is_revealed_too(call: ToolCall, writer: Robot, erp: FakeErp, api: Callable[[str], Any]) -> None:
    erp.answer = b'{"id": "CM-1", "contact": "Ann Other"}'
    done = writer.call("12.00", key="done").json()
    assert done["result"]["contact"] == "Ann Other"
    masked = api("chen").get(f"/api/v1/tool-calls/{done['id']}").json()
    assert masked["result"] == {"id": "CM-1", "contact": "masked: personal"}
    answer = api("chen").post(f"/api/v1/tool-calls/{done['id']}/reveal", {"reason": "Audit"}, format="json")
    assert answer.json()["result"]["contact"] == "Ann Other"


@pytest.mark.parametrize(
    ("username", "status", "code"),
    [
        ("dana", 403, "permission.missing"),
        ("omar", 403, "permission.missing"),
        ("alex", 403, "permission.missing"),
        ("otto", 404, "tool_call.not_found"),
        ("priya", 409, "reveal.nothing_masked"),
    ],
)
def test_who_may_not(call: ToolCall, api: Callable[[str], Any], username: str, status: int, code: str) -> None:
    answer = api(username).post(f"/api/v1/tool-calls/{call.id}/reveal", {"reason": "Curious"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert MARKER not in answer.content.decode()
    assert entries() == []


def test_no_reason_no_content(call: ToolCall, api: Callable[[str], Any], sign_in: Callable[[str], Client]) -> None:
    for reason in ("", "   ", "x" * 301):
        answer = api("chen").post(f"/api/v1/tool-calls/{call.id}/reveal", {"reason": reason}, format="json")
        assert answer.status_code == 422
        page = sign_in("chen").post(f"/calls/{call.id}/reveal/", {"reason": reason})
        assert page.status_code == 422
        assert MARKER not in page.content.decode()
    assert entries() == []


def test_an_agent_reveals_nothing(call: ToolCall, writer: Robot) -> None:
    answer = writer.api().post(f"/api/v1/tool-calls/{call.id}/reveal", {"reason": "Mine"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "people.only")


def test_the_page_asks_why_and_then_shows_it_once(call: ToolCall, sign_in: Callable[[str], Client]) -> None:
    chen = sign_in("chen")
    card = chen.get(f"/inbox/{call.approval_id}/").content.decode()
    assert "masked: personal" in card
    assert f"/calls/{call.id}/reveal/" in card
    assert MARKER not in card

    page = chen.post(f"/calls/{call.id}/reveal/", {"reason": "Complaint 17"})
    text = page.content.decode()
    assert page.status_code == 200
    assert page["Cache-Control"] == "private, no-store"
    assert text.count(MARKER) == 2
    assert "hunter2" not in text
    assert "masked: secret" in text
    again = chen.get(f"/calls/{call.id}/reveal/").content.decode()
    assert MARKER not in again


def test_the_card_offers_it_only_to_who_may(call: ToolCall, sign_in: Callable[[str], Client]) -> None:
    for username in ("dana", "carla", "omar", "alex", "priya"):
        assert "/reveal/" not in sign_in(username).get(f"/inbox/{call.approval_id}/").content.decode(), username


def test_what_is_secret_is_shown_to_nobody(call: ToolCall, sign_in: Callable[[str], Client]) -> None:
    for username in ("dana", "priya", "chen"):
        for path in (f"/inbox/{call.approval_id}/", f"/inbox/{call.approval_id}/edit/"):
            assert "hunter2" not in sign_in(username).get(path).content.decode()


def test_erased_content_reads_as_such(call: ToolCall, sign_in: Callable[[str], Client]) -> None:
    Payload.objects.filter(id=call.request_id).update(body=None, erased_at=clock.now())
    page = sign_in("chen").post(f"/calls/{call.id}/reveal/", {"reason": "Complaint 17"})
    assert page.status_code == 200
    assert "was erased" in page.content.decode()
