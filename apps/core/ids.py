"""Identifiers."""

import datetime as dt
import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """An RFC 9562 version 7 UUID: 48 bits of Unix milliseconds, 12 of the fraction below, 62 random.

    The sub-millisecond bits keep ids made by one process in the order they were made (RFC 9562 §6.2, method 3).
    """
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") & (1 << 62) - 1
    return uuid.UUID(int=(milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random)


def first_id_at(moment: dt.datetime) -> uuid.UUID:
    """The least id that could have been made then: tables keyed by such ids are searched by time with it."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


def parse_uuid(text: str) -> uuid.UUID | None:
    """The UUID that `text` spells, or None."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
