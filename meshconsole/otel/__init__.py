"""The console's own traces, metrics and logs, sent over OTLP where OpenTelemetry's standard variables say so.

Nothing of OpenTelemetry is loaded unless they do. docs/observability.md says what is sent.
"""

import logging
import os
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec

SIGNALS = ("traces", "metrics", "logs")
log = logging.getLogger(__name__)


def signals_wanted(environ: Mapping[str, str] | None = None) -> list[str]:
    """Which of the three are to be sent. A signal is when an endpoint is named for it or for all, or its exporter is
    `otlp`; not when its exporter is `none` or the SDK is disabled.
    """
    given = os.environ if environ is None else environ
    if given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    return [signal for signal in SIGNALS if _is_wanted(given, signal.upper())]


def _is_wanted(given: Mapping[str, str], signal: str) -> bool:
    exporters = [name.strip() for name in given.get(f"OTEL_{signal}_EXPORTER", "").split(",") if name.strip()]
    if exporters:
        return "otlp" in exporters
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    return any(given.get(name, "").strip() for name in names)


def why_not(environ: Mapping[str, str] | None = None) -> str:
    """Why what is wanted cannot be sent, "" where it can."""
    given = os.environ if environ is None else environ
    if find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter") is None:
        return "The extra “otel” is not installed here; requirements-otel.txt brings it."
    asked = {given.get(f"OTEL_EXPORTER_OTLP{part}_PROTOCOL", "") for part in ("", "_TRACES", "_METRICS", "_LOGS")}
    if asked - {"", "http/protobuf"}:
        return "OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf is spoken here."
    return ""


def is_on() -> bool:
    """Whether this process sends anything."""
    return bool(signals_wanted()) and not why_not()


def start(part: str) -> None:
    """Begin to send, once in a process and after it was forked. Never in the way of its start: what is wrong with the
    way out is a line in the log.
    """
    if not signals_wanted():
        return
    problem = why_not()
    if problem:
        log.warning("otel.not_sent: %s", problem)
        return
    from meshconsole.otel.sending import begin

    begin(part, signals_wanted())


def stop() -> None:
    """Send what is left, for no longer than a moment."""
    if is_on():
        from meshconsole.otel.sending import end

        end()


def for_celery() -> None:
    """A worker's children send for themselves, each from its own start on."""
    if not is_on():
        return
    from celery.signals import beat_init, worker_process_init, worker_process_shutdown

    from meshconsole.otel import tasks

    tasks.connect()
    worker_process_init.connect(_worker_begins, weak=False)
    beat_init.connect(partial(_begins, "beat"), weak=False)
    worker_process_shutdown.connect(_worker_ends, weak=False)


def _begins(part: str, **more: object) -> None:
    start(part)


def _worker_begins(**more: object) -> None:
    start("worker")


def _worker_ends(**more: object) -> None:
    stop()
