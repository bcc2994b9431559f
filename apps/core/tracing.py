"""W3C trace context: which trace a request belongs to, and which of its spans made it."""

import re
from typing import NamedTuple
from uuid import UUID

# https://www.w3.org/TR/trace-context/#traceparent-header: later versions may add to the end of it.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


class TraceContext(NamedTuple):
    """The trace's sixteen bytes as PostgreSQL's uuid holds them, the span's eight as its bigint does."""

    trace_id: UUID
    span_id: int


def read_traceparent(header: str | None) -> TraceContext | None:
    """What the header says. None where there is none or it is none: a broken one is no reason to refuse anything."""
    found = _TRACEPARENT.fullmatch(header.strip()) if header else None
    if found is None or (found[1] == "00" and found[4]):
        return None
    return TraceContext(UUID(found[2]), number_of_span(bytes.fromhex(found[3])))


def number_of_span(span_id: bytes) -> int:
    """Eight bytes as PostgreSQL's bigint holds them."""
    return int.from_bytes(span_id, "big", signed=True)


def hex_of_span(number: int) -> str:
    """The other way round, as people and headers write it."""
    return (number & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "big").hex()
