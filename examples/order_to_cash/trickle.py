"""Keeps work coming: a dispute every few seconds at first, then one or two a minute, now and then a failed payment.

    python -m examples.order_to_cash.trickle --erp URL --token-file erp.token --state FILE [--triage-state FILE]

Pauses while too much waits for people, which it sees in the state of triage.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

from examples.order_to_cash import world
from examples.order_to_cash.agents.store import count_waiting
from examples.order_to_cash.system_client import SystemClient, SystemFailure

FIRST_RUSH = 30
RUSH_SECONDS = 4.0
EMPTY_INBOX = 3
EMPTY_INBOX_SECONDS = 8.0
STEADY_SECONDS = (20.0, 40.0)
ENOUGH_WAITING = 60
FULL_INBOX_SECONDS = 10.0
PAYMENT_EVERY = 6


class Trickle:
    """Which invoice comes next, kept in a small file so that a restart goes on behind the last one."""

    def __init__(self, erp: SystemClient, state: Path, triage_state: Path | None) -> None:
        self._erp = erp
        self._state = state
        self._triage_state = triage_state
        self._count = json.loads(state.read_text(encoding="utf-8"))["count"] if state.exists() else 0

    def next_pause(self) -> float:
        """Seconds until the next piece of work."""
        if self._waiting() >= ENOUGH_WAITING:
            return FULL_INBOX_SECONDS
        if self._count < FIRST_RUSH:
            return RUSH_SECONDS
        return EMPTY_INBOX_SECONDS if self._waiting() < EMPTY_INBOX else random.uniform(*STEADY_SECONDS)

    def step(self) -> None:
        """Bring one dispute or one failed payment into the world, unless people have enough to do."""
        if self._waiting() >= ENOUGH_WAITING:
            return
        number = self._take_number()
        is_payment = number % PAYMENT_EVERY == PAYMENT_EVERY - 1
        kind = "overdue" if is_payment else "disputed"
        invoice = world.invoice(number, today=datetime.now(UTC).date(), kind=kind)
        self._erp.post("/invoices/import", {"invoices": [invoice]})
        if is_payment:
            self._erp.post(f"/invoices/{invoice['id']}/payment-failures", {})

    def _take_number(self) -> int:
        """A number is spent before it is used: a restart skips one rather than importing it twice."""
        number = world.SEEDED_INVOICES + self._count
        self._count += 1
        draft = self._state.with_suffix(".draft")
        draft.write_text(json.dumps({"count": self._count}), encoding="utf-8")
        draft.replace(self._state)
        return number

    def _waiting(self) -> int:
        return count_waiting(self._triage_state) if self._triage_state else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="trickle", description="Keep disputes and failed payments coming.")
    parser.add_argument("--erp", required=True, metavar="URL")
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True, metavar="FILE")
    parser.add_argument("--triage-state", type=Path, metavar="FILE", help="to see how much waits for people")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with SystemClient(options.erp, options.token_file) as erp:
        trickle = Trickle(erp, options.state, options.triage_state)
        while not stop.wait(trickle.next_pause()):
            try:
                trickle.step()
            except SystemFailure as problem:
                print(f"trickle: {problem}", flush=True)


if __name__ == "__main__":
    main()
