"""Identifiers."""

import datetime as dt
import os
import struct
import time
import uuid
from collections.abc import Iterator
from typing import Any

DRAWN_BYTES = 2048


def uuid7() -> uuid.UUID:
    """An RFC 9562 version 7 UUID: 48 bits of Unix milliseconds, 12 of the fraction below, 62 random.

    The sub-millisecond bits keep ids made by one process in the order they were made (RFC 9562 §6.2, method 3).
    """
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = _random_bits() & (1 << 62) - 1
    return uuid.UUID(int=(milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random)


def _random_bits() -> int:
    """64 bits from the system's generator, drawn for many ids at once: each time it is asked, the interpreter's lock is
    let go. No two threads draw the same: the iterator takes one step at a time.
    """
    global _drawn
    while (bits := next(_drawn, None)) is None:
        _drawn = _draw()
    return int(bits[0])


def _draw() -> Iterator[tuple[Any, ...]]:
    return struct.iter_unpack("Q", os.urandom(DRAWN_BYTES))


def _draw_anew() -> None:
    """A child has the bits of its parent, which would give both the same."""
    global _drawn
    _drawn = _draw()


_drawn = _draw()
os.register_at_fork(after_in_child=_draw_anew)


def first_id_at(moment: dt.datetime) -> uuid.UUID:
    """The least id that could have been made then: tables keyed by such ids are searched by time with it."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


def parse_uuid(text: str) -> uuid.UUID | None:
    """The UUID that `text` spells, or None."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
