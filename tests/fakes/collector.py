"""A collector for tests: takes OTLP over HTTP and keeps what came, read and as bytes."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

FORMS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


def values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@dataclass(frozen=True)
class Step:
    """A span, as a test asks for it."""

    name: str
    trace: str
    id: str
    parent: str
    part: str
    service: str
    attributes: dict[str, Any]
    is_error: bool


@dataclass
class Collector:
    url: str = ""
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def take(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        with self.lock:
            self.bodies.append((path, body))
            self.headers.append(headers)

    def everything(self) -> bytes:
        """Whatever left, as it was sent."""
        with self.lock:
            return b"\n".join(body for _, body in self.bodies)

    def _read(self, path: str) -> list[Any]:
        with self.lock:
            return [FORMS[path].FromString(body) for sent_to, body in self.bodies if sent_to == path]

    def steps(self) -> list[Step]:
        return [
            Step(
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                values(of.resource.attributes).get("meshconsole.part", ""),
                values(of.resource.attributes).get("service.name", ""),
                values(span.attributes),
                span.status.code == 2,
            )
            for request in self._read("/v1/traces")
            for of in request.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """The attributes of all points, by the metric's name."""
        found: dict[str, list[dict[str, Any]]] = {}
        for request in self._read("/v1/metrics"):
            for of in request.resource_metrics:
                for metric in (one for scope in of.scope_metrics for one in scope.metrics):
                    points = getattr(metric, metric.WhichOneof("data")).data_points
                    found.setdefault(metric.name, []).extend(values(point.attributes) for point in points)
        return found

    def records(self) -> list[tuple[str, dict[str, Any]]]:
        """(text, attributes) of each log record."""
        return [
            (record.body.string_value, values(record.attributes))
            for request in self._read("/v1/logs")
            for of in request.resource_logs
            for scope in of.scope_logs
            for record in scope.log_records
        ]


@contextmanager
def running_collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(self.path, body, dict(self.headers.items()))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
