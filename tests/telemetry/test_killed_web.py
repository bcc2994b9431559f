"""A web server that is killed while spans come: none that was acknowledged is lost, none is there twice."""

import os
import random
import threading
import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.live import LiveConsole
from tests.telemetry.exporting import PROTOBUF, protobuf, span, tool_span

pytestmark = pytest.mark.mesh

KILLS, CLIENTS = 6, 3
SPANS_OF_TRACE, TRACES = 20, 10
MOST_SECONDS = 120.0


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsole]:
    """A database and a web server: nothing else takes part."""
    console = LiveConsole(tmp_path_factory.mktemp("spans"))
    try:
        console.prepare()
        console.start_web()
        yield console
    finally:
        console.stop()


class Exporter:
    """Sends request after request; each until it is acknowledged, as exporters do."""

    def __init__(self, console: LiveConsole, headers: dict[str, str], over: threading.Event) -> None:
        self.told: set[tuple[str, str]] = set()
        self.again_count = 0
        self._url, self._headers, self._over = f"{console.url}/v1/traces", headers, over

    def work(self) -> None:
        while not self._over.is_set():
            spans = [
                (tool_span("mail.send", trace=trace) if number % 5 == 0 else span("step", trace=trace))
                for trace in (os.urandom(16).hex() for _ in range(TRACES))
                for number in range(SPANS_OF_TRACE)
            ]
            self._send(protobuf(*spans))
            self.told |= {(one["trace"], one["span"]) for one in spans}

    def _send(self, body: bytes) -> None:
        end = time.monotonic() + MOST_SECONDS
        while time.monotonic() < end:
            try:
                answer = httpx.post(self._url, content=body, headers=self._headers, timeout=10)
            except httpx.HTTPError:
                self.again_count += 1
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                assert answer.content == b""
                return
            assert answer.status_code in (429, 503), answer.content
            time.sleep(0.2)
        pytest.fail("spans were not acknowledged in time")


def _headers(console: LiveConsole) -> dict[str, str]:
    with console.agent("o2c-triage") as agent:
        return {"Authorization": agent.headers["Authorization"], "Content-Type": PROTOBUF}


def test_a_body_in_chunks_reaches_the_door_whole(web: LiveConsole) -> None:
    """Exporters in JavaScript send no length."""
    body = protobuf(*[span("step", trace="ab" * 16) for _ in range(500)])
    chunks = (body[at : at + 10_000] for at in range(0, len(body), 10_000))
    answer = httpx.post(f"{web.url}/v1/traces", content=chunks, headers=_headers(web), timeout=30)
    assert (answer.status_code, answer.content) == (200, b"")
    with psycopg.connect(web.environment["DATABASE_URL"]) as link:
        assert link.execute("SELECT count(*) FROM telemetry_reportedspan").fetchone() == (500,)
        link.execute("TRUNCATE telemetry_reportedspan, telemetry_toolreport")


def test_kills_in_the_middle_of_requests_lose_nothing_and_double_nothing(web: LiveConsole) -> None:
    over, moments = threading.Event(), random.Random(7)
    exporters = [Exporter(web, _headers(web), over) for _ in range(CLIENTS)]
    threads = [threading.Thread(target=exporter.work) for exporter in exporters]
    for thread in threads:
        thread.start()
    try:
        for _ in range(KILLS):
            time.sleep(moments.uniform(0.3, 1.0))
            web.kill("web")
            web.start_web()
        time.sleep(0.5)
    finally:
        over.set()
    for thread in threads:
        thread.join(MOST_SECONDS)

    told = set().union(*(exporter.told for exporter in exporters))
    with psycopg.connect(web.environment["DATABASE_URL"]) as link:
        rows = link.execute(
            "SELECT replace(trace.trace_id::text, '-', ''), lpad(to_hex(span.span_id), 16, '0')"
            " FROM telemetry_reportedspan span JOIN telemetry_trace trace ON trace.id = span.trace"
        ).fetchall()
        reports = link.execute("SELECT count(*), count(DISTINCT (trace, span_id)) FROM telemetry_toolreport").fetchone()
    assert len(told) >= KILLS * SPANS_OF_TRACE * TRACES
    assert sum(exporter.again_count for exporter in exporters) >= KILLS
    assert len(rows) == len(told)
    assert set(rows) == told
    assert reports == (len(told) // 5, len(told) // 5)
