"""Bodies that cannot be read, are too much, or hold what the database or the digest cannot: a clean 4xx, no row."""

import datetime as dt
import json
import re
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.core import clock
from tests.access.scene import Scene, undone
from tests.access.table import ROWS, Row
from tests.conftest import credit
from tests.contract.database import contents
from tests.contract.problems import pointers_of, problem_of
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

JSON = "application/json"
KIB = 1024


@dataclass
class Writers:
    """Who may do each act, signed in before anything is compared."""

    scene: Scene
    clients: dict[str, APIClient]

    def send(self, act: Row, body: bytes, content_type: str = JSON) -> Any:
        client = self.clients[doer(act)]
        return client.generic(act.method, self.scene.path_of(act), body, content_type=content_type)


@pytest.fixture
def writers(world: FakeErp) -> Writers:
    scene = Scene()
    scene.halt = scene.place_halt("agent", "triage")
    for act in ACTS:
        scene.path_of(act), scene.body_of(act)
    world.reset()  # what making the scene sent
    return Writers(scene, {role: scene.client_of(role) for role in {doer(act) for act in ACTS}})


# Every act of the API that takes a body, and who may do it.
TAKE_NO_BODY = {
    "POST /api/v1/tool-calls/{call}/cancel",
    "POST /api/v1/external-approvals/{external}/cancel",
    "DELETE /api/v1/tokens/{token}",
    "DELETE /api/v1/data-class-rules/{data_class_rule}",
    "DELETE /api/v1/retention-rules/{retention_rule}",
    "DELETE /api/v1/approvals/{snoozed}/snooze",
    "DELETE /api/v1/approval-views/{saved_view}",
    "POST /api/v1/bulk-votes/{bulk}/cancel",
    "POST /api/v1/bulk-votes/{bulk}/withdraw",
    "DELETE /api/v1/approvals/{held}/votes",
    "POST /api/v1/delegations/{delegation}/end",
    "POST /api/v1/authority-limits/{limit}/end",
    "POST /api/v1/halt-rules/{rule}/retire",
    "POST /api/v1/halt-drills/{drill}/cancel",
    "POST /api/v1/halts/{lifting_halt}/hold",
    "POST /api/v1/policy-reviews/{policy_review}/withdraw",
    "POST /api/v1/policy-reviews/{policy_emergency}/ask-again",
    "POST /api/v1/policy-replays/{policy_replay}/cancel",
    "POST /api/v1/runs/{carried_run}/replays/{run_replay}/cancel",
    "POST /api/v1/runs/{done_run}/unwind",
    "POST /api/v1/tool-calls/{done_call}/compensate",
}
# Whose body may be any JSON, or anything: what is refused there has tests of its own.
TAKE_ANY_BODY = {"PUT /api/v1/runs/{run}/state", "POST /api/v1/runs/{run}/artifacts?name=new.json"}
ACTS = [
    row
    for row in ROWS
    if row.is_act
    and row.path.startswith("/api/v1/")
    and str(row) not in TAKE_NO_BODY | TAKE_ANY_BODY
    and any(answer.startswith("2") for answer in row.answers.values())
    # halts over the writer, whose calls are among these acts
    and not {"{mesh_halt}", "{mesh_budget}", "{wide_halt}", "{lifting_halt}"} & set(re.findall(r"{\w+}", row.path))
]

# Without any member: all there is, in production.
MAY_BE_EMPTY = {
    "POST /api/v1/policy-drafts/{policy_draft}/replays",
    "POST /api/v1/policy-drafts/{policy_draft}/shadows",
    "POST /api/v1/policies/{process}/versions/1/replays",
    "POST /api/v1/runs/{carried_run}/replays",
}

ACT = {str(act): act for act in ACTS}


def doer(act: Row) -> str:
    return next(role for role, answer in act.answers.items() if answer.startswith("2"))


def nested(levels: int) -> bytes:
    return b'{"arguments": ' + b"[" * levels + b"]" * levels + b"}"


UNREADABLE: list[tuple[str, bytes, str, int, str]] = [
    ("broken off", b'{"tool": ', JSON, 400, "request.invalid_json"),
    ("not UTF-8", b'{"tool": "\xff"}', JSON, 400, "request.invalid_json"),
    ("UTF-16", '{"tool": "x"}'.encode("utf-16"), JSON, 400, "request.invalid_json"),
    ("NaN", b'{"confidence": NaN}', JSON, 400, "request.invalid_json"),
    ("Infinity", b'{"confidence": -Infinity}', JSON, 400, "request.invalid_json"),
    ("a number of 5,000 digits", b'{"days": ' + b"9" * 5000 + b"}", JSON, 400, "request.invalid_json"),
    ("10,000 levels", nested(10_000), JSON, 400, "request.invalid_json"),
    ("1,000 levels", nested(1_000), JSON, 400, "request.invalid_json"),
    ("a name twice", b'{"tool": "a", "tool": "b"}', JSON, 400, "request.invalid_json"),
    ("a name twice inside", b'{"arguments": {"amount": "1.00", "amount": "2.00"}}', JSON, 400, "request.invalid_json"),
    ("two MiB", b'{"a": "' + b"x" * 2048 * KIB + b'"}', JSON, 413, "request.too_large"),
    ("plain text", b"{}", "text/plain", 415, "unsupported_media_type"),
    ("a form", b"tool=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    ("an upload", b"--x--", "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
    ("no content type", b"{}", "", 415, "unsupported_media_type"),
    ("a list", b"[]", JSON, 422, "input.invalid"),
    ("a list of what is asked", b'[{"tool": "x"}]', JSON, 422, "input.invalid"),
    ("a string", b'"tool"', JSON, 422, "input.invalid"),
    ("a number", b"1", JSON, 422, "input.invalid"),
    ("null", b"null", JSON, 422, "input.invalid"),
    ("an empty object", b"{}", JSON, 422, "input.invalid"),
    ("nothing", b"", JSON, 422, "input.invalid"),
]


@pytest.mark.parametrize(
    ("what", "body", "content_type", "status", "code"), UNREADABLE, ids=[row[0] for row in UNREADABLE]
)
def test_every_act_refuses_it_alike_and_writes_nothing(
    writers: Writers, what: str, body: bytes, content_type: str, status: int, code: str
) -> None:
    before = contents()
    asked = [act for act in ACTS if body not in (b"", b"{}") or str(act) not in MAY_BE_EMPTY]
    answers = {str(act): problem_of(writers.send(act, body, content_type)) for act in asked}

    assert answers == dict.fromkeys(answers, (status, code))
    assert contents() == before


NUL, SURROGATE = "a\0b", "a\ud800b"
CALL, RUN, VOTE = "POST /api/v1/tool-calls", "POST /api/v1/runs", "POST /api/v1/approvals/{approval}/votes"
SNOOZE, VIEW = "POST /api/v1/approvals/{approval}/snooze", "POST /api/v1/approval-views"
PICK, VOTES = "POST /api/v1/approval-selections", "POST /api/v1/approval-selections/{selection}/votes"
FOUND = "POST /api/v1/tool-calls/{unknown}/resolution"
HALT, LIFT, TOKEN = "POST /api/v1/halts", "POST /api/v1/halts/{halt}/lift", "POST /api/v1/tokens"

# (act, where, what): each string that a person or a program may write.
TEXTS: list[tuple[str, str]] = [
    (CALL, "/tool"),
    (CALL, "/idempotency_key"),
    (CALL, "/rationale"),
    (CALL, "/evidence/0/title"),
    (CALL, "/evidence/0/uri"),
    (CALL, "/on_behalf_of"),
    (CALL, "/region"),
    (CALL, "/customer_tier"),
    (CALL, "/run_id"),
    (FOUND, "/finding"),
    (FOUND, "/words"),
    (FOUND, "/reference"),
    (FOUND, "/link"),
    (FOUND, "/sha256"),
    (RUN, "/title"),
    (RUN, "/business_key"),
    (VOTE, "/verdict"),
    (VOTE, "/reason_code"),
    (VOTE, "/comment"),
    (VOTE, "/digest"),
    (SNOOZE, "/until"),
    (VIEW, "/name"),
    (VIEW, "/query"),
    (PICK, "/query"),
    (PICK, "/verdict"),
    (VOTES, "/verdict"),
    (VOTES, "/reason_code"),
    (VOTES, "/comment"),
    (HALT, "/scope/type"),
    (HALT, "/scope/id"),
    (HALT, "/environment"),
    (HALT, "/mode"),
    (HALT, "/reason_code"),
    (HALT, "/reason"),
    (HALT, "/expires_at"),
    (LIFT, "/reason"),
    (TOKEN, "/name"),
    (TOKEN, "/days"),
]
TOO_LONG = "x" * 100_000
# An id or a time that is not one is refused where it stands, whatever it is; a word that is no choice is named as such.
BAD_TEXTS = [("a null byte", NUL), ("a lone surrogate", SURROGATE), ("100,000 letters", TOO_LONG), ("a list", ["x"])]


@pytest.mark.parametrize("text", [text for _, text in BAD_TEXTS], ids=[name for name, _ in BAD_TEXTS])
def test_no_text_may_be_what_the_database_cannot_hold(writers: Writers, text: Any) -> None:
    before = contents()
    answers = {f"{name} {pointer}": _with(writers, name, pointer, text) for name, pointer in TEXTS}

    assert {where: problem_of(answer)[0] for where, answer in answers.items()} == dict.fromkeys(answers, 422)
    for where, answer in answers.items():
        assert pointers_of(answer) == {where.split()[-1]}, where
    assert contents() == before


def _with(writers: Writers, name: str, pointer: str, value: Any) -> Any:
    """Send the act with this value at the pointer."""
    body = deepcopy(writers.scene.body_of(ACT[name]))
    if "evidence" in pointer:
        body["evidence"] = [{"title": "Price list"}]
    *steps, last = [int(step) if step.isdigit() else step for step in pointer.strip("/").split("/")]
    at: Any = body
    for step in steps:
        at = at[step]
    at[last] = value
    # json.dumps spells a lone surrogate as its escape, which is how it travels
    return writers.send(ACT[name], json.dumps(body).encode())


ARGUMENTS: list[tuple[str, str, str, str]] = [
    ("2^53", '{"x": 9007199254740992}', "json.not_canonical", ""),
    ("-2^53", '{"x": [-9007199254740992]}', "json.not_canonical", ""),
    ("a number beyond a double", '{"x": 1e400}', "json.not_canonical", ""),
    ("a lone surrogate", '{"x": "\\ud800"}', "json.not_canonical", ""),
    ("a lone surrogate in a name", '{"\\ud800": 1}', "json.not_canonical", ""),
    ("a null byte", '{"x": {"y": ["a\\u0000b"]}}', "input.invalid", "/arguments"),
    ("a null byte in a name", '{"a\\u0000b": 1}', "input.invalid", "/arguments"),
    ("a list", "[1]", "input.invalid", "/arguments"),
    ("a string", '"x"', "input.invalid", "/arguments"),
    ("null", "null", "input.invalid", "/arguments"),
]


@pytest.mark.parametrize(("what", "extra", "code", "pointer"), ARGUMENTS, ids=[row[0] for row in ARGUMENTS])
def test_arguments_must_mean_the_same_on_every_machine(
    writers: Writers, erp: FakeErp, what: str, extra: str, code: str, pointer: str
) -> None:
    """To a tool whose schema would let them pass."""
    arguments = f'{{"reference": "T-1", {extra[1:]}' if extra.startswith("{") else extra
    body = f'{{"tool": "erp.open_ticket", "idempotency_key": "k-2", "arguments": {arguments}}}'
    before = contents()
    answer = writers.send(ACT[CALL], body.encode())

    assert problem_of(answer) == (422, code)
    assert pointers_of(answer) == ({pointer} if pointer else set())
    assert contents() == before
    assert erp.requests == []


def test_the_largest_exact_integer_and_deep_but_sane_arguments_pass(writers: Writers, erp: FakeErp) -> None:
    deep = "[" * 50 + "]" * 50
    # the second text is an escaped backslash and five letters, and no null character
    texts = '["é\\ud83d\\ude00", "\\\\u0000"]'
    body = (
        '{"tool": "erp.open_ticket", "idempotency_key": "k-2", '
        f'"arguments": {{"reference": "T-1", "x": 9007199254740991, "y": {deep}, "z": {texts}}}}}'
    )
    answer = writers.send(ACT[CALL], body.encode())

    assert answer.status_code == 200, answer.json()
    assert erp.requests[0]["body"]["x"] == 2**53 - 1
    assert erp.requests[0]["body"]["z"] == ["é😀", "\\u0000"]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")], ids=["lists", "objects"])
def test_at_every_depth_there_is_an_answer(writers: Writers, opening: str, closing: str) -> None:
    """What one part still reads, the next may not: somewhere between them no request may fall."""
    answers = {}
    for levels in range(50, 1_000, 50):
        deep = opening * levels + "1" + closing * levels
        body = f'{{"tool": "erp.open_ticket", "idempotency_key": "k", "arguments": {{"reference": "T", "x": {deep}}}}}'
        answers[levels] = undone(lambda body=body: writers.send(ACT[CALL], body.encode())).status_code  # type: ignore[misc]

    assert answers[50] == 200
    assert {levels: status for levels, status in answers.items() if status not in (200, 400, 422)} == {}


def test_a_time_without_its_zone_is_no_time(writers: Writers) -> None:
    """RFC 3339 needs the offset: guessed, a halt could end hours before the person meant it to."""
    before = contents()
    in_an_hour = (clock.now() + dt.timedelta(hours=1)).replace(tzinfo=None).isoformat()
    answer = _with(writers, HALT, "/expires_at", in_an_hour)

    assert problem_of(answer) == (422, "input.invalid")
    assert pointers_of(answer) == {"/expires_at"}
    assert contents() == before


@pytest.mark.parametrize("path", ["/halts/", "/accounts/login/", "/nowhere/"])
def test_a_page_refuses_a_large_form_with_a_page(writers: Writers, path: str) -> None:
    before = contents()
    form = b"reason=" + b"x" * 2048 * KIB
    answer = writers.clients["omar"].generic("POST", path, form, content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 413
    assert "request.too_large" in answer.content.decode()
    assert contents() == before


def test_one_long_argument_does_not_make_everyones_list_unreadable(writers: Writers) -> None:
    """The card may show all of it; a row of a list says what a sentence can."""
    long = {**credit("1280.00"), "customer_id": "x" * 900 * KIB}
    assert writers.scene.writer.call(key="long", arguments=long).status_code == 202
    listed = writers.clients["dana"].get("/api/v1/approvals").json()["items"]
    page = writers.clients["dana"].get("/inbox/")

    assert len(listed) == 4
    assert max(len(item["sentence"]) for item in listed) < 500
    assert len(page.content) < 200 * KIB


def test_evidence_has_an_end(writers: Writers) -> None:
    before = contents()
    answer = writers.scene.writer.call("1280.00", key="many", evidence=[{"title": "Price list"}] * 5_000)

    assert problem_of(answer) == (422, "input.invalid")
    assert pointers_of(answer) == {"/evidence"}
    assert contents() == before
