"""A reported step for whoever opens it: what is in the open, what is kept apart, and who may see that and why."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from unittest.mock import patch
from uuid import RFC_4122, UUID, uuid4

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from apps.audit.models import AuditEntry
from apps.core.ids import uuid7
from apps.core.models import OutboxEvent
from apps.core.tracing import number_of_span
from apps.runs.models import Run
from apps.runs.steps import Row, rows_of
from apps.telemetry.reported_rows import keys_of, row_id
from apps.telemetry.ungoverned import find_ungoverned_actions
from tests.conftest import Robot, actor, credit
from tests.redaction.marking import mark
from tests.telemetry.exporting import Span, span, tell, tool_span
from tests.telemetry.prices import make_price
from tests.telemetry.test_joined_rows import chat
from tests.telemetry.test_ungoverned import call_in

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]
SignIn = Callable[[str], Client]
SAID = "The customer says that freight was billed twice"


def reported(run: Run, text: str) -> Row:
    return next(row for row in rows_of(actor("dana"), run, most=1000) if row.text == text)


@pytest.fixture
def asked() -> Span:
    """A call of a model with what was said to it."""
    attributes = {"gen_ai.input.messages": SAID, "gen_ai.request.temperature": 0.25}
    return chat(span()["trace"], attributes=attributes, status=0)


@pytest.fixture
def run(writer: Robot, asked: Span) -> Run:
    tell(writer, asked)
    call_in(writer, asked)
    return Run.objects.get()


def step_url(run: Run, text: str) -> str:
    return f"/runs/{run.id}/steps/{reported(run, text).id}/"


def test_a_model_call_says_model_tokens_and_cost(run: Run, sign_in: SignIn, api: Api) -> None:
    page = sign_in("dana").get(step_url(run, "chat")).content.decode()
    for words in ("gpt-5", "openai", "1,000,000", "1,000", "not known", "gen_ai.request.temperature", "0.25"):
        assert words in page
    assert "cost by its traces: not known" in sign_in("dana").get(f"/runs/{run.id}/").content.decode()
    make_price()
    assert "cost by its traces: $2.51" in sign_in("dana").get(f"/runs/{run.id}/").content.decode()
    assert "$2.51" in sign_in("dana").get(step_url(run, "chat")).content.decode()
    told = api("dana").get(f"/api/v1{step_url(run, 'chat')[:-1]}").json()
    assert told["reported"]["cost"] == {"amount": "2.51", "currency": "USD"}
    assert (told["reported"]["cached_tokens"], told["has_payload"], told["origin"]) == (None, True, "reported")


def test_what_was_said_is_shown_to_nobody_by_default(run: Run, sign_in: SignIn, api: Api) -> None:
    for username in ("dana", "omar", "priya", "chen"):
        assert SAID not in sign_in(username).get(step_url(run, "chat")).content.decode()
        assert SAID not in api(username).get(f"/api/v1{step_url(run, 'chat')[:-1]}").content.decode()
    assert "reveal/" not in sign_in("dana").get(step_url(run, "chat")).content.decode()
    assert "reveal/" in sign_in("chen").get(step_url(run, "chat")).content.decode()


def test_compliance_sees_it_with_a_reason_that_stays_in_the_log(run: Run, sign_in: SignIn, api: Api) -> None:
    step = reported(run, "chat")
    answer = api("chen").post(f"/api/v1{step_url(run, 'chat')}reveal", {"reason": "Complaint 17"}, format="json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["payload"]["attributes"]["gen_ai.input.messages"] == SAID
    assert answer["Cache-Control"] == "no-store"
    page = sign_in("chen").post(f"{step_url(run, 'chat')}reveal/", {"reason": "Once more"})
    assert SAID in page.content.decode()
    assert page["Cache-Control"] == "private, no-store"
    entries = AuditEntry.objects.filter(code="payload.revealed").order_by("seq")
    assert [(one.actor_name, one.reason, one.subject_id) for one in entries] == [
        ("Chen Wei", "Complaint 17", str(step.id)),
        ("Chen Wei", "Once more", str(step.id)),
    ]
    assert {one.run_id for one in entries} == {run.id}
    assert not any(SAID in str(one.data) for one in entries)
    assert OutboxEvent.objects.filter(name="ReportedPayloadRevealed").count() == 2
    assert SAID not in sign_in("chen").get(f"{step_url(run, 'chat')}reveal/").content.decode()


@pytest.mark.parametrize(
    ("username", "status", "code"),
    [("dana", 403, "permission.missing"), ("omar", 403, "permission.missing"), ("otto", 404, "run.not_found")],
)
def test_who_may_not_see_it(run: Run, api: Api, username: str, status: int, code: str) -> None:
    answer = api(username).post(f"/api/v1{step_url(run, 'chat')}reveal", {"reason": "Curious"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not AuditEntry.objects.filter(code="payload.revealed").exists()


def test_an_agent_reveals_nothing_and_without_a_reason_nobody_does(
    run: Run, writer: Robot, api: Api, sign_in: SignIn
) -> None:
    url = f"{step_url(run, 'chat')}reveal"
    refused = writer.api().post(f"/api/v1{url}", {"reason": "Mine"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "people.only")
    for reason in ("", "   ", "x" * 301):
        assert api("chen").post(f"/api/v1{url}", {"reason": reason}, format="json").status_code == 422
        assert sign_in("chen").post(f"{url}/", {"reason": reason}).status_code == 422
    assert not AuditEntry.objects.filter(code="payload.revealed").exists()


def test_a_step_without_payload_has_nothing_to_reveal(writer: Robot, api: Api, sign_in: SignIn) -> None:
    turn = span("turn")
    tell(writer, turn)
    call_in(writer, turn)
    run = Run.objects.get()
    answer = api("chen").post(f"/api/v1{step_url(run, 'turn')}reveal", {"reason": "Look"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "reveal.nothing_masked")
    assert "masked for you" not in sign_in("chen").get(step_url(run, "turn")).content.decode().lower()


def test_what_a_tool_marks_as_secret_is_not_shown_by_this_way_either(writer: Robot, api: Api) -> None:
    """An agent reports the arguments it sends; those of a secret field stay masked even for who may reveal."""
    mark(customer_id="personal", note="secret")
    execution = tool_span(
        "issue_credit_memo", attributes={"gen_ai.tool.call.arguments": '{"customer_id": "C-204", "note": "Hunter2-x"}'}
    )
    tell(writer, execution)
    call_in(writer, execution, arguments=credit() | {"note": "hunter2-x"})
    run = Run.objects.get()
    url = f"/api/v1{step_url(run, 'issue_credit_memo')}reveal"
    shown = str(api("priya").post(url, {"reason": "Complaint 17"}, format="json").json()["payload"])
    assert "hunter2" not in shown.lower()
    assert "masked: secret" in shown
    assert "C-204" in shown


def test_a_step_of_another_run_or_of_none_is_not_found(run: Run, writer: Robot, sign_in: SignIn, api: Api) -> None:
    step = reported(run, "chat").id
    other = writer.api().post("/api/v1/runs", {"title": "Another"}, format="json").json()["id"]
    for run_id, step_id in ((UUID(other), step), (run.id, uuid4()), (run.id, UUID(bytes=step.bytes[:8] + bytes(8)))):
        assert sign_in("chen").get(f"/runs/{run_id}/steps/{step_id}/").status_code == 404
        assert sign_in("chen").get(f"/runs/{run_id}/steps/{step_id}/reveal/").status_code == 404
        assert api("chen").get(f"/api/v1/runs/{run_id}/steps/{step_id}").status_code == 404


def test_an_ungoverned_execution_says_so(
    writer: Robot, run: Run, asked: Span, time_passes: Callable[..., None], sign_in: SignIn
) -> None:
    tell(writer, tool_span("mail.send", trace=asked["trace"]))
    time_passes(seconds=50)
    find_ungoverned_actions()
    page = sign_in("omar").get(step_url(run, "mail.send")).content.decode()
    assert "No call that the mesh decided is behind it" in page
    assert "/ungoverned/" in page


def test_the_api_lists_every_step_in_pages(run: Run, api: Api) -> None:
    whole = api("dana").get(f"/api/v1/runs/{run.id}/steps").json()["items"]
    assert [(one["origin"], one["kind"]) for one in whole] == [
        ("reported", "model"),
        ("enforced", "decision"),
        ("enforced", "tool"),
    ]
    assert {one["parent_id"] for one in whole[1:]} == {whole[0]["id"]}
    first = api("dana").get(f"/api/v1/runs/{run.id}/steps?limit=2").json()
    rest = api("dana").get(f"/api/v1/runs/{run.id}/steps?cursor={first['next']}").json()
    assert [*first["items"], *rest["items"]] == whole


def test_a_run_is_found_by_its_trace(run: Run, asked: Span, sign_in: SignIn) -> None:
    page = sign_in("dana").get(f"/runs/?q={asked['trace']}").content.decode()
    assert f"/runs/{run.id}/" in page
    assert "No run matches" in sign_in("dana").get(f"/runs/?q={'ab' * 16}").content.decode()


def test_the_axis_begins_with_the_trace_but_not_with_another_clock(writer: Robot, sign_in: SignIn) -> None:
    turn = span("turn")
    tell(writer, turn, span("of yesterday", trace=turn["trace"], ended_ns=turn["ended_ns"] - 86_400 * 10**9))
    call_in(writer, turn)
    run = Run.objects.get()
    feed = sign_in("dana").get(f"/runs/{run.id}/timeline.json").json()
    assert feed["start"] == pytest.approx((run.started_at - dt.timedelta(hours=1)).timestamp() * 1000)
    assert len(feed["rows"]) == 4
    assert sign_in("dana").get(f"/runs/{run.id}/?view=timeline").status_code == 200


def test_what_is_told_late_is_news(run: Run, writer: Robot, asked: Span, sign_in: SignIn) -> None:
    version = sign_in("dana").get(f"/runs/{run.id}/timeline.json").json()["version"]
    assert sign_in("dana").get(f"/runs/{run.id}/timeline.json?version={version}").status_code == 204
    tell(writer, span("late", trace=asked["trace"]))
    following: Any = sign_in("dana").get(f"/runs/{run.id}/timeline.json?version={version}")
    assert len(following.json()["rows"]) == 4


@given(st.integers(0, 2**64 - 1))
def test_an_id_is_of_version_7_and_tells_the_span(number: int) -> None:
    trace, span_id = uuid7(), number_of_span(number.to_bytes(8, "big"))
    made = row_id((trace, span_id))
    assert made.version == 7
    assert made.variant == RFC_4122
    with patch("apps.telemetry.reported_rows.traces_of", return_value=[uuid7(), trace]):
        assert keys_of(Run(), made) == [(trace, span_id)]
