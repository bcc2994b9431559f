"""I3 with real processes: a worker killed between claim and result, 20 times, loses nothing and doubles nothing."""

import os
import random
import signal
import time

import pytest

from tests.journeys.test_approve_and_halt import credit
from tests.live import LiveConsole, until

pytestmark = pytest.mark.mesh

KILLS = 20
CALLS_A_KILL = 3
FIRST_INVOICE = 5000
# Every tenth time the whole worker goes, else the processes in it that carry out tasks: those are back at once.
EVERY = 10


def test_twenty_kills_lose_nothing_and_double_nothing(live: LiveConsole) -> None:
    """The ERP takes 200 ms for a posting, so that most kills hit a call that is under way; its ledger is the judge."""
    numbers = list(range(FIRST_INVOICE, FIRST_INVOICE + KILLS * CALLS_A_KILL))
    live.bill(*numbers)
    with live.erp() as erp:
        erp.put("/faults", json={"rules": {"POST /credit-memos": {"latency_ms": 200}}}).raise_for_status()
    moments = random.Random(42)
    calls = []
    with live.agent("o2c-triage") as agent, live.person("dana") as dana:
        for kill in range(KILLS):
            for number in numbers[kill * CALLS_A_KILL : (kill + 1) * CALLS_A_KILL]:
                call = agent.post("/api/v1/tool-calls", json=credit(number, "700.00")).json()
                approval = dana.get(f"/api/v1/approvals/{call['approval']['id']}").json()
                vote = {"verdict": "approve", "digest": approval["digest"]}
                assert dana.post(f"/api/v1/approvals/{approval['id']}/votes", json=vote).status_code == 201
                calls.append(call["id"])
            until(lambda: any(_state(agent, call) != "awaiting_approval" for call in calls[-CALLS_A_KILL:]), "a claim")
            time.sleep(moments.uniform(0, 0.4))
            _kill_worker(live, whole=kill % EVERY == 0)
        states = until(lambda: _all_ended(agent, calls), "every call has ended", seconds=120)

    with live.erp() as erp:
        erp.put("/faults", json={"rules": {}})
    posted = [entry["invoice_id"] for entry in live.ledger() if entry["invoice_id"] in {f"INV-{n}" for n in numbers}]
    assert set(states) == {"succeeded"}
    assert sorted(posted) == [f"INV-{number}" for number in numbers]


def _kill_worker(live: LiveConsole, *, whole: bool) -> None:
    if whole:
        live.kill("worker")
        live.start_worker()
        return
    for child in live.children_of("worker"):
        os.kill(child, signal.SIGKILL)


def _state(agent: object, call_id: str) -> str:
    return str(agent.get(f"/api/v1/tool-calls/{call_id}").json()["state"])  # type: ignore[attr-defined]


def _all_ended(agent: object, calls: list[str]) -> list[str]:
    states = [_state(agent, call) for call in calls]
    return [] if {"awaiting_approval", "queued", "executing"} & set(states) else states
