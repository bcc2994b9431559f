"""What each page and operation asks of the database: against `baseline.json`, and the same for many rows as for few.

A number went up on purpose? RENEW_QUERY_BASELINE=1 writes the file anew; the review of its diff is the point of it.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator
from copy import copy, deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.halts.services import placing
from apps.registry.models import Process
from tests.access.scene import Scene, send, undone
from tests.access.table import ROLES, ROWS, Row
from tests.conftest import credit
from tests.fakes.erp import FakeErp
from tests.queries.crowd import Crowd

pytestmark = pytest.mark.django_db

BASELINE = Path(__file__).with_name("baseline.json")
RENEW = "RENEW_QUERY_BASELINE"
FEW, MANY = 5, 25
# Their number is not a matter of rows, and the tests need no worker.
NOT_MEASURED = {"/healthz", "/readyz", "/api/schema/"}
# Pages and operations that answer in more than one way: (method, path, role, body, headers).
MORE: list[tuple[str, str, str, dict[str, Any], dict[str, str]]] = [
    ("GET", "/inbox/?view=team", "dana", {}, {}),
    ("GET", "/inbox/?view=decided", "dana", {}, {}),
    ("GET", "/inbox/?view=all", "dana", {}, {}),
    ("GET", "/inbox/?view=mine", "dana", {}, {"HX-Request": "true"}),
    ("GET", "/runs/?state=open", "omar", {}, {}),
    ("GET", "/runs/?q=Dispute", "omar", {}, {}),
    ("GET", "/audit/?code=tool_call.decided", "chen", {}, {}),
    ("GET", "/api/v1/approvals?view=decided", "dana", {}, {}),
    ("GET", "/api/v1/approvals?view=all", "dana", {}, {}),
    ("GET", "/api/v1/halts?in_force=true", "omar", {}, {}),
    ("GET", "/api/v1/tool-calls", "omar", {}, {}),
]
CALLS: dict[str, dict[str, Any]] = {
    "allowed": {"arguments": credit("180.00")},
    "denied": {"arguments": credit("1.00", "USD")},
    "dry run": {"arguments": credit("180.00"), "dry_run": True},
    "replayed": {"arguments": credit("1280.00"), "idempotency_key": "waiting-0"},
    "halted": {"tool": "erp.write_off", "arguments": credit("180.00")},
    "outside its schema": {"arguments": {}},
}
Ask = Callable[[], Any]


def statements_of(ask: Ask) -> int:
    """How many statements it takes, savepoints aside: in production those are transactions, or not there at all."""
    with CaptureQueriesContext(connection) as captured:
        undone(ask)
    return sum("SAVEPOINT" not in query["sql"][:25] for query in captured.captured_queries)


def measure(scene: Scene, *, only: Collection[str] | None = None) -> dict[str, int]:
    """The number of every answer, or of some; what each needed beyond the crowd is taken back before the next."""
    return {
        name: undone(lambda made=made: statements_of(made(copy(scene))))  # type: ignore[misc]
        for name, made in _answers()
        if only is None or name in only
    }


def _answers() -> Iterator[tuple[str, Callable[[Scene], Ask]]]:
    for row in ROWS:
        if row.path not in NOT_MEASURED:
            yield f"{row} as {_who_may(row)}", partial(_ask_row, row=row)
    for method, path, role, body, headers in MORE:
        part = " (part)" if headers else ""
        yield f"{method} {path} as {role}{part}", partial(_ask, ask=(method, path, body), role=role, headers=headers)
    for name, change in CALLS.items():
        body = {"tool": "erp.issue_credit_memo", "idempotency_key": "measured", **change}
        yield f"POST /api/v1/tool-calls {name}", partial(_ask, ask=("POST", "/api/v1/tool-calls", body), role="writer")


def _who_may(row: Row) -> str:
    """The first role for whom it does what it is for, else the first person who is refused."""
    done = [role for role in ROLES if row.answers[role][0] == "2"]
    moved = [role for role in ROLES if row.answers[role] in ("302", "303")]
    return [*done, *moved, "dana"][0]


def _ask_row(scene: Scene, *, row: Row) -> Ask:
    return _ask(
        scene,
        ask=(row.method, scene.path_of(row), scene.body_of(row)),
        role=_who_may(row),
        headers=None if not row.is_act else scene.headers_of(row),
    )


def _ask(
    scene: Scene, *, ask: tuple[str, str, dict[str, Any]], role: str, headers: dict[str, str] | None = None
) -> Ask:
    client = scene.client_of(role)
    given = {name.upper().replace("-", "_"): value for name, value in (headers or {}).items()}
    client.defaults |= {f"HTTP_{name.removeprefix('HTTP_')}": value for name, value in given.items()}
    cookies = deepcopy(client.cookies)

    def asked() -> Any:
        client.cookies = deepcopy(cookies)  # an answer may have signed us in or out
        return send(client, *ask)

    return asked


@pytest.fixture(scope="module")
def measured(
    django_db_setup: None, django_db_blocker: Any, world_file: Path, erp_server: FakeErp
) -> Iterator[dict[int, dict[str, int]]]:
    """The numbers with few rows and with many, in one transaction for the module: the crowd is dear to make."""
    erp_server.reset()
    # a halt looks once more where its first look finds no call, which would depend on how slow the machine is
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), transaction.atomic():
        patch.setattr(placing, "RECENTLY", placing.LOOKED_BACK)
        if not Process.objects.exists():
            call_command("bootstrap", "--file", str(world_file), stdout=open(os.devnull, "w"))  # noqa: SIM115
        crowd = Crowd()
        crowd.grow_to(FEW)
        measure(crowd.scene)  # fills what the process remembers
        few = measure(crowd.scene)
        crowd.grow_to(MANY)
        many = measure(crowd.scene)
        # what is remembered only saves queries: who asked for no more without it is not asked twice
        many |= measure(crowd.scene, only={name for name, count in many.items() if count > few.get(name, 0)})
        transaction.set_rollback(True)
    yield {FEW: few, MANY: many}


def test_no_answer_asks_the_database_more_often_than_its_baseline(measured: dict[int, dict[str, int]]) -> None:
    now = measured[MANY]
    if os.environ.get(RENEW):
        BASELINE.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    baseline: dict[str, int] = json.loads(BASELINE.read_text(encoding="utf-8"))
    grown = {name: f"{baseline[name]} -> {count}" for name, count in now.items() if count > baseline.get(name, count)}

    assert grown == {}, f"More queries than the baseline. When that is meant: {RENEW}=1, and commit the file."
    assert now.keys() == baseline.keys(), f"Answers came or went. {RENEW}=1 writes the file anew."


def test_the_number_of_queries_does_not_grow_with_the_rows(measured: dict[int, dict[str, int]]) -> None:
    few, many = measured[FEW], measured[MANY]

    assert {name: f"{few[name]} -> {many[name]}" for name in few if many[name] > few[name]} == {}
