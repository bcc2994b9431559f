"""What of a span is kept where: what names and counts things in the open, what was said to and by models and tools as
payload, and secrets nowhere. Everything is cut to a size, with a mark.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from apps.telemetry.attributes import OPEN_LENGTH, PAYLOAD_LENGTH, Attribute, Attributes, json_of_text
from apps.telemetry.models import Mark

MOST_ATTRIBUTES = 256
PAYLOAD_TOTAL = 256 * 1024
MOST_EVENTS = 64
_TRUNCATED = Mark.TRUNCATED.value


# So many values of payload have room in any case.
_SURELY_FITTING = PAYLOAD_TOTAL // PAYLOAD_LENGTH


def covered(span: Any, message: str, told: Sequence[Attribute], known: Attributes, extra: str) -> tuple[str, str, int]:
    """(what is in the open and payload, as JSON, "" for no payload; what had to be done) of a span with its status's
    message, its attributes as they were `told`, its events and links. `extra` are members that are in the open too.
    """
    marks = _TRUNCATED if span.dropped_attributes_count else 0
    if len(told) > MOST_ATTRIBUTES:
        told, marks = told[:MOST_ATTRIBUTES], _TRUNCATED
    shown = [one.shown for one in told if one.shown]
    if extra:
        shown.append(extra)
    hidden = [one.hidden for one in told if one.hidden]
    events, links = span.events, span.links
    if known.are_marked or message or events or links or len(hidden) > _SURELY_FITTING:
        cover = _Cover(known, marks)
        payload = cover.payload(told, events, links, message)
        marks = cover.marks
    else:
        payload = f'{{"attributes":{{{",".join(hidden)}}}}}' if hidden else ""
    return f"{{{','.join(shown)}}}", payload, marks


class _Cover:
    """Of one span: what room is left, and what had to be done."""

    __slots__ = ("_known", "marks", "room")

    def __init__(self, known: Attributes, marks: int) -> None:
        self._known = known
        self.room = PAYLOAD_TOTAL
        self.marks = marks

    def payload(self, told: Sequence[Attribute], events: Any, links: Any, message: str) -> str:
        parts = []
        hidden = [self._hidden(one) for one in told if one.hidden]
        for one in told:
            self.marks |= one.marks
        if hidden:
            parts.append(f'"attributes":{{{",".join(hidden)}}}')
        if events:
            parts.append(f'"events":[{",".join(self._events(events))}]')
        if links:
            parts.append(f'"links":[{",".join(map(_link, links[:MOST_EVENTS]))}]')
        if message:
            document, _, marks = self._known.payload(message, self._most())
            self.marks |= marks
            parts.append(f'"status_message":{document}')
        return f"{{{','.join(parts)}}}" if parts else ""

    def _hidden(self, one: Attribute) -> str:
        """Its member of payload, cut to the room that is left. What would be in the open takes room there, too."""
        most, size = self._most(), one.size or len(one.shown)
        if size <= most:
            self.room -= size
            return one.hidden or one.shown
        document, size, marks = self._known.payload(one.value, most)
        self.room -= size
        self.marks |= marks
        return f"{json_of_text(one.name[:OPEN_LENGTH])}:{document}"

    def _most(self) -> int:
        return min(PAYLOAD_LENGTH, max(self.room, 0))

    def _events(self, events: Any) -> Iterator[str]:
        """In an event nothing is in the open."""
        if len(events) > MOST_EVENTS:
            self.marks |= _TRUNCATED
        for event in events[:MOST_EVENTS]:
            told = [self._known[one] for one in event.attributes[:MOST_ATTRIBUTES]]
            for one in told:
                self.marks |= one.marks
            members = ",".join(map(self._hidden, told))
            name = json_of_text(event.name[:OPEN_LENGTH])
            yield f'{{"name":{name},"at_ns":{event.time_unix_nano},"attributes":{{{members}}}}}'


def _link(link: Any) -> str:
    return f'{{"trace_id":"{link.trace_id[:16].hex()}","span_id":"{link.span_id[:8].hex()}"}}'
