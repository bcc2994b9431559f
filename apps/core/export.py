"""Lists as files, written while they are read: nothing is ever whole in memory, and the last line proves the rest.

The trailer holds what was asked for, how many rows came, when, and the SHA-256 of every byte before it. A file without
one was cut off.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

from apps.core import clock

Format = Literal["csv", "jsonl"]
Row = Sequence[Any]

FORMATS: dict[str, Format] = {"csv": "csv", "jsonl": "jsonl"}
CONTENT_TYPES: dict[Format, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
# A write to the network for each row would cost more than making it.
CHUNK_BYTES = 64 * 1024
# With these a spreadsheet begins a formula, and runs it. https://owasp.org/www-community/attacks/CSV_Injection
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def written(format: Format, columns: Sequence[str], rows: Iterable[Row], *, asked: str) -> Iterator[bytes]:
    """The file in pieces: columns, rows and trailer. `asked` says what the rows are the answer to."""
    writer = _csv_lines if format == "csv" else _json_lines
    digest = hashlib.sha256()
    count = 0
    waiting: list[bytes] = []
    size = 0
    for line in writer(columns, rows):
        digest.update(line)
        waiting.append(line)
        size += len(line)
        count += 1
        if size >= CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    trailer = {
        "filter": asked,
        "rows": count - (format == "csv"),  # its first line names the columns
        "at": clock.rfc3339(clock.now()),
        "sha256": digest.hexdigest(),
    }
    yield b"".join([*waiting, _TRAILERS[format](trailer)])


def safe_cell(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula; a number stays one."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


class _Line:
    """What csv writes to: keeps the line just written."""

    text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)


def _csv_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    line = _Line()
    writer = csv.writer(line)
    for row in chain([columns], rows):
        writer.writerow([safe_cell(cell) for cell in row])
        yield line.text.encode()


def _json_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    for row in rows:
        yield _json(dict(zip(columns, row, strict=True)))


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _csv_trailer(trailer: Mapping[str, Any]) -> bytes:
    line = _Line()
    csv.writer(line).writerow(["# end", *(f"{name}: {value}" for name, value in trailer.items())])
    return line.text.encode()


_TRAILERS: dict[Format, Callable[[Mapping[str, Any]], bytes]] = {
    "csv": _csv_trailer,
    "jsonl": lambda trailer: _json({"end": trailer}),
}
