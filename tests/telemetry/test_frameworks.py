"""Bodies that real frameworks sent: each has its parents, kinds, tokens and tools, and the one failure of its story."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from apps.runs.models import Run
from apps.runs.steps import Row, rows_of
from apps.telemetry.models import ReportedKind, ReportedSpan, ReportedStatus, Trace
from tests.conftest import Robot, actor
from tests.telemetry.exporting import JSON, PROTOBUF, send

FOLDER = Path(os.environ.get("OTLP_BODIES", Path(__file__).resolve().parents[3] / "shared" / "data" / "otlp"))
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the recorded bodies of frameworks are not at {FOLDER}"),
]
FRAMEWORKS = ("pydantic_ai_v5.traces.001.pb", "langgraph_openinference.traces.001.pb", "vercel_ai_json.traces.001.json")


def _ingest(writer: Robot, name: str) -> list[ReportedSpan]:
    kind = JSON if name.endswith("json") else PROTOBUF
    answer = send(writer, (FOLDER / name).read_bytes(), content_type=kind)
    assert answer.status_code == 200, answer.content
    assert answer.content in (b"", b"{}")
    return list(ReportedSpan.objects.order_by("started_ns"))


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_recorded_body_has_its_parents_tools_tokens_and_one_failure(writer: Robot, name: str) -> None:
    index: dict[str, Any] = json.loads((FOLDER / "INDEX.json").read_text())[name]
    spans = _ingest(writer, name)
    assert len(spans) == index["spans"]
    assert Trace.objects.count() == index["traces"]
    ids = {span.span_id for span in spans}
    assert sum(span.parent_span_id is None for span in spans) == index["root_spans"]
    assert all(span.parent_span_id in ids for span in spans if span.parent_span_id is not None)
    tools = [span for span in spans if span.kind == ReportedKind.TOOL]
    assert [span.tool_name for span in tools] == [tool for tool, _ in index["tool_spans_in_order[name,status_code]"]]
    assert [span.status == ReportedStatus.ERROR for span in tools] == [False, False, True, False]
    models = [span for span in spans if span.kind == ReportedKind.MODEL]
    assert sum(span.input_tokens or 0 for span in models) == index["input_tokens_leaf_sum"]
    assert {(span.model, span.provider in ("fake", "function")) for span in models} == {("fake-1", True)}
    assert [span.kind for span in spans if span.parent_span_id is None] == [ReportedKind.TURN]
    assert {span.service for span in spans} == {index["resource"]["service.name"]}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_what_people_and_models_said_is_payload(writer: Robot, name: str) -> None:
    for span in _ingest(writer, name):
        assert "W1001" not in span.attributes
    assert any("W1001" in span.payload for span in ReportedSpan.objects.all())


def test_the_example_of_the_specification(writer: Robot) -> None:
    [span] = _ingest(writer, "spec_example_trace.json")
    assert span.name == "I'm a server span"
    assert span.kind == ReportedKind.OTHER
    assert Trace.objects.get().trace_id.hex == "5b8efff798038103d269b633813fc60c"


def _tree(writer: Robot, name: str) -> list[str]:
    """The timeline of a run that was opened in the trace of the body: each row below what it is part of."""
    _ingest(writer, name)
    header = {"traceparent": f"00-{Trace.objects.get().trace_id.hex}-{'ab' * 8}-01"}
    made = writer.api().post("/api/v1/runs", {"title": "Refund"}, format="json", headers=header).json()
    rows = rows_of(actor("dana"), Run.objects.get(id=made["id"]), most=1000)
    ids = {row.id: row for row in rows}

    def depth(row: Row) -> int:
        return 0 if row.parent is None else 1 + depth(ids[row.parent])

    return [f"{'. ' * depth(row)}{row.kind} {row.text} {row.status} {row.tokens or ''}".strip() for row in rows]


TIMELINES = {
    "pydantic_ai_v5.traces.001.pb": """
        agent invoke_agent refund_agent ok
        . model chat fake-1 ok 120
        . tool get_order ok
        . model chat fake-1 ok 130
        . tool issue_refund ok
        . model chat fake-1 ok 140
        . tool issue_refund error
        . model chat fake-1 ok 150
        . tool create_ticket ok
        . model chat fake-1 ok 195
    """,
    "langgraph_openinference.traces.001.pb": """
        agent LangGraph ok
        . other model ok
        . . model Fake ok 120
        . other tools ok
        . . tool get_order ok
        . other model ok
        . . model Fake ok 130
        . other tools ok
        . . tool issue_refund ok
        . other model ok
        . . model Fake ok 140
        . other tools ok
        . . tool issue_refund error
        . other model ok
        . . model Fake ok 150
        . other tools ok
        . . tool create_ticket ok
        . other model ok
        . . model Fake ok 160
    """,
    # its clock counts milliseconds: the refund and the model call that asked for it began in the same one
    "vercel_ai_json.traces.001.json": """
        agent ai.generateText ok
        . model ai.generateText.doGenerate ok 120
        . tool get_order ok
        . tool issue_refund ok
        . model ai.generateText.doGenerate ok 130
        . model ai.generateText.doGenerate ok 140
        . tool issue_refund error
        . model ai.generateText.doGenerate ok 150
        . tool create_ticket ok
        . model ai.generateText.doGenerate ok 160
    """,
}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_timeline_of_a_recorded_body(writer: Robot, name: str) -> None:
    assert _tree(writer, name) == [line.strip() for line in TIMELINES[name].strip().splitlines()]
