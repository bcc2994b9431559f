"""Without the variables nothing is loaded; with a collector that is away nothing waits and nothing grows."""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from apps.core import observing
from meshconsole import otel
from tests.live import free_port

ROOT = Path(__file__).resolve().parents[2]
needs_extra = pytest.mark.skipif(otel.why_not({}) != "", reason="The extra “otel” is not installed here.")
LOADED = """
import django, json, sys, time
django.setup()
import meshconsole.wsgi, meshconsole.celery
from django.conf import settings
names = ("opentelemetry.sdk", "opentelemetry.trace", "opentelemetry.exporter")
print(json.dumps([[name for name in names if name in sys.modules], settings.MIDDLEWARE[0]]))
"""
FLOOD = """
import django, json, time
django.setup()
from apps.core import observing
from meshconsole import otel
from meshconsole.otel import sending
otel.start("web")
slowest = 0.0
for number in range(20_000):
    began = time.perf_counter()
    with observing.step("tool_call.intake"):
        observing.note({"mesh.tool": "erp.find"})
    slowest = max(slowest, time.perf_counter() - began)
queues = [len(p._batch_processor._queue) for p in sending._ending[0]._active_span_processor._span_processors]
began = time.perf_counter()
otel.stop()
print(json.dumps({"queued": queues, "slowest": slowest, "ending": time.perf_counter() - began}))
"""


def python(program: str, **environment: str) -> Any:
    given = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**given, "DJANGO_SETTINGS_MODULE": "meshconsole.settings_test", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "console"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, ["traces", "metrics", "logs"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, ["metrics", "logs"]),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"}, ["metrics"]),
        ({"OTEL_LOGS_EXPORTER": "otlp"}, ["logs"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, []),
    ],
)
def test_the_standard_variables_say_what_is_sent(given: dict[str, str], wanted: list[str]) -> None:
    assert otel.signals_wanted(given) == wanted


@needs_extra
def test_another_protocol_is_a_line_in_the_log_and_no_reason_not_to_start() -> None:
    assert "only http/protobuf" in otel.why_not({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


@pytest.mark.skipif(find_spec("opentelemetry.sdk") is not None, reason="The extra “otel” is installed here.")
def test_without_the_extra_it_is_said_what_brings_it() -> None:
    assert "requirements-otel.txt" in otel.why_not({})
    [loaded, first] = python(LOADED, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert (loaded, first) == ([], "apps.core.middleware.request_context")


@pytest.mark.parametrize("disabled", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_SDK_DISABLED": "true"}])
def test_without_the_variables_nothing_of_it_is_loaded(disabled: dict[str, str]) -> None:
    [loaded, first] = python(LOADED, **disabled)
    assert (loaded, first) == ([], "apps.core.middleware.request_context")


def test_a_step_that_nobody_collects_costs_nothing_to_speak_of() -> None:
    """Two microseconds are a thousandth of what a call costs; it takes a tenth of that."""
    assert not observing.is_on()
    began = time.thread_time()
    for _ in range(20_000):
        with observing.step("tool_call.intake"):
            pass
    assert (time.thread_time() - began) / 20_000 < 2e-6


@needs_extra
def test_with_the_collector_away_nothing_waits_and_nothing_grows() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    told = python(FLOOD, OTEL_EXPORTER_OTLP_ENDPOINT=away, OTEL_BSP_MAX_QUEUE_SIZE="512", OTEL_METRICS_EXPORTER="none")
    assert max(told["queued"]) <= 512
    assert told["slowest"] < 0.5
    assert told["ending"] < 4
