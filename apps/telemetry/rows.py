"""From what was told to what is stored: one row for each span. Pure."""

import datetime as dt
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID

from apps.telemetry import copying, dialects
from apps.telemetry.attributes import Attribute, Attributes, json_of_text
from apps.telemetry.covering import covered
from apps.telemetry.models import Mark, ReportedKind, ReportedStatus
from apps.telemetry.otlp import value_of

TRACE_BYTES, SPAN_BYTES = 16, 8
_NO_TRACE, _NO_SPAN = bytes(TRACE_BYTES), bytes(SPAN_BYTES)
MAX_NS = 2**63 - 1
# A clock that is this far ahead of ours is wrong, and not just another clock.
AHEAD_NS = 60 * 10**9
_STATUS = {1: ReportedStatus.OK, 2: ReportedStatus.ERROR}
_STATUS_CELLS = {status: copying.text(status.value) for status in ReportedStatus}
_KIND_CELLS = {kind: copying.text(kind.value) for kind in ReportedKind}

# What a span may say for a column, and what is there when it does not.
_SAYABLE = tuple(dialects.COLUMNS)
_UNSAID = [copying.NULL if column in dialects.TOKEN_COLUMNS else copying.EMPTY for column in _SAYABLE]
_ERROR_TYPE, _TOOL_NAME = _SAYABLE.index("error_type"), _SAYABLE.index("tool_name")
# The columns of `ReportedSpan` in the order that they are copied in.
COLUMNS = (
    *("trace", "span_id", "parent_span_id", "started_ns", "ended_ns", "marks", "agent_id", "received_at", "service"),
    *("kind", "status", "name", *_SAYABLE, "attributes", "payload"),
)
# started_ns, ended_ns and marks, each after its length
_NUMBERS = Struct(">iqiqih")


class Row(NamedTuple):
    """`cells` are all columns but the first: the trace's key is known when the traces of the request are."""

    trace_id: bytes
    span_id: bytes
    is_tool: bool
    cells: bytes


class Unusable(Exception):
    """A span that cannot be kept; says why, for the partial success."""


class Shape(NamedTuple):
    """What the names of a span's attributes say, in their order and whatever the values: for which column (its place
    in `_SAYABLE`) which attribute counts, and which may say what kind of step it is, the best first.
    """

    columns: list[tuple[int, int]]
    kinds: list[int]
    error_type: int | None
    tool_name: int | None
    has_doubles: bool


class Shapes(dict[tuple[str, ...], Shape]):
    """Those of one request; programs make few."""

    def __missing__(self, names: tuple[str, ...]) -> Shape:
        best: dict[str, tuple[int, int]] = {}
        for at, name in enumerate(names):
            column, rank = dialects.PLACES.get(name, ("", 0))
            if column and (column not in best or rank < best[column][0]):
                best[column] = rank, at
        counts = {column: at for column, (_, at) in best.items()}
        shape = self[names] = Shape(
            columns=[(_SAYABLE.index(column), at) for column, at in counts.items()],
            kinds=[names.index(name) for name in dialects.SAID_BY if name in names],
            error_type=counts.get("error_type"),
            tool_name=counts.get("tool_name"),
            has_doubles=len(set(names)) < len(names),
        )
        return shape


class Request(NamedTuple):
    """What all spans of a request have in common: who told them and when; their attributes and shapes."""

    cells: bytes
    received_ns: int
    attributes: Attributes
    shapes: Shapes

    @classmethod
    def of(cls, agent_id: UUID, received_at: dt.datetime, attributes: Attributes) -> "Request":
        cells = copying.uuid(agent_id.bytes) + copying.moment(received_at)
        return cls(cells, int(received_at.timestamp() * 10**9), attributes, Shapes())


class Source(NamedTuple):
    """What the spans of one resource and scope have in common: their service as a cell, and what stands beside each
    span's own attributes: who instrumented it, and the version of what ran.
    """

    service: bytes
    extra: str

    @classmethod
    def of(cls, resource: Any, scope: Any) -> "Source":
        told = {pair.key: value_of(pair.value) for pair in resource.attributes}
        found = {"otel.scope.name": scope.name[:120], "service.version": told.get("service.version")}
        members = [
            f"{json_of_text(name)}:{json_of_text(value[:120])}"
            for name, value in found.items()
            if isinstance(value, str) and value
        ]
        return cls(copying.text(told.get("service.name"), 120), ",".join(members))


def row_of(span: Any, attributes: list[bytes], source: Source, request: Request) -> Row:
    """The row of one span of a request, with its attributes as bytes. Raises Unusable."""
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    if len(trace_id) != TRACE_BYTES or trace_id == _NO_TRACE or len(span_id) != SPAN_BYTES or span_id == _NO_SPAN:
        raise Unusable("a trace id is 16 bytes and a span id 8, not all of them zero")
    started, ended, marks = _times(span, request.received_ns)
    if parent_id == span_id:
        parent_id, marks = b"", marks | Mark.OWN_PARENT.value
    known, status = request.attributes, span.status
    told = [known[one] for one in attributes]
    shape = request.shapes[tuple([one.name for one in told])]
    if shape.has_doubles:
        told = list({one.name: one for one in told}.values())
        shape = request.shapes[tuple([one.name for one in told])]
    kind, outcome, said = _meaning(span, status.code, told, shape, known)
    shown, payload, more_marks = covered(span, status.message, told, known, source.extra)
    cells = (
        copying.bigint(span_id),
        copying.bigint(parent_id) if len(parent_id) == SPAN_BYTES and parent_id != _NO_SPAN else copying.NULL,
        _NUMBERS.pack(8, started, 8, ended, 2, marks | more_marks),
        request.cells,
        source.service,
        _KIND_CELLS[kind],
        _STATUS_CELLS[outcome],
        _name_cell(span.name),
        *said,
        *copying.ascii(shown),
        *copying.ascii(payload),
    )
    return Row(trace_id, span_id, kind is ReportedKind.TOOL, b"".join(cells))


def _times(span: Any, received_ns: int) -> tuple[int, int, int]:
    """(start, end, mark of a clock that was ahead). A span without times was now; one that ends before it began has no
    length.
    """
    started, ended = span.start_time_unix_nano, span.end_time_unix_nano
    if started > MAX_NS or ended > MAX_NS:
        raise Unusable("a time is later than this can hold")
    started = started or ended or received_ns
    ended = max(ended, started)
    return started, ended, Mark.CLOCK_AHEAD.value if ended > received_ns + AHEAD_NS else 0


def _meaning(
    span: Any, code: int, told: list[Attribute], shape: Shape, known: Attributes
) -> tuple[ReportedKind, ReportedStatus, list[bytes]]:
    """What kind of step it was, how it ended, and the cells of what may be said."""
    cells = _UNSAID.copy()
    for column, at in shape.columns:
        cells[column] = told[at].cell
    kind, status = _kind_said(told, shape), _STATUS.get(code, ReportedStatus.UNSET)
    if kind not in dialects.CERTAIN:
        attributes = {one.name: one.value for one in told}
        kind = dialects.kind_of(kind, attributes, is_root=not span.parent_span_id)
        if kind is ReportedKind.TOOL:
            named = None if shape.tool_name is None else told[shape.tool_name].value
            cells[_TOOL_NAME] = copying.text(dialects.tool_name(named, attributes, span.name), 120)
            # a failure counts that only the tool's result tells
            status = ReportedStatus.ERROR if dialects.failed_by_result(attributes) else status
    error = None if shape.error_type is None else told[shape.error_type].value
    error = error or _exception_in(span.events, known)
    if error:
        cells[_ERROR_TYPE] = copying.text(str(error), 120)
        status = ReportedStatus.ERROR if status is ReportedStatus.UNSET else status
    return kind, status, cells


def _kind_said(told: list[Attribute], shape: Shape) -> ReportedKind | None:
    for at in shape.kinds:
        if (kind := told[at].kind) is not None:
            return kind
    return None


def _exception_in(events: Any, known: Attributes) -> Any:
    """The type of the first exception that is told as an event."""
    for event in events:
        if event.name == "exception":
            told = [known[one] for one in event.attributes]
            return next((one.value for one in told if one.name == "exception.type"), None)
    return None


@lru_cache(maxsize=1024)
def _name_cell(name: str) -> bytes:
    """Programs give their steps few names."""
    return copying.text(name, 200)
