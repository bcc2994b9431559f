"""The providers of OpenTelemetry's SDK and the sink that feeds them. Loaded only where something is sent.

Queues are bounded and sent by threads of their own: with the collector away the oldest is dropped and nobody waits.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from apps.core import observing
from apps.core.errors import MeshError
from apps.core.ids import uuid7
from apps.core.observing import KEYS, METRIC_KEYS, Attributes
from apps.core.tracing import TraceContext, number_of_span
from meshconsole.otel.records import OtlpHandler

SCOPE = "meshconsole"
# A code or a name is never longer; what is, is none.
LONGEST_VALUE = 200
# A process that ends has better to do than to wait for a collector.
LAST_SECONDS = 2
# Seconds, from a look into memory to a business system that takes its time.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
KINDS = {
    observing.INNER: SpanKind.INTERNAL,
    observing.SERVER: SpanKind.SERVER,
    observing.CLIENT: SpanKind.CLIENT,
    observing.CONSUMER: SpanKind.CONSUMER,
}
# Levels of 64 kinds and 64 readings each: more is a mistake, and must not grow.
MOST_READINGS = 4096

_ending: list[Any] = []


def begin(part: str, signals: list[str]) -> None:
    """Make the providers for this process and tell them what happens here."""
    if _ending:
        return
    resource = Resource.create(
        {"service.instance.id": str(uuid7()), "meshconsole.part": part}
        | ({} if os.environ.get("OTEL_SERVICE_NAME") else _service_name())
    )
    tracers = _tracers(resource) if "traces" in signals else None
    meters = _meters(resource) if "metrics" in signals else None
    if "logs" in signals:
        _send_logs(resource)
    observing.tell(OtelSink(tracers, meters))
    atexit.register(end)


def end() -> None:
    """Send what is left, as far as that takes no time to speak of."""
    observing.tell(None)
    ending, _ending[:] = list(_ending), []
    threads = [threading.Thread(target=provider.shutdown, daemon=True) for provider in ending]
    for thread in threads:
        thread.start()
    last = time.monotonic() + LAST_SECONDS
    for thread in threads:
        thread.join(max(0.0, last - time.monotonic()))


def sampler_of(environ: Mapping[str, str]) -> Any:
    """What OTEL_TRACES_SAMPLER says, by the trace's id. Whoever calls does not say whether we look: a trace is kept
    whole or not at all, here and in the worker that carries it on later.
    """
    name = environ.get("OTEL_TRACES_SAMPLER", "always_on").removeprefix("parentbased_")
    if name == "always_off":
        own: Any = sampling.ALWAYS_OFF
    elif name == "traceidratio":
        own = sampling.TraceIdRatioBased(_ratio(environ.get("OTEL_TRACES_SAMPLER_ARG", "")))
    else:
        own = sampling.ALWAYS_ON
    return sampling.ParentBased(root=own, remote_parent_sampled=own, remote_parent_not_sampled=own)


def _ratio(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 1.0


def _service_name() -> dict[str, str]:
    named = "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {} if named else {"service.name": "mesh-console"}


def _tracers(resource: Any) -> Any:
    provider = TracerProvider(resource=resource, sampler=sampler_of(os.environ), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _ending.append(provider)
    return provider


def _meters(resource: Any) -> Any:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    _ending.append(provider)
    return provider


def _send_logs(resource: Any) -> None:
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    logging.getLogger().addHandler(OtlpHandler(provider.get_logger(SCOPE)))
    _ending.append(provider)


def span_context(of: TraceContext) -> Any:
    """The step of another process, as the SDK names it."""
    span_id = int.from_bytes(of.span_id.to_bytes(8, "big", signed=True), "big")
    return SpanContext(of.trace_id.int, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class OtelSink:
    """Steps as spans with a histogram of their seconds, counts as counters, levels as gauges."""

    def __init__(self, tracers: Any, meters: Any) -> None:
        self._tracer = (tracers or trace.NoOpTracerProvider()).get_tracer(SCOPE)
        self._meter: Any = meters.get_meter(SCOPE) if meters is not None else None
        self._lock = threading.Lock()
        self._instruments: dict[str, Any] = {}
        self._readings: dict[str, list[Any]] = {}
        # what the step under way has to say, for its span and for its seconds
        self._said = threading.local()

    @contextmanager
    def step(self, name: str, kind: str, attributes: Attributes, parent: TraceContext | None) -> Iterator[None]:
        carried_by = trace.get_current_span().get_span_context()
        at, links = None, []
        if parent is not None and carried_by.trace_id != parent.trace_id.int:
            at = trace.set_span_in_context(NonRecordingSpan(span_context(parent)), contexts.Context())
            links = [Link(carried_by)] if carried_by.is_valid else []
        outer = getattr(self._said, "attributes", None)
        said = self._said.attributes = sifted(attributes, KEYS)
        started = time.perf_counter()
        span = self._tracer.start_span(name, context=at, kind=KINDS[kind], links=links, attributes=said)
        token = contexts.attach(trace.set_span_in_context(span, at))
        try:
            yield
        except Exception as error:
            said |= _what_went_wrong(error)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            contexts.detach(token)
            self._said.attributes = outer
            span.set_attributes(said)
            span.end()
            self._took(name, time.perf_counter() - started, said)

    def note(self, attributes: Attributes) -> None:
        said = getattr(self._said, "attributes", None)
        if said is not None:
            said |= sifted(attributes, KEYS)

    def count(self, name: str, by: int, attributes: Attributes) -> None:
        if self._meter is not None:
            self._instrument(name, self._meter.create_counter).add(by, sifted(attributes, METRIC_KEYS))

    def level(self, name: str, value: float, attributes: Attributes) -> None:
        if self._meter is None:
            return
        readings = self._readings.setdefault(name, [])
        self._instrument(name, self._observed)
        if len(readings) < MOST_READINGS:
            readings.append(Observation(value, sifted(attributes, METRIC_KEYS)))

    def here(self) -> TraceContext | None:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return TraceContext(UUID(int=context.trace_id), number_of_span(context.span_id.to_bytes(8, "big")))

    def headers(self) -> dict[str, str]:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"}

    def _took(self, name: str, seconds: float, said: Attributes) -> None:
        if self._meter is not None:
            self._instrument(f"{name}.duration", self._histogram).record(seconds, sifted(said, METRIC_KEYS))

    def _instrument(self, name: str, make: Any) -> Any:
        made = self._instruments.get(name)
        if made is None:
            with self._lock:
                made = self._instruments.get(name) or make(name if name.startswith(SCOPE) else f"{SCOPE}.{name}")
                self._instruments[name] = made
        return made

    def _histogram(self, name: str) -> Any:
        return self._meter.create_histogram(name, unit="s", explicit_bucket_boundaries_advisory=BOUNDS)

    def _observed(self, name: str) -> Any:
        short = name.removeprefix(f"{SCOPE}.")
        return self._meter.create_observable_gauge(name, callbacks=[lambda _options: self._latest(short)])

    def _latest(self, name: str) -> list[Any]:
        """Each reading is sent once: what is not read any more is not told any more."""
        readings = self._readings.get(name, [])
        taken, readings[:] = list(readings), []
        # of two readings of one thing the later
        return list({tuple(sorted(one.attributes.items())): one for one in taken}.values())


def sifted(attributes: Attributes, keys: frozenset[str]) -> dict[str, str | int | float | bool]:
    """What may leave: of the names that are known, values that can be codes."""
    return {
        key: value
        for key, value in attributes.items()
        if key in keys and not (isinstance(value, str) and (not value or len(value) > LONGEST_VALUE))
    }


def _what_went_wrong(error: Exception) -> dict[str, str]:
    """The code of a refusal, the type of anything else. What an error says may be payload."""
    if isinstance(error, MeshError):
        return {"mesh.error.code": error.code, "error.type": type(error).__name__}
    return {"error.type": type(error).__name__}
