"""Log lines as OTLP records. A line of ours is its name and what stands in `FIELDS`; of one of a library the text it
was written with, without what was put into it. Nothing of either may be what a call carries.
"""

import logging
import traceback
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber

# Members of our log lines that are codes, ids, counts and times.
FIELDS = frozenset(
    {
        "request_id",
        "method",
        "status",
        "milliseconds",
        "code",
        "attempt",
        "attempt_count",
        "seconds",
        "retry_after_seconds",
        "count",
        "channel",
        "outbox_event",
        "tool_call_id",
        "approval_id",
        "delivery_id",
        "drill_id",
        "rule_id",
        "id",
        "started_at",
        "due_at",
        "first",
        "longest",
        "day",
    }
)
# What sends would tell of its own sending for ever.
OWN = ("opentelemetry", "urllib3", "requests")
LONGEST_TEXT = 300
MOST_FRAMES = 30
SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
    (logging.NOTSET, SeverityNumber.DEBUG),
)


class OtlpHandler(logging.Handler):
    """Beside the one that writes to standard error."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in OWN:
            return
        try:
            self._logger.emit(_otlp(record))
        except Exception:
            self.handleError(record)


def _otlp(record: logging.LogRecord) -> Any:
    ours = record.msg if isinstance(record.msg, dict) else None
    text = str(ours.get("event", "") if ours is not None else record.msg)
    attributes: dict[str, Any] = {"log.logger": record.name}
    for key in FIELDS.intersection(ours or ()):
        value = (ours or {})[key]
        attributes[f"log.{key}"] = value if isinstance(value, bool | int | float) else str(value)[:LONGEST_TEXT]
    return LogRecord(
        timestamp=int(record.created * 1e9),
        severity_text=record.levelname,
        severity_number=next(number for level, number in SEVERITIES if record.levelno >= level),
        body=text[:LONGEST_TEXT],
        attributes=attributes | _where_it_broke(record),
    )


def _where_it_broke(record: logging.LogRecord) -> dict[str, str]:
    """The type of what was raised and the places it went through. What it says may be payload."""
    raised = record.exc_info[1] if record.exc_info else None
    if raised is None:
        return {}
    frames = traceback.extract_tb(raised.__traceback__)[-MOST_FRAMES:]
    places = "\n".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return {"exception.type": type(raised).__qualname__, "exception.stacktrace": places}
