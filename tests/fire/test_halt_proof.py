"""I6 under load: sixteen agents at full speed on two web processes, two hundred halts of random scopes. Once a halt was
answered nothing in its scope became executing, by the database and by the clock of the ERP's ledger; with the broker
stopped too.
"""

import datetime as dt
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import pytest

from tests.fire.installation import Installation, credit
from tests.fire.load import TIMEOUT_SECONDS, Load, percentile

pytestmark = pytest.mark.mesh

HALTS = int(os.environ.get("FIRE_HALTS", "200"))
CLIENTS = 16
INVOICES = range(300_000, 300_200)
# Long enough for calls to come against it, short enough for two hundred of them.
HALT_SECONDS, PAUSE_SECONDS = 0.35, 0.1
P99_SECONDS = 0.250
WRITER, READER = "o2c-triage", "o2c-collections"
# Scope to the calls it covers, as SQL over `gateway_toolcall call`.
SCOPES: dict[tuple[str, str], str] = {
    ("agent", WRITER): "agent.slug = 'o2c-triage'",
    ("agent", READER): "agent.slug = 'o2c-collections'",
    ("tool", "erp.issue_credit_memo"): "tool.name = 'erp.issue_credit_memo'",
    ("tool", "erp.get_invoice"): "tool.name = 'erp.get_invoice'",
    ("process", "order-to-cash"): "true",
    ("connector", "erp"): "true",
    ("mesh", ""): "true",
}
EXECUTED_SINCE = """
    SELECT count(*) FROM gateway_toolcall call
    JOIN registry_agent agent ON agent.id = call.agent_id JOIN registry_tool tool ON tool.id = call.tool_id
    WHERE call.executing_at > %s AND call.executing_at < %s AND ({scope})
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """A halt as whoever placed it saw it, by the machine's clock, which the ERP and the database share."""

    scope: tuple[str, str]
    answered_at: float
    ends_at: float
    seconds: float
    broker: str


def test_nothing_in_its_scope_executes_once_a_halt_has_answered(installation: Installation, capsys: Any) -> None:
    installation.bill(INVOICES)
    load = Load(installation.url, [installation.token(WRITER), installation.token(READER)], request_of, clients=CLIENTS)
    with installation.person("omar") as person, operator_of(person) as omar, load.running():
        warm_up(load)
        placed = [*place_halts(omar, HALTS // 2, broker="up")]
        with broker_stopped(installation):
            placed += place_halts(omar, HALTS - HALTS // 2, broker="stopped")
    time.sleep(1)

    p99 = {kind: p99_of([halt for halt in placed if halt.broker == kind]) for kind in ("up", "stopped")}
    with capsys.disabled():
        print(f"\n{load.told.count(200)} done, {load.told.count(423)} halted; p99 {p99}")
    assert len(placed) == HALTS
    assert load.told.count(200) > HALTS  # the load was real, and so were the halts
    assert load.told.count(423) > HALTS
    assert [halt for halt in placed if executed_under(installation, halt)] == []
    assert posted_late(installation, placed) == []
    assert max(p99.values()) <= P99_SECONDS


def p99_of(placed: list[Placed]) -> float:
    return percentile([halt.seconds for halt in placed], 0.99)


def request_of(number: int) -> dict[str, Any]:
    """Every other one is a write: the tokens take turns in the same way."""
    invoice = INVOICES[number // 2 % len(INVOICES)]
    if number % 2 == 0:
        return {**credit(invoice, "0.01"), "idempotency_key": f"halt-proof-{number}"}
    arguments = {"invoice_id": f"INV-{invoice}"}
    return {"tool": "erp.get_invoice", "arguments": arguments, "idempotency_key": f"halt-proof-{number}"}


def warm_up(load: Load) -> None:
    end = time.monotonic() + 60
    while load.told.count(200) < 10 * CLIENTS:
        assert time.monotonic() < end, load.told.answers[-5:]
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the operator got, after how many seconds and when, by the machine's clock."""

    status: int
    text: str
    seconds: float
    at: float


Operator = Callable[[dict[str, Any]], Answer]


@contextmanager
def operator_of(person: httpx.Client) -> Iterator[Operator]:
    """Places halts from a process of its own, as people do: in this one, sixteen agents would share its interpreter and
    their turns would be measured too.
    """
    session = (str(person.base_url), tuple(person.headers.multi_items()), tuple(person.cookies.items()))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        process.submit(_get_ready, session).result(TIMEOUT_SECONDS)
        yield lambda body: process.submit(_place, session, body).result(TIMEOUT_SECONDS)


def _get_ready(session: tuple[Any, ...]) -> None:
    _client(session).get("/healthz").raise_for_status()


def _place(session: tuple[Any, ...], body: dict[str, Any]) -> Answer:
    client = _client(session)
    began = time.monotonic()
    answer = client.post("/api/v1/halts", json=body)
    return Answer(answer.status_code, answer.text, time.monotonic() - began, time.time())


@cache
def _client(session: tuple[Any, ...]) -> httpx.Client:
    url, headers, cookies = session
    return httpx.Client(
        base_url=url, headers=dict(headers), cookies=dict(cookies), timeout=TIMEOUT_SECONDS, trust_env=False
    )


def place_halts(omar: Operator, count: int, *, broker: str) -> Iterator[Placed]:
    """One after the other, each until its own end."""
    chance = random.Random(broker)
    for _ in range(count):
        scope = chance.choice(list(SCOPES))
        ends_at = time.time() + HALT_SECONDS
        body = {
            "scope": {"type": scope[0], "id": scope[1] or None},
            "environment": "production",
            "mode": "hold",
            "reason_code": "drill",
            "expires_at": dt.datetime.fromtimestamp(ends_at, dt.UTC).isoformat(),
        }
        answer = omar(body)
        assert answer.status == 201, answer.text
        time.sleep(max(0.0, ends_at - time.time()) + PAUSE_SECONDS)
        yield Placed(scope, answer.at, ends_at, answer.seconds, broker)


class broker_stopped:
    """Valkey accepts and answers nothing."""

    def __init__(self, installation: Installation) -> None:
        self._pids = installation.pids_of("valkey")
        assert self._pids

    def __enter__(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGCONT)


def executed_under(installation: Installation, halt: Placed) -> int:
    """Calls in the halt's scope that became executing between its answer and its end."""
    since, until_ = (dt.datetime.fromtimestamp(moment, dt.UTC) for moment in (halt.answered_at, halt.ends_at))
    with installation.database() as database:
        row = database.execute(EXECUTED_SINCE.format(scope=SCOPES[halt.scope]), [since, until_]).fetchone()
    return int(row[0]) if row else 0


def posted_late(installation: Installation, placed: list[Placed]) -> list[str]:
    """Postings of the ERP within a halt whose call was not executing before it was answered."""
    with installation.database() as database:
        rows = database.execute(
            "SELECT a.slug || '/' || t.name || '/' || c.idempotency_key, c.executing_at FROM gateway_toolcall c"
            " JOIN registry_agent a ON a.id = c.agent_id JOIN registry_tool t ON t.id = c.tool_id"
        ).fetchall()
    executing_at = {key: moment.timestamp() for key, moment in rows if moment}
    found = []
    for posting in installation.ledger():
        at, began = int(posting["at_ns"]) / 1e9, executing_at[posting["reference"]]
        for halt in placed:
            is_over_writes = halt.scope not in {("agent", READER), ("tool", "erp.get_invoice")}
            if is_over_writes and halt.answered_at < min(at, began) and at < halt.ends_at:
                found.append(posting["reference"])
    return found
