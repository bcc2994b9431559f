"""Approve with edits around what the editor is not shown: no mask is ever written over a value."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.core.errors import Invalid
from apps.gateway.models import ToolCall
from apps.gateway.stored import stored_request
from apps.gateway.unmasking import with_masks_undone
from apps.registry.models import Tool
from tests.conftest import Robot, credit, parked
from tests.redaction.marking import MARKER, mark

pytestmark = pytest.mark.django_db
SECRET = "hunter2-hunter2"


@pytest.fixture
def waiting(writer: Robot) -> ToolCall:
    mark(customer_id="personal", note="secret")
    return parked(writer, arguments=credit("1280.00") | {"note": SECRET})[0]


def arguments_of(call: ToolCall) -> dict[str, Any]:
    return stored_request(ToolCall.objects.select_related("tool").get(id=call.id)).arguments


def test_the_form_shows_a_mask_and_keeps_what_is_behind_it(waiting: ToolCall, sign_in: Callable[[str], Client]) -> None:
    dana = sign_in("dana")
    page = dana.get(f"/inbox/{waiting.approval_id}/edit/").content.decode()
    assert SECRET not in page
    assert "masked: secret" in page
    assert MARKER in page

    form = {
        "argument-invoice_id": "INV-1042",
        "argument-customer_id": "C-205",
        "argument-amount": "900.00",
        "argument-currency": '"EUR"',
        "argument-reason_code": '"price_mismatch"',
        "argument-note": "masked: secret",
        "digest": waiting.approval.digest,  # type: ignore[union-attr]
    }
    assert dana.post(f"/inbox/{waiting.approval_id}/edit/", form).status_code == 302
    assert arguments_of(waiting) == credit("900.00") | {"customer_id": "C-205", "note": SECRET}


def test_a_program_that_sends_back_what_it_read_changes_nothing(waiting: ToolCall, api: Callable[[str], Any]) -> None:
    body = {
        "digest": waiting.approval.digest,  # type: ignore[union-attr]
        "arguments": credit("900.00") | {"customer_id": "masked: personal", "note": "masked: secret"},
    }
    answer = api("dana").post(f"/api/v1/approvals/{waiting.approval_id}/edits", body, format="json")
    assert answer.status_code == 201, answer.content
    assert arguments_of(waiting) == credit("900.00") | {"note": SECRET}


def test_the_card_of_the_new_version_hides_before_and_after(waiting: ToolCall, api: Callable[[str], Any]) -> None:
    body = {
        "digest": waiting.approval.digest,  # type: ignore[union-attr]
        "arguments": credit("1280.00") | {"customer_id": "C-777", "note": SECRET},
    }
    assert api("dana").post(f"/api/v1/approvals/{waiting.approval_id}/edits", body, format="json").status_code == 201
    waiting.refresh_from_db()
    seen = api("felix").get(f"/api/v1/approvals/{waiting.approval_id}").json()["card"]
    assert seen["changes"] == [{"label": "Customer id", "before": MARKER, "after": "C-777"}]
    hidden = api("chen").get(f"/api/v1/approvals/{waiting.approval_id}").json()
    assert hidden["card"]["changes"] == [
        {"label": "Customer id", "before": "masked: personal", "after": "masked: personal"}
    ]
    assert "C-777" not in str(hidden)
    call = api("chen").get(f"/api/v1/tool-calls/{waiting.id}").json()
    assert call["arguments"]["customer_id"] == "masked: personal"


def test_a_refused_edit_quotes_no_value(waiting: ToolCall, api: Callable[[str], Any]) -> None:
    Tool.objects.filter(id=waiting.tool_id).update(
        input_schema={"type": "object", "properties": {"note": {"x-data-class": "secret", "type": "integer"}}}
    )
    body = {
        "digest": waiting.approval.digest,  # type: ignore[union-attr]
        "arguments": credit("900.00") | {"note": "masked: secret"},
    }
    answer = api("dana").post(f"/api/v1/approvals/{waiting.approval_id}/edits", body, format="json")
    assert answer.status_code == 422
    assert SECRET not in answer.content.decode()


PEOPLE = {
    "type": "object",
    "properties": {
        "people": {"items": {"properties": {"name": {"x-data-class": "personal"}, "share": {"type": "integer"}}}},
        "who": {"properties": {"name": {"x-data-class": "personal"}}},
        "note": {"type": "string"},
    },
}
BEFORE = {"people": [{"name": "Ann", "share": 1}, {"name": "Bob", "share": 2}], "who": {"name": "Cy"}, "note": "x"}
M = "masked: personal"


def undone(arguments: dict[str, Any]) -> dict[str, Any]:
    tool = Tool(input_schema=PEOPLE, definition_digest="people of these tests")
    return with_masks_undone(tool, arguments, BEFORE)


def test_masks_become_what_they_hide_where_that_is_certain() -> None:
    masked = {"people": [{"name": M, "share": 1}, {"name": M, "share": 2}], "who": {"name": M}, "note": "y"}
    assert undone(masked) == BEFORE | {"note": "y"}
    assert undone({"people": [{"name": "Eve", "share": 3}], "note": M}) == {
        "people": [{"name": "Eve", "share": 3}],
        "note": M,
    }


@pytest.mark.parametrize(
    ("arguments", "pointers"),
    [
        ({"people": [{"name": M, "share": 2}]}, ["/people/0/name"]),
        ({"people": [{"name": M, "share": 2}, {"name": M, "share": 1}]}, ["/people/0/name", "/people/1/name"]),
        ({"who": {"name": M}, "people": [{"name": "Ann", "share": 1}, {"name": M, "share": 9}]}, ["/people/1/name"]),
    ],
)
def test_a_mask_in_a_list_that_changed_is_refused(arguments: dict[str, Any], pointers: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        undone(arguments)
    assert refused.value.code == "edit.masked_value"
    assert sorted({error["pointer"] for error in refused.value.details["errors"]}) == pointers
