"""A business system is away for half a minute: it is asked once a cooldown whether it is back, agents are answered at
once, and what waited is done in the order it was asked for.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fire.installation import Installation, credit
from tests.fire.load import Load, percentile
from tests.live import until

pytestmark = pytest.mark.mesh

AWAY_SECONDS = float(os.environ.get("FIRE_AWAY_SECONDS", "30"))
COOLDOWN_SECONDS = 5
# So many calls find nobody there before each of the processes that call has seen enough.
BEFORE_IT_OPENS = 40
INVOICES = range(500_000, 500_005)
CLIENTS = 2
AT_ONCE_SECONDS = 1.0
MOST_QUEUED = 20_000
OPEN = "SELECT count(*) FROM gateway_toolcall WHERE state IN ('queued', 'executing')"
# What was sent before the breaker opened was sent at once, and stands in no queue.
QUEUED = "SELECT idempotency_key, id FROM gateway_toolcall WHERE queued_at IS NOT NULL"


def test_a_system_that_is_away_is_left_alone_and_worked_off_in_order(installation: Installation, capsys: Any) -> None:
    set_breaker(installation)
    installation.bill(INVOICES)
    token = installation.token("o2c-triage")
    installation.stop_erp()
    with nobody_there(installation.erp_port) as visits:
        load = Load(installation.url, [token], request_of, clients=CLIENTS, pause_seconds=0.05)
        with load.running():
            until(lambda: load.told.count(202) > 20, "calls wait")
            opened_at = time.monotonic()
            time.sleep(AWAY_SECONDS)
        probes = [at for at in visits if at > opened_at]
    installation.start_erp()
    until(lambda: waiting(installation) == 0, "what waited is done", seconds=90)

    answered = [seconds for status, seconds, _ in load.told.answers if status in (202, 503)]
    with capsys.disabled():
        told = {status: load.told.count(status) for status in (200, 202, 502, 503)}
        print(f"\n{told}; {len(probes)} probes in {AWAY_SECONDS:g} s; p99 {percentile(answered, 0.99):.3f} s")
    assert len(probes) <= AWAY_SECONDS / COOLDOWN_SECONDS + 1
    assert load.told.count(502) <= BEFORE_IT_OPENS
    assert load.told.count(202) + load.told.count(502) == len(load.told.answers)
    assert percentile(answered, 0.99) <= AT_ONCE_SECONDS
    assert done_in_order(installation) == load.told.count(202)


def set_breaker(installation: Installation) -> None:
    world = installation.world()
    for connector in world["connectors"]:
        for endpoint in connector["environments"].values():
            endpoint["breaker"] = {"cooldown_seconds": COOLDOWN_SECONDS, "most_queued": MOST_QUEUED}
    installation.load(world)


def request_of(number: int) -> dict[str, Any]:
    return {**credit(INVOICES[number % len(INVOICES)], "0.01"), "idempotency_key": f"breaker-proof-{number:06}"}


@contextlib.contextmanager
def nobody_there(port: int) -> Iterator[list[float]]:
    """In the system's place: hangs up on whoever comes. When each came."""
    visits: list[float] = []
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def hang_up() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = server.accept()
                    visits.append(time.monotonic())
                    connection.close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        try:
            yield visits
        finally:
            stop.set()
            thread.join(5)


def waiting(installation: Installation) -> int:
    with installation.database() as database:
        row = database.execute(OPEN).fetchone()
    return int(row[0]) if row else -1


def done_in_order(installation: Installation) -> int:
    """How many of the calls the ledger holds; of what was queued, each invoice's in the order it was asked for."""
    by_invoice: dict[str, list[str]] = {}
    for entry in installation.ledger():
        if "breaker-proof-" in entry["reference"]:
            by_invoice.setdefault(entry["invoice_id"], []).append(entry["reference"])
    with installation.database() as database:
        queued = dict(database.execute(QUEUED).fetchall())
    assert len(queued) > len(INVOICES)
    for references in by_invoice.values():
        keys = [reference.rpartition("/")[2] for reference in references]
        ids = [queued[key] for key in keys if key in queued]
        assert ids == sorted(ids)
    return sum(map(len, by_invoice.values()))
