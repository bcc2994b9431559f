"""I7 under load: sixty-four agents against one cap that all of them share. At no moment is more settled and reserved
than there is, in the end all of it was usable, and the counter they all wait for costs less than half the throughput.
"""

import threading
import time
from typing import Any

import pytest

from tests.fire.installation import Installation, credit
from tests.fire.load import Load

pytestmark = pytest.mark.mesh

CLIENTS = 64
AMOUNT_MINOR = 1_00
CAP_CALLS = 400
INVOICES = range(400_000, 400_400)
SCOPE = {"type": "process", "id": "order-to-cash"}
# Long enough to see a rate, in turns, so that both meet the same machine.
TURN_SECONDS, TURNS, SHARED_CLIENTS = 4, 3, 16
LEAST_THROUGHPUT, LEAST_USABLE = 0.5, 0.99
USED = "SELECT sum(settled), sum(reserved), sum(overrun) FROM budgets_budgetperiod WHERE budget_id = %s"


def test_a_cap_that_all_share_is_never_passed_and_all_of_it_is_usable(installation: Installation) -> None:
    installation.bill(INVOICES)
    cap = CAP_CALLS * AMOUNT_MINOR
    budget_id = set_budget(installation, measure="money", currency="EUR", cap=cap)
    seen: list[int] = []
    stop = threading.Event()
    watcher = threading.Thread(target=watch, args=(installation, budget_id, seen, stop))
    watcher.start()
    load = Load(installation.url, [installation.token("o2c-triage")], request_of("budget"), clients=CLIENTS)
    with load.running():
        end = time.monotonic() + 60
        while load.told.count(429) < CLIENTS and time.monotonic() < end:
            time.sleep(0.1)
    stop.set()
    watcher.join(10)
    settled, reserved, overrun = used(installation, budget_id)
    end_budget(installation, budget_id)

    assert load.told.count(429) >= CLIENTS
    assert (reserved, overrun) == (0, 0)
    assert max(seen) <= cap
    assert settled == load.told.count(200) * AMOUNT_MINOR
    assert settled >= LEAST_USABLE * cap


def test_one_hot_budget_leaves_half_of_the_throughput(installation: Installation, capsys: Any) -> None:
    installation.bill(INVOICES)
    token = installation.token("o2c-triage")
    done = {"without": 0, "with": 0}
    for turn in range(TURNS):
        for kind in done:
            budget_id = set_budget(installation, measure="calls", cap=10_000_000) if kind == "with" else None
            load = Load(installation.url, [token], request_of(f"hot-{kind}-{turn}"), clients=SHARED_CLIENTS)
            with load.running():
                time.sleep(TURN_SECONDS)
            done[kind] += load.told.count(200)
            if budget_id:
                end_budget(installation, budget_id)
    share = done["with"] / done["without"]
    with capsys.disabled():
        print(f"\n{done} calls; with one hot budget {share:.2f} of the throughput")

    assert share >= LEAST_THROUGHPUT


def request_of(key: str) -> Any:
    def request(number: int) -> dict[str, Any]:
        return {**credit(INVOICES[number % len(INVOICES)], "1.00"), "idempotency_key": f"{key}-{number}"}

    return request


def set_budget(installation: Installation, **more: Any) -> str:
    with installation.person("priya") as priya:
        body = {"scope": SCOPE, "environment": "production", "window": "total", **more}
        answer = priya.post("/api/v1/budgets", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


def end_budget(installation: Installation, budget_id: str) -> None:
    with installation.person("priya") as priya:
        answer = priya.post(f"/api/v1/budgets/{budget_id}/end", json={"reason": "The proof is over"})
        assert answer.status_code == 200, answer.text


def watch(installation: Installation, budget_id: str, seen: list[int], stop: threading.Event) -> None:
    """All that is used, as often as one can look."""
    with installation.database() as database:
        while not stop.is_set():
            row = database.execute(USED, [budget_id]).fetchone()
            seen.append(sum(int(part or 0) for part in row or ()))


def used(installation: Installation, budget_id: str) -> tuple[int, int, int]:
    """(settled, reserved, overrun)."""
    with installation.database() as database:
        row = database.execute(USED, [budget_id]).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])
