"""I1–I3, I7 and I8 under fire: every part of the console is killed at random under a thousand calls, while the business
system answers late, wrongly, or not at all. Afterwards its own ledger is the judge.
"""

import os
import random
import time
from collections import Counter
from typing import Any

import pytest

from tests.fire.agents import OPEN, Agents
from tests.fire.installation import PARTS, Installation, credit
from tests.live import until

pytestmark = pytest.mark.mesh

CALLS = int(os.environ.get("FIRE_CALLS", "1000"))
CLIENTS = 8
FIRST_INVOICE = 100_000
AMOUNT_MINOR = 20_00
# Each a part of what a system may do to us; the patience of the console is five seconds.
FAULTS = {
    "POST /credit-memos": {
        "latency_ms": 20,
        "error_500_before": 0.03,
        "error_500_after": 0.03,
        "timeout_after": 0.005,
        "hold_seconds": 6,
        "lost_answer": 0.04,
        "garbage": 0.02,
    },
    "GET /credit-memos": {"error_500_before": 0.05, "lost_answer": 0.05},
}
# Long enough for what was killed to be back and work for a moment, mostly.
SECONDS_BETWEEN_KILLS = (2.0, 5.0)
ROUNDS = 3
RECOVERY_SECONDS = 150


def test_whatever_is_killed_nothing_is_lost_or_done_twice(installation: Installation, capsys: Any) -> None:
    numbers = range(FIRST_INVOICE, FIRST_INVOICE + CALLS)
    installation.bill(numbers)
    budget_id = set_budget(installation)
    installation.faults(FAULTS, seed=7)
    agents = Agents(installation, [credit(number) for number in numbers], count=CLIENTS)
    killed = burn(installation, agents)
    installation.faults({})
    until(lambda: agents.are_done, "every agent has its answers", seconds=RECOVERY_SECONDS)
    until(lambda: open_calls(installation) == 0, "every call has ended", seconds=RECOVERY_SECONDS)

    calls = calls_of(installation)
    postings = Counter(entry["invoice_id"] for entry in installation.ledger())
    ends = Counter(call["state"] for call in calls.values())
    with capsys.disabled():
        print(f"\nkilled {dict(killed)}; ends {dict(ends)}; answers {dict(agents.answers)}")
    # every part died at least once, and all that was asked for is there
    assert set(killed) == set(PARTS)
    assert sorted(calls) == sorted(f"INV-{number}/credit" for number in numbers)
    # a definite state for each, and the ledger agrees with it; of an unknown one it may say either
    assert set(ends) <= {"succeeded", "failed", "outcome_unknown"}
    for number in numbers:
        state, posted = calls[f"INV-{number}/credit"]["state"], postings[f"INV-{number}"]
        assert posted <= 1, f"INV-{number} was credited {posted} times"
        assert state == "outcome_unknown" or posted == (state == "succeeded"), (number, state, posted)
    assert not told_wrongly(agents, calls)
    assert_audited_once(installation, calls)
    assert_budget_adds_up(installation, budget_id, ends)


def set_budget(installation: Installation) -> str:
    """Enough for all of it, so that nothing is refused and all of it is counted."""
    with installation.person("priya") as priya:
        scope = {"type": "process", "id": "order-to-cash"}
        cap = {"measure": "money", "currency": "EUR", "window": "total", "cap": CALLS * AMOUNT_MINOR * 2}
        answer = priya.post("/api/v1/budgets", json={"scope": scope, "environment": "production", **cap})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


def burn(installation: Installation, agents: Agents) -> Counter[str]:
    """Kill each part once a round, in any order, while the agents work; how often each was hit."""
    chance = random.Random(42)
    killed: Counter[str] = Counter()
    agents.start()
    for _ in range(ROUNDS):
        for part in chance.sample(sorted(PARTS), len(PARTS)):
            time.sleep(chance.uniform(*SECONDS_BETWEEN_KILLS))
            killed[part] += bool(installation.kill(part, chance))
    return +killed


def open_calls(installation: Installation) -> int:
    try:
        with installation.database() as database:
            found = database.execute("SELECT count(*) FROM gateway_toolcall WHERE state = ANY(%s)", [list(OPEN)])
            return int(found.fetchone()[0])  # type: ignore[index]
    except Exception:  # the database may be starting still
        return -1


def calls_of(installation: Installation) -> dict[str, dict[str, Any]]:
    """By key. A key that two calls hold would be missing one: the database forbids it, and this would show it."""
    with installation.database() as database:
        rows = database.execute("SELECT idempotency_key, id, state FROM gateway_toolcall WHERE holds_key").fetchall()
    assert len({key for key, _, _ in rows}) == len(rows)
    return {key: {"id": str(call_id), "state": state} for key, call_id, state in rows}


def told_wrongly(agents: Agents, calls: dict[str, dict[str, Any]]) -> list[str]:
    """Keys whose agent was told an end that is not the end."""
    ends = {key: state for key, state in agents.ends.items() if state not in OPEN}
    return [key for key, state in ends.items() if calls[key]["state"] != state]


def assert_audited_once(installation: Installation, calls: dict[str, dict[str, Any]]) -> None:
    """One line for its decision and one for its end; in between it may have waited for its system."""
    with installation.database() as database:
        rows = database.execute(
            "SELECT subject_id, code, count(*) FROM audit_auditentry WHERE subject_type = 'tool_call' GROUP BY 1, 2"
        ).fetchall()
    lines: dict[str, dict[str, int]] = {}
    for subject, code, count in rows:
        lines.setdefault(subject, {})[code] = count
    for call in calls.values():
        told = {code: count for code, count in lines[call["id"]].items() if code != "tool_call.released"}
        assert told == {"tool_call.decided": 1, f"tool_call.{call['state']}": 1}, (told, call)


def assert_budget_adds_up(installation: Installation, budget_id: str, ends: Counter[str]) -> None:
    """To the cent: what succeeded is settled, what nobody knows is reserved still, what failed is given back."""
    with installation.database() as database:
        counter = database.execute(
            "SELECT sum(settled), sum(reserved), sum(overrun) FROM budgets_budgetperiod WHERE budget_id = %s",
            [budget_id],
        ).fetchone()
    expected = (ends["succeeded"] * AMOUNT_MINOR, ends["outcome_unknown"] * AMOUNT_MINOR, 0)
    assert tuple(map(int, counter or ())) == expected
