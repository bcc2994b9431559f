"""The whole mesh under one parent: three systems, five agents, a trickle of work.

    python -m examples.order_to_cash.mesh --home DIR --console URL --credentials FILE --ports-file FILE

`--credentials` is what `./console manage bootstrap` printed last. Each agent gets a file with its own part alone.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import httpx

from examples.order_to_cash import world
from examples.order_to_cash.agents.console_client import Credentials
from examples.order_to_cash.catalogue.agents import AGENT_NAMES
from examples.order_to_cash.places import SYSTEMS, ensure_ports, ensure_tokens, token_file, write_secret
from examples.order_to_cash.supervisor import Child, stop_all
from examples.order_to_cash.system_client import SystemClient, SystemFailure

PACKAGE = "examples.order_to_cash"
TICK_SECONDS = 0.2
PROBE_SECONDS = 1.0
PROBE_EVERY_SECONDS = 0.5
FAILED_PAYMENTS_AT_FIRST = 4
MANY_WORKERS = ("o2c-intake", "o2c-triage")


class Mesh:
    """What runs, and what is to be started once the console answers."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._home: Path = options.home.resolve()
        self._is_stopping = False
        self._children: list[Child] = []
        ensure_tokens(self._home)
        ports = ensure_ports(options.ports_file, self._home)
        self._urls = {system: f"http://127.0.0.1:{ports[system]}" for system in SYSTEMS}
        self._ports = ports
        self._hand_out_credentials()

    def stop(self) -> None:
        self._is_stopping = True

    def run(self) -> None:
        """Everything up, until told to stop."""
        try:
            self._children += [self._system(system) for system in SYSTEMS]
            self._wait_for("the systems", lambda: all(_answers(f"{url}/healthz") for url in self._urls.values()))
            if not self._options.no_world and not self._is_stopping:
                self._seed_world()
            self._wait_for("the console", self._console_answers)
            self._children += [self._agent(slug) for slug in AGENT_NAMES]
            if not self._options.no_world:
                self._children.append(self._trickle())
            print("mesh: at work", flush=True)
            while not self._is_stopping:
                self._tend()
        finally:
            stop_all(self._children)

    def _wait_for(self, what: str, answers: Callable[[], bool]) -> None:
        print(f"mesh: waiting for {what}", flush=True)
        next_probe = 0.0
        while not self._is_stopping:
            self._tend()
            if time.monotonic() >= next_probe:
                if answers():
                    return
                next_probe = time.monotonic() + PROBE_EVERY_SECONDS

    def _tend(self) -> None:
        for child in self._children:
            child.tend()
        time.sleep(TICK_SECONDS)

    def _console_answers(self) -> bool:
        return _answers(f"{self._options.console}/readyz")

    def _system(self, system: str) -> Child:
        files = [
            "--database",
            str(self._home / f"{system}.sqlite3"),
            "--token-file",
            str(token_file(self._home, system)),
        ]
        return Child(system, [f"{PACKAGE}.systems.{system}", "--port", str(self._ports[system]), *files])

    def _agent(self, slug: str) -> Child:
        name = slug.removeprefix("o2c-")
        places = ["--console", self._options.console, "--feed", self._urls["erp"]]
        files = ["--credentials", str(self._credentials_file(slug)), "--state", str(self._state_file(slug))]
        workers = ["--workers", str(self._options.workers)] if self._options.workers and slug in MANY_WORKERS else []
        return Child(name, [f"{PACKAGE}.agents.{name}", *places, *files, *workers])

    def _trickle(self) -> Child:
        erp = ["--erp", self._urls["erp"], "--token-file", str(token_file(self._home, "erp"))]
        files = ["--state", str(self._home / "trickle.json"), "--triage-state", str(self._state_file("o2c-triage"))]
        return Child("trickle", [f"{PACKAGE}.trickle", *erp, *files])

    def _state_file(self, slug: str) -> Path:
        return self._home / f"{slug}.sqlite3"

    def _hand_out_credentials(self) -> None:
        """One file per agent, so that none can read another's secret from what it is given."""
        for slug in AGENT_NAMES:
            own = Credentials.read(self._options.credentials, slug)
            document = {"agent": slug, "client_id": own.client_id, "client_secret": own.client_secret}
            write_secret(self._credentials_file(slug), json.dumps(document), replace=True)

    def _credentials_file(self, slug: str) -> Path:
        return self._home / f"{slug}.credentials.json"

    def _seed_world(self) -> None:
        """Fill empty systems with the generated business; systems that hold invoices are left as they are."""
        today = datetime.now(UTC).date()
        with (
            SystemClient(self._urls["erp"], token_file(self._home, "erp")) as erp,
            SystemClient(self._urls["crm"], token_file(self._home, "crm")) as crm,
        ):
            if erp.get("/invoices", limit=1)["items"]:
                return
            crm.post("/customers/import", {"customers": world.customers()})
            invoices = world.seeded_invoices(today)
            erp.post("/invoices/import", {"invoices": invoices})
            overdue = [
                invoice["id"] for invoice in invoices if not invoice["settled"] and _is_past(invoice["due"], today)
            ]
            for invoice_id in overdue[:FAILED_PAYMENTS_AT_FIRST]:
                erp.post(f"/invoices/{invoice_id}/payment-failures", {})


def _is_past(day: str, today: date) -> bool:
    return date.fromisoformat(day) < today


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=PROBE_SECONDS, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(prog="mesh", description="Run the whole reference mesh under one parent.")
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="databases, tokens, agents' states")
    parser.add_argument("--console", required=True, metavar="URL")
    parser.add_argument("--credentials", type=Path, required=True, metavar="FILE")
    parser.add_argument("--ports-file", type=Path, required=True, metavar="FILE")
    parser.add_argument("--workers", type=int, metavar="N", help="threads of intake and of triage")
    parser.add_argument("--no-world", action="store_true", help="neither generated invoices nor a trickle of disputes")
    options = parser.parse_args()
    options.home.mkdir(parents=True, exist_ok=True)
    with (options.home / "mesh.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"mesh: another one runs on {options.home}")
        try:
            mesh = Mesh(options)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, lambda *_: mesh.stop())
            mesh.run()
        except (SystemFailure, OSError, ValueError, KeyError) as problem:
            sys.exit(f"mesh: {problem}")


if __name__ == "__main__":
    main()
