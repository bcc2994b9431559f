"""Cells and rows in the form that PostgreSQL's binary COPY reads: a length of four bytes, then the value, big-endian.

Written here by hand, because what many rows have in common is then written once: an adapter for each value of each row
took as long as all else that is done to a span. Source: https://www.postgresql.org/docs/current/sql-copy.html
"""

import datetime as dt
from collections.abc import Iterable
from struct import Struct
from typing import Any

_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
NULL, EMPTY = b"\xff\xff\xff\xff", bytes(4)
_LENGTH = Struct(">i")
_NUMBER = Struct(">iq")
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def text(value: Any, most: int | None = None) -> bytes:
    """The cell of a text, of its first `most` characters, without what PostgreSQL cannot hold; empty for what is no
    text.
    """
    if not isinstance(value, str):
        return EMPTY
    encoded = value[:most].encode().replace(b"\x00", b"")
    return _LENGTH.pack(len(encoded)) + encoded


def ascii(value: str) -> tuple[bytes, bytes]:
    """The cell of a text that is ASCII without NUL, as JSON is, in two pieces: such texts are long."""
    return _LENGTH.pack(len(value)), value.encode("ascii")


def number(value: int | None) -> bytes:
    """The cell of a bigint."""
    return NULL if value is None else _NUMBER.pack(8, value)


def bigint(value: bytes) -> bytes:
    """The cell of a bigint that is eight bytes already."""
    return b"\0\0\0\x08" + value


def uuid(value: bytes) -> bytes:
    return b"\0\0\0\x10" + value


def moment(value: dt.datetime) -> bytes:
    """The cell of a timestamp with time zone."""
    return _NUMBER.pack(8, (value - _EPOCH) // _MICROSECOND)


def rows(told: Iterable[Iterable[bytes]], *, cell_count: int) -> bytes:
    """All that is sent. A row may come in pieces of more than one cell each, as long as it has so many in all."""
    begin = cell_count.to_bytes(2, "big")
    return b"".join((_BEGIN, *(piece for row in told for piece in (begin, *row)), _END))
