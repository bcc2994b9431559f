"""Agents that nobody here wrote report to a live console: one of a well-known framework, with its own offline model,
its own instrumentation and an ordinary exporter; and one whose tool asks nobody.
"""

import time
from importlib.util import find_spec
from typing import Any

import httpx
import pytest

from tests.journeys.test_approve_and_halt import credit
from tests.live import LiveConsole, until
from tests.telemetry.exporting import PROTOBUF, protobuf, tool_span

pytestmark = pytest.mark.mesh

# As docs/telemetry.md promises it.
MOST_SECONDS = 60.0
framework = pytest.mark.skipif(find_spec("pydantic_ai") is None, reason="The extra “frameworks” is not installed here.")


def steps_of(live: LiveConsole, run_id: str) -> list[dict[str, Any]]:
    """The whole timeline of the run, as somebody who answers for it reads it."""
    items: list[dict[str, Any]] = []
    with live.person("omar") as omar:
        cursor: str | None = ""
        while cursor is not None:
            page = omar.get(f"/api/v1/runs/{run_id}/steps", params={"cursor": cursor} if cursor else {}).json()
            items, cursor = items + page["items"], page["next"]
    return items


def run_agent(live: LiveConsole, body: dict[str, Any]) -> dict[str, Any]:
    """An agent of the framework credits an invoice through the mesh and writes a note by itself. Returns what the mesh
    said to its call.
    """
    from opentelemetry import propagate, trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from pydantic_ai import Agent
    from pydantic_ai.capabilities import Instrumentation
    from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import AgentInfo, FunctionModel
    from pydantic_ai.models.instrumented import InstrumentationSettings

    said: dict[str, Any] = {}
    with live.agent("o2c-triage") as console:
        exporter = OTLPSpanExporter(
            endpoint=f"{live.url}/v1/traces", headers={"Authorization": console.headers["Authorization"]}
        )
        provider = TracerProvider(resource=Resource.create({"service.name": "credit-desk"}))
        provider.add_span_processor(BatchSpanProcessor(exporter))

        def plan(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            """First the tool, then the note, then the answer: a function in the place of a model."""
            turn = sum(isinstance(message, ModelResponse) for message in messages)
            arguments = {"invoice": body["arguments"]["invoice_id"]}
            parts = [ToolCallPart("issue_credit_memo", arguments), ToolCallPart("write_note", arguments)]
            return ModelResponse(parts=[parts[turn]] if turn < len(parts) else [TextPart("It is credited.")])

        agent = Agent(
            FunctionModel(plan),
            name="credit_desk",
            capabilities=[Instrumentation(InstrumentationSettings(tracer_provider=provider))],
        )

        @agent.tool_plain
        def issue_credit_memo(invoice: str) -> str:
            """Credit an invoice, through the mesh."""
            headers: dict[str, str] = {}
            propagate.inject(headers, context=trace.set_span_in_context(trace.get_current_span()))
            answer = console.post("/api/v1/tool-calls", json=body, headers=headers)
            answer.raise_for_status()
            said.update(answer.json())
            return str(said["state"])

        @agent.tool_plain
        def write_note(invoice: str) -> str:
            """Write a note, past the mesh."""
            return f"noted {invoice}"

        assert agent.run_sync("Freight was billed twice; credit it.").output == "It is credited."
        provider.shutdown()
    return said


@framework
def test_a_run_of_a_framework_appears_complete(live: LiveConsole) -> None:
    live.bill(1990)
    begun = time.monotonic()
    called = run_agent(live, credit(1990, "24.00"))
    assert called["state"] == "succeeded", called
    steps = steps_of(live, called["run_id"])
    ids = {step["id"]: step for step in steps}

    def above(step: dict[str, Any]) -> str:
        return ids[step["parent_id"]]["text"] if step["parent_id"] in ids else ""

    assert [(one["origin"], one["kind"], one["text"], above(one)) for one in steps if one["origin"] == "reported"] == [
        ("reported", "agent", "invoke_agent credit_desk", ""),
        ("reported", "model", "chat function:plan:", "invoke_agent credit_desk"),
        ("reported", "tool", "issue_credit_memo", "invoke_agent credit_desk"),
        ("reported", "model", "chat function:plan:", "invoke_agent credit_desk"),
        ("reported", "tool", "write_note", "invoke_agent credit_desk"),
        ("reported", "model", "chat function:plan:", "invoke_agent credit_desk"),
    ]
    enforced = [(one["kind"], one["status"], above(one)) for one in steps if one["origin"] == "enforced"]
    assert enforced == [("decision", "ok", "issue_credit_memo"), ("tool", "ok", "issue_credit_memo")]
    assert all(one["tokens"] for one in steps if one["kind"] == "model")

    def note() -> list[dict[str, Any]]:
        return [one for one in steps_of(live, called["run_id"]) if one["kind"] == "ungoverned"]

    [ungoverned] = until(note, "the note is told to be ungoverned", seconds=MOST_SECONDS)
    assert (ungoverned["text"], ungoverned["note"]) == ("write_note", "ungoverned")
    assert time.monotonic() - begun < MOST_SECONDS
    with live.person("omar") as omar:
        story = omar.get(f"/api/v1/runs/{called['run_id']}/story").json()["text"]
    assert "asked a language model 3 times" in story
    assert "executed “write_note” on its own" in story


def test_a_tool_that_asks_nobody_is_listed_within_a_minute(live: LiveConsole) -> None:
    """With the real beat and worker; the clock is the test's own."""
    with live.agent("o2c-triage") as agent:
        headers = {"Authorization": agent.headers["Authorization"], "Content-Type": PROTOBUF}
    begun = time.monotonic()
    answer = httpx.post(f"{live.url}/v1/traces", content=protobuf(tool_span("mail.send_to_bank")), headers=headers)
    assert answer.status_code == 200

    def listed() -> list[dict[str, Any]]:
        with live.person("omar") as omar:
            items = omar.get("/api/v1/ungoverned-actions").json()["items"]
        return [one for one in items if one["tool"] == "mail.send_to_bank"]

    [action] = until(listed, "the action is listed", seconds=MOST_SECONDS)
    print(f"\nlisted after {time.monotonic() - begun:.0f} s")
    assert (action["state"], action["execution_count"]) == ("open", 1)
