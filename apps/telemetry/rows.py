"""From what was told to what is stored: one row for each span. Pure."""

from typing import Any, NamedTuple

from apps.core.tracing import number_of_span
from apps.telemetry import dialects
from apps.telemetry.covering import covered
from apps.telemetry.models import Mark, ReportedKind, ReportedStatus
from apps.telemetry.otlp import Event, Told

TRACE_BYTES, SPAN_BYTES = 16, 8
_NO_TRACE, _NO_SPAN = bytes(TRACE_BYTES), bytes(SPAN_BYTES)
MAX_NS = 2**63 - 1
# A clock that is this far ahead of ours is wrong, and not just another clock.
AHEAD_NS = 60 * 10**9
_STATUS = {1: ReportedStatus.OK, 2: ReportedStatus.ERROR}


class Row(NamedTuple):
    """The columns of `ReportedSpan`, in the order they are copied in; `trace_id` is exchanged for the trace's key.

    What is the same in all rows of a request is text already: written anew for each it would cost as much as the rest.
    """

    trace_id: bytes
    span_id: int
    parent_span_id: int | None
    agent_id: str
    received_at: str
    started_ns: int
    ended_ns: int
    kind: str
    status: str
    marks: int
    name: str
    service: str
    agent_name: str
    error_type: str
    provider: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    tool_name: str
    tool_call_ref: str
    attributes: str
    payload: str


class Unusable(Exception):
    """A span that cannot be kept; says why, for the partial success."""


def row_of(told: Told, *, agent_id: str, received_at: str, received_ns: int) -> Row:
    """The row of one span. Raises Unusable."""
    trace_id, span_id = told.trace_id, told.span_id
    if len(trace_id) != TRACE_BYTES or trace_id == _NO_TRACE or len(span_id) != SPAN_BYTES or span_id == _NO_SPAN:
        raise Unusable("a trace id is 16 bytes and a span id 8, not all of them zero")
    started, ended, is_ahead = _times(told, received_ns)
    attributes = told.attributes
    said = dialects.columns_of(attributes)
    kind = dialects.kind_of(attributes, is_root=not told.parent_span_id)
    error_type = str(said.get("error_type") or _exception_in(told.events) or "")
    kept = covered(told, _extra(told))
    is_own_parent = told.parent_span_id == span_id
    return Row(
        trace_id,
        number_of_span(span_id),
        None if is_own_parent else _parent(told.parent_span_id),
        agent_id,
        received_at,
        started,
        ended,
        kind.value,
        _status(told, kind, error_type).value,
        kept.is_cut * Mark.TRUNCATED
        + kept.is_masked * Mark.MASKED
        + is_ahead * Mark.CLOCK_AHEAD
        + is_own_parent * Mark.OWN_PARENT,
        clean(told.name, 200),
        clean(told.resource.get("service.name"), 120),
        clean(said.get("agent_name"), 120),
        clean(error_type, 120),
        clean(said.get("provider"), 60),
        clean(said.get("model"), 120),
        dialects.tokens(said.get("input_tokens")),
        dialects.tokens(said.get("output_tokens")),
        dialects.tokens(said.get("cached_tokens")),
        dialects.tokens(said.get("reasoning_tokens")),
        clean(dialects.tool_name(said.get("tool_name"), attributes, told.name, kind), 120),
        clean(said.get("tool_call_ref"), 120),
        kept.open,
        kept.payload,
    )


def clean(value: Any, most: int) -> str:
    """Text that PostgreSQL can hold, of at most so many characters; "" for what is no text."""
    if not isinstance(value, str) or not value:
        return ""
    text = value[:most]
    if text.isascii():
        return text.replace("\x00", "")
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _times(told: Told, received_ns: int) -> tuple[int, int, bool]:
    """(start, end, whether the clock was ahead). A span without times was now; one that ends before it began has no
    length.
    """
    if not 0 <= told.started_ns <= MAX_NS or not 0 <= told.ended_ns <= MAX_NS:
        raise Unusable("a time is later than this can hold")
    started = told.started_ns or told.ended_ns or received_ns
    ended = max(told.ended_ns, started)
    return started, ended, ended > received_ns + AHEAD_NS


def _parent(span_id: bytes) -> int | None:
    return number_of_span(span_id) if len(span_id) == SPAN_BYTES and span_id != _NO_SPAN else None


def _status(told: Told, kind: ReportedKind, error_type: str) -> ReportedStatus:
    """As it was told; a failure counts that only its error's type or its tool's result tells."""
    status = _STATUS.get(told.status, ReportedStatus.UNSET)
    if status is not ReportedStatus.ERROR and kind is ReportedKind.TOOL and dialects.failed_by_result(told.attributes):
        return ReportedStatus.ERROR
    return ReportedStatus.ERROR if status is ReportedStatus.UNSET and error_type else status


def _exception_in(events: list[Event]) -> Any:
    return next((one.attributes.get("exception.type") for one in events if one.name == "exception"), None)


def _extra(told: Told) -> dict[str, Any]:
    """What stands beside a span's own attributes: who instrumented it, and the version of what ran."""
    found = {"otel.scope.name": told.scope[:120]} if told.scope else {}
    version = told.resource.get("service.version")
    return {**found, "service.version": version[:60]} if isinstance(version, str) else found
