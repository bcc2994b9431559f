"""How much a call may carry: what is refused before anything happens, and what is withheld after it did."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import Invalid
from apps.gateway.limits import check_content, excess_of, most_result_bytes
from apps.gateway.models import ToolCall
from apps.registry.definitions import MOST_RESULT_BYTES
from apps.registry.models import Tool
from tests.conftest import Robot, credit
from tests.fakes.erp import FakeErp
from tests.gateway.unknowns import recover_all
from tests.redaction.marking import MEMO, mark


@pytest.fixture
def small(settings: Any) -> None:
    settings.CONTENT_MAX_DEPTH, settings.CONTENT_MAX_ITEMS, settings.CONTENT_MAX_TEXT = 4, 10, 20


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("document", "code", "path"),
    [
        ({"a": [[[1]]]}, None, ()),
        ({"a": [[[[1]]]]}, "too_deep", ("a", 0, 0, 0)),
        ({"a": {"b": {"c": {"d": {}}}}}, "too_deep", ("a", "b", "c", "d")),
        ({"a": list(range(9))}, None, ()),
        ({"a": list(range(10))}, "too_many_items", ("a",)),
        ({"a": [1] * 5, "b/c": [1] * 5}, "too_many_items", ("b/c",)),
        ({"a": "x" * 20}, None, ()),
        ({"a": ["ok", "x" * 21]}, "text_too_long", ("a", 1)),
        ({"a": {"x" * 21: 1}}, "text_too_long", ("a",)),
        ("x" * 21, "text_too_long", ()),
        (None, None, ()),
    ],
)
def test_the_first_thing_that_is_too_much_is_named(document: Any, code: str | None, path: tuple[Any, ...]) -> None:
    excess = excess_of(document)
    assert (excess and excess.code, excess.path if excess else ()) == (code, path)


def test_nothing_nests_deep_enough_to_break_the_count() -> None:
    document: Any = 1
    for _ in range(100_000):
        document = [document]
    with pytest.raises(Invalid):
        check_content({"a": document})


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_arguments_that_carry_too_much_are_refused_with_a_pointer(writer: Robot, erp: FakeErp) -> None:
    answer = writer.call(arguments=credit() | {"note": "x" * 21})
    assert (answer.status_code, answer.json()["code"]) == (422, "arguments_too_large")
    assert answer.json()["reason"] == "text_too_long"
    assert answer.json()["errors"][0]["pointer"] == "/note"
    assert not ToolCall.objects.exists()
    preview = writer.api().post(
        "/api/v1/authorize", {"tool": MEMO, "arguments": credit() | {"note": "x" * 21}}, format="json"
    )
    assert preview.status_code == 422
    assert erp.requests == []


@pytest.mark.django_db
def test_a_write_whose_answer_is_too_large_has_succeeded_all_the_same(
    writer: Robot, erp: FakeErp, api: Callable[[str], Any]
) -> None:
    mark(also={"max_result_bytes": 100})
    erp.answer = json.dumps({"id": "CM-1", "text": "x" * 200}).encode()
    answer = writer.call("12.00")
    assert answer.status_code == 200
    resource = answer.json()
    assert (resource["state"], resource["result"], resource["result_withheld"]) == ("succeeded", None, "too_large")
    assert resource["error"] is None
    assert len(erp.ledger) == 1

    recover_all()
    again = writer.call("12.00").json()
    assert (again["id"], again["state"], again["result_withheld"]) == (resource["id"], "succeeded", "too_large")
    assert len(erp.ledger) == 1
    entry = AuditEntry.objects.get(code="tool_call.succeeded")
    assert entry.data["result_withheld"] == "too_large"
    seen = api("omar").get(f"/api/v1/tool-calls/{resource['id']}").json()
    assert (seen["result"], seen["result_withheld"]) == (None, "too_large")


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_a_write_whose_answer_nests_too_deep_has_succeeded_too(writer: Robot, erp: FakeErp) -> None:
    erp.answer = b'{"id": [[[[["CM-1"]]]]]}'
    resource = writer.call("12.00").json()
    assert (resource["state"], resource["result_withheld"]) == ("succeeded", "too_deep")


@pytest.mark.django_db
def test_a_refusal_in_too_many_words_is_a_refusal(writer: Robot, erp: FakeErp) -> None:
    mark(also={"max_result_bytes": 5})
    erp.faults = ["400"]
    answer = writer.call("12.00")
    assert (answer.status_code, answer.json()["code"]) == (502, "connector.refused")
    assert answer.json()["state"] == "failed"
    erp.faults = ["500_after"]
    assert writer.call("13.00", key="k-2").json()["state"] == "executing"


@pytest.mark.django_db
def test_a_read_that_answers_too_much_fails_and_says_so(writer: Robot, erp: FakeErp) -> None:
    mark("erp.find", also={"max_result_bytes": 5})
    answer = writer.call(tool="erp.find", arguments={"reference": "x"})
    assert (answer.status_code, answer.json()["code"]) == (502, "connector.answer_too_large")
    assert "5 bytes" in answer.json()["detail"]
    assert len(erp.requests) == 1


@pytest.mark.django_db
def test_a_call_that_is_withheld_cannot_be_undone_by_what_it_would_have_said(writer: Robot, erp: FakeErp) -> None:
    ticket = {"tool": "erp.open_ticket", "arguments": {"reference": "/result/id"}}
    mark(also={"max_result_bytes": 5, "compensation": ticket})
    done = writer.call("12.00").json()
    answer = writer.api().post(f"/api/v1/tool-calls/{done['id']}/compensate")
    assert (answer.status_code, answer.json()["code"]) == (409, "compensation.arguments_missing")


@pytest.mark.django_db
def test_the_hard_ceiling_goes_before_the_setting(settings: Any) -> None:
    settings.RESULT_MAX_BYTES = 10**12
    assert most_result_bytes(Tool()) == MOST_RESULT_BYTES
    assert most_result_bytes(Tool(max_result_bytes=7)) == 7
    with pytest.raises(Invalid):
        mark(also={"max_result_bytes": MOST_RESULT_BYTES + 1})
