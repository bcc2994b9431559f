"""The queue as a file: all rows of the filter, nothing a spreadsheet would run, and a last line to prove the rest."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.approvals import export as approvals_export
from apps.approvals.export import COLUMNS
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.export import written
from apps.vault.models import Payload
from tests.approvals.asking import ask, ask_many, vote
from tests.conftest import Robot, actor
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
SignIn = Callable[[str], Client]


def file_of(client: Client, format: str = "csv", query: str = "") -> bytes:
    answer: Any = client.get(f"/inbox/export.{format}?{query}")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def csv_rows(content: bytes) -> list[list[str]]:
    """Without the columns and the trailer."""
    return list(csv.reader(io.StringIO(content.decode(), newline="")))[1:-1]


def json_rows(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().split("\n")[:-2]]


def test_a_row_says_what_the_page_says(world: FakeErp, sign_in: SignIn) -> None:
    plain, free = ask("1280.00", sentence="Credit €1,280.00 to C-204"), ask(None, risk="low")
    vote("dana", free)
    content = file_of(sign_in("dana"), query="view=all&sort=oldest")
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in csv_rows(content)]

    assert content.decode().split("\r\n")[0] == ",".join(COLUMNS)
    assert [row["id"] for row in rows] == [str(plain.id), str(free.id)]
    first, second = rows
    assert first["sentence"] == "Credit €1,280.00 to C-204"
    assert first["url"].endswith(f"/inbox/{plain.id}/")
    told = ("money_minor", "money", "currency", "votes", "state", "resolved_at", "risk", "agent", "process", "policy")
    assert [first[name] for name in told] == [
        "128000", "€1,280.00", "EUR", "0/1", "pending", "", "medium", "writer", "order-to-cash", "credit-finance@1",
    ]  # fmt: skip
    assert [second[name] for name in told[:5]] == ["", "", "", "1/1", "approved"]
    assert second["resolved_at"].endswith("Z")


def test_both_formats_hold_the_same_rows(world: FakeErp, sign_in: SignIn) -> None:
    ask_many(3), ask(None)
    dana = sign_in("dana")
    from_csv, from_json = csv_rows(file_of(dana)), json_rows(file_of(dana, "jsonl"))

    assert [list(row) for row in from_json] == [list(COLUMNS)] * 4
    assert from_csv == [["" if cell is None else str(cell) for cell in row.values()] for row in from_json]
    assert sorted(filter(None, (row["money_minor"] for row in from_json))) == [100, 200, 300]


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_the_trailer_tells_the_filter_the_rows_the_time_and_the_hash(
    world: FakeErp, sign_in: SignIn, format: str
) -> None:
    ask_many(3)
    content = file_of(sign_in("dana"), format, "view=team&risk=medium")
    lines = content.splitlines(keepends=True)
    digest = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    last = lines[-1].decode()

    if format == "jsonl":
        end = json.loads(last)["end"]
        assert (end["filter"], end["rows"], end["sha256"]) == ("view=team&risk=medium", 3, digest)
        assert end["at"].endswith("Z")
    else:
        [cells] = csv.reader([last])
        assert cells[:3] == ["# end", "filter: view=team&risk=medium", "rows: 3"]
        assert cells[4] == f"sha256: {digest}"
    assert content.count(b"sha256") == 1


def test_an_empty_list_is_a_whole_file_too(world: FakeErp, sign_in: SignIn) -> None:
    assert csv_rows(file_of(sign_in("otto"))) == []
    assert json.loads(file_of(sign_in("otto"), "jsonl"))["end"]["rows"] == 0


EVIL = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://example.com","x")']


def test_no_cell_is_a_formula(world: FakeErp, sign_in: SignIn) -> None:
    """A sentence is made of what an agent wrote."""
    for sentence in EVIL:
        ask("-5.00", sentence=sentence, policy_ref="=cmd|' /C calc'!A0")
    dana = sign_in("dana")
    rows = csv_rows(file_of(dana))

    sentences = [row[COLUMNS.index("sentence")] for row in rows]
    assert sorted(sentences) == sorted(f"'{sentence}" for sentence in EVIL)
    cells = [cell for row in rows for cell in row]
    assert {cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))} == {"-500"}
    assert {row["sentence"] for row in json_rows(file_of(dana, "jsonl"))} == set(EVIL)


def test_a_name_with_every_awkward_letter_comes_back_whole(world: FakeErp, sign_in: SignIn) -> None:
    awkward = 'a "b", c\r\nd;é😀\u2028'
    ask(sentence=awkward)
    dana = sign_in("dana")

    assert csv_rows(file_of(dana))[0][COLUMNS.index("sentence")] == awkward
    assert json_rows(file_of(dana, "jsonl"))[0]["sentence"] == awkward


def test_it_is_read_in_pieces_and_never_whole(world: FakeErp, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals_export, "CHUNK_ROWS", 3)
    dana = sign_in("dana")
    ask_many(10)
    with CaptureQueriesContext(connection) as captured:
        content = file_of(dana)

    assert len({row[0] for row in csv_rows(content)}) == 10
    looked_up = [query["sql"] for query in captured.captured_queries if "vault_payload" in query["sql"]]
    assert len(looked_up) == 4


def test_pieces_are_sent_while_rows_are_still_read() -> None:
    read: list[int] = []

    def rows() -> Iterator[tuple[str]]:
        for number in range(10_000):
            read.append(number)
            yield ("x" * 100,)

    pieces = written("csv", ["text"], rows(), asked="")
    next(pieces)

    assert len(read) < 1_000
    assert sum(map(len, pieces)) > 900_000


def test_a_file_that_was_cut_off_has_no_trailer() -> None:
    def rows() -> Iterator[tuple[int]]:
        yield (1,)
        raise ConnectionError

    pieces = written("jsonl", ["number"], rows(), asked="")
    with pytest.raises(ConnectionError):
        list(pieces)


def test_a_file_holds_nothing_its_reader_may_not_see(world: FakeErp, sign_in: SignIn) -> None:
    ask("1280.00", sentence="Seen by insiders")

    assert b"Seen by insiders" not in file_of(sign_in("otto"), query="view=all")
    assert b"Seen by insiders" in file_of(sign_in("chen"), query="view=all")


def test_an_erased_card_reads_as_such(world: FakeErp, sign_in: SignIn) -> None:
    approval = ask()
    Payload.objects.filter(id=approval.card_id).update(body=None, erased_at=clock.now())

    assert csv_rows(file_of(sign_in("dana")))[0][COLUMNS.index("sentence")] == "The content of this request was erased"


def test_that_it_was_taken_is_in_the_log(world: FakeErp, sign_in: SignIn) -> None:
    file_of(sign_in("dana"), query="view=all&risk=high")
    [entry] = AuditEntry.objects.filter(code="approvals.exported")

    assert entry.actor_key == actor("dana").key
    assert (entry.data["filter"], entry.data["format"]) == ("view=all&risk=high", "csv")


def test_what_the_page_would_ignore_is_refused_here(world: FakeErp, sign_in: SignIn) -> None:
    """A file must not hold more than was asked for."""
    dana = sign_in("dana")

    assert dana.get("/inbox/export.csv?risk=extreme").status_code == 422
    assert dana.get("/inbox/export.csv?amount_mn=1").status_code == 422
    assert dana.get("/inbox/export.csv?q=%00").status_code == 400
    assert dana.get("/inbox/export.xlsx").status_code == 404
    assert dana.post("/inbox/export.csv").status_code == 405
    assert file_of(dana, query="view=team&after=abc&version=7")
    assert not AuditEntry.objects.filter(code="approvals.exported").exclude(data__format="csv").exists()


def test_a_stranger_gets_no_file(world: FakeErp, writer: Robot) -> None:
    assert Client().get("/inbox/export.csv").status_code == 302
    assert writer.api().get("/inbox/export.csv").status_code == 302


def test_the_browser_keeps_it_under_a_name_and_nobody_else_keeps_it(world: FakeErp, sign_in: SignIn) -> None:
    answer = sign_in("dana").get("/inbox/export.jsonl?view=team")

    assert answer["Content-Disposition"] == 'attachment; filename="approvals-team.jsonl"'
    assert answer["Content-Type"] == "application/jsonl; charset=utf-8"
    assert answer["Cache-Control"] == "private, no-store"
