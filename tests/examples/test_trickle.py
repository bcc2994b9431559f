"""The trickle: a rush at first, then a calm pace, and none while too much waits for people."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from examples.order_to_cash import trickle, world
from examples.order_to_cash.agents.store import Store
from tests.examples.running import Systems


@pytest.fixture
def triage_state(tmp_path: Path) -> Path:
    path = tmp_path / "triage.sqlite3"
    Store(path)
    return path


def let_wait(path: Path, count: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM work")
        connection.executemany("INSERT INTO work VALUES (?, '{}', 'waiting', 0, '')", [(str(n),) for n in range(count)])


def test_work_comes_and_a_restart_goes_on_behind_it(systems: Systems, tmp_path: Path, triage_state: Path) -> None:
    state = tmp_path / "trickle.json"
    with systems.client("erp") as erp:
        for _ in range(2):
            work = trickle.Trickle(erp, state, triage_state)
            for _ in range(6):
                work.step()
        types = [event["type"] for event in erp.get("/events", limit=500)["items"]]
    counts = [types.count(name) for name in ("invoice_created", "dispute_opened", "payment_failed")]
    assert counts == [12, 10, 2]


def test_the_pace_follows_the_inbox(systems: Systems, tmp_path: Path, triage_state: Path) -> None:
    with systems.client("erp") as erp:
        work = trickle.Trickle(erp, tmp_path / "trickle.json", triage_state)
        assert work.next_pause() == trickle.RUSH_SECONDS
        work._count = trickle.FIRST_RUSH
        assert work.next_pause() == trickle.EMPTY_INBOX_SECONDS
        let_wait(triage_state, 10)
        assert 20 <= work.next_pause() <= 40
        let_wait(triage_state, trickle.ENOUGH_WAITING)
        work.step()
        assert erp.get("/events")["items"] == []


def test_the_first_world_has_something_for_everybody() -> None:
    from datetime import date

    invoices = world.seeded_invoices(date(2026, 3, 1))
    customers = world.customers()
    assert (len(invoices), len({invoice["id"] for invoice in invoices})) == (200, 200)
    assert len({customer["name"] for customer in customers}) == 40
    assert {invoice["customer_id"] for invoice in invoices} <= {customer["id"] for customer in customers}
    assert sum(invoice["dispute_reason"] is not None for invoice in invoices) == 10
