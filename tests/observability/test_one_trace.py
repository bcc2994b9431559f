"""A tool call is one trace, from the web to the worker that carries it out; nothing confidential leaves with it."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest

from meshconsole import otel
from tests.fakes.collector import Collector, Step, running_collector
from tests.live import LiveConsole, until

pytestmark = [
    pytest.mark.mesh,
    pytest.mark.skipif(otel.why_not({}) != "", reason="The extra “otel” is not installed here."),
]
INVOICE = 7401
AGENTS_TRACE, AGENTS_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
# Each stands in one place only that a call, a person or a secret comes from.
WORDS = "Freight was charged to Zsuzsanna twice"
SECRET = "kept-from-everybody"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def live(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsole]:
    console = LiveConsole(tmp_path_factory.mktemp("observed"))
    console.environment |= {
        "LOG_LEVEL": "INFO",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=mesh",
        "OTEL_SERVICE_NAME": "console-under-test",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_BLRP_SCHEDULE_DELAY": "200",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }
    try:
        console.start_all()
        yield console
    finally:
        console.stop()


def credit(amount: str, key: str) -> dict[str, object]:
    return {
        "tool": "erp.issue_credit_memo",
        "arguments": {
            "invoice_id": f"INV-{INVOICE}",
            "customer_id": "C-1001",
            "amount": amount,
            "currency": "EUR",
            "reason_code": "price_mismatch",
        },
        "idempotency_key": key,
        "rationale": WORDS,
    }


def of_trace(collector: Collector, trace: str) -> dict[str, Step]:
    return {step.name: step for step in collector.steps() if step.trace == trace}


def approved(live: LiveConsole, key: str, **headers: str) -> str:
    """A call that a person has to agree to, agreed to and carried out; its id."""
    with live.agent("o2c-triage") as agent, live.person("dana") as dana:
        call = agent.post("/api/v1/tool-calls", json=credit("700.00", key), headers=headers).json()
        approval = dana.get(f"/api/v1/approvals/{call['approval']['id']}").json()
        vote = {"verdict": "approve", "digest": approval["digest"], "comment": SECRET}
        assert dana.post(f"/api/v1/approvals/{approval['id']}/votes", json=vote).status_code == 201
        until(lambda: agent.get(f"/api/v1/tool-calls/{call['id']}").json()["state"] == "succeeded", "it was done")
    return str(call["id"])


def test_a_call_is_one_trace_from_web_to_worker(live: LiveConsole, collector: Collector) -> None:
    live.bill(INVOICE)
    header = f"00-{AGENTS_TRACE}-{AGENTS_SPAN}-01"
    given = approved(live, "one", traceparent=header)
    own = approved(live, "two")
    until(lambda: {given, own} <= {step.attributes["mesh.call.id"] for step in _releases(collector)}, "both were told")
    traces = {step.attributes["mesh.call.id"]: step.trace for step in _releases(collector)}

    # in the agent's own trace where it has one, else in one of ours
    assert traces[given] == AGENTS_TRACE
    assert traces[own] not in (AGENTS_TRACE, "")
    for call, trace in traces.items():
        steps = of_trace(collector, trace)
        intake, sent = steps["tool_call.intake"], steps["tool_call.send"]
        # a sweep may have come by as well, and found it done
        [release] = [step for step in _releases(collector) if step.id == sent.parent]
        assert (intake.part, release.part) == ("web", "worker")
        assert intake.attributes["mesh.call.id"] == release.attributes["mesh.call.id"] == call
        assert (intake.attributes["mesh.call.state"], release.attributes["mesh.call.state"]) == (
            "awaiting_approval",
            "succeeded",
        )
        assert intake.parent == steps["http.request"].id
        assert steps["http.request"].attributes["http.route"] == "api/v1/tool-calls"
        assert release.service == "console-under-test"
    assert of_trace(collector, AGENTS_TRACE)["http.request"].parent == AGENTS_SPAN
    task = "apps.gateway.tasks.release_tool_call"
    until(lambda: _parents_of(collector, task) & _ids_of(collector, "outbox.deliver"), "news set the task going")
    assert all(headers.get("x-tenant") == "mesh" for headers in collector.headers)


def _releases(collector: Collector) -> list[Step]:
    """Those after which the call was done."""
    of_calls = (step for step in collector.steps() if step.name == "tool_call.release")
    return [step for step in of_calls if step.attributes.get("mesh.call.state") == "succeeded"]


def _parents_of(collector: Collector, task: str) -> set[str]:
    return {step.parent for step in collector.steps() if step.attributes.get("mesh.task") == task}


def _ids_of(collector: Collector, name: str) -> set[str]:
    return {step.id for step in collector.steps() if step.name == name}


def test_metrics_and_logs_say_what_on_call_needs(live: LiveConsole, collector: Collector) -> None:
    wanted = {
        "meshconsole.tool_call.ended",
        "meshconsole.tool_call.decide.duration",
        "meshconsole.tool_call.send.duration",
        "meshconsole.http.request.duration",
        "meshconsole.outbox.lag_seconds",
        "meshconsole.outbox.waiting",
    }
    until(lambda: wanted <= set(collector.metrics()), "the metrics came")
    assert {"mesh.call.state": "succeeded", "mesh.tool": "erp.issue_credit_memo", "mesh.environment": "production"} in (
        collector.metrics()["meshconsole.tool_call.ended"]
    )
    until(lambda: any(text == "request" for text, _ in collector.records()), "the log lines came")
    [line] = [each for text, each in collector.records() if text == "request"][:1]
    assert {"log.method", "log.status", "log.request_id"} <= set(line)
    assert UUID(line["log.request_id"])


def test_nothing_confidential_leaves(live: LiveConsole, collector: Collector) -> None:
    """By the bytes: whatever the form, none of it is in them."""
    with live.agent("o2c-triage") as agent:
        token = agent.headers["Authorization"].removeprefix("Bearer ")
        agent.get("/zsuzsanna.nagy@example.com")
        agent.post("/api/v1/tool-calls", json={**credit("700.00", "three"), "tool": WORDS})
    until(lambda: any(step.attributes.get("http.response.status_code") == 404 for step in collector.steps()), "a 404")
    told = collector.everything()
    secrets = [live.environment["SECRET_KEY"], live.environment["VAULT_KEYS"], token, *live.passwords.values()]
    secrets += [credential["client_secret"] for credential in live.credentials.values()]
    secrets.append((live.home / "erp.token").read_text().strip())
    content = [WORDS, SECRET, f"INV-{INVOICE}", "C-1001", "700.00", "price_mismatch", "Dana Ruiz", "example.com"]
    assert len(told) > 10_000
    for word in [*secrets, *content, "zsuzsanna"]:
        assert word.encode() not in told, word
    assert not re.search(rb"CM-\d+", told)
