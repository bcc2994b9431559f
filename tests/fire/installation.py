"""A whole installation as `./console up` runs it, stores included, with the example's ERP behind it; and the means to
kill any part of it. What dies is started again by `up` alone.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from meshconsole.local.home import Home
from tests.live import ROOT, answers, free_port, until

# Part of the console to what its processes are called.
PARTS = {
    "web": "granian",
    "worker": "celery -A meshconsole worker",
    "beat": "celery -A meshconsole beat",
    "valkey": "valkey",
    "postgres": "postgres",
}
PROC = Path("/proc")
START_SECONDS = 180
CUSTOMER = "C-1001"


class Installation:
    """`environment` is the caller's without the stores of the tests: this one brings its own."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.directory = directory
        self.port, self.erp_port = free_port(), free_port()
        self.url, self.erp_url = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.erp_port}"
        self.credentials: dict[str, dict[str, str]] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        stores = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "DJANGO_SETTINGS_MODULE")
        kept = {name: value for name, value in os.environ.items() if name not in stores}
        self.environment = {**kept, "MESHCONSOLE_HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    @contextmanager
    def running(self) -> Iterator["Installation"]:
        try:
            self._start("console", "-m", "meshconsole.local", "up", "--no-demo", "--port", str(self.port))
            until(self._is_ready, "the console is up", seconds=START_SECONDS)
            self._load_world()
            self.start_erp()
            yield self
        finally:
            for process in reversed(self._processes):
                process.send_signal(signal.SIGTERM)
            for process in reversed(self._processes):
                process.wait(60)

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def start_erp(self) -> None:
        files = ("--database", "erp.sqlite3", "--token-file", "erp.token")
        self._erp = self._start("erp", "-m", "examples.order_to_cash.systems.erp", "--port", str(self.erp_port), *files)
        until(lambda: answers(f"{self.erp_url}/ledger/summary"), "the ERP answers")

    def stop_erp(self) -> None:
        self._processes.remove(self._erp)
        self._erp.kill()
        self._erp.wait()

    def _load_world(self) -> None:
        ports = {"erp": self.erp_port, "crm": free_port(), "ticketing": free_port()}
        (self.directory / "ports.json").write_text(json.dumps(ports))
        files = ("--ports-file", "ports.json", "--home", ".")
        world = json.loads(self._run("-m", "examples.order_to_cash.bootstrap", *files))
        self.load(world)

    def load(self, world: dict[str, Any]) -> None:
        """Bring the console to what the document says, and keep the secrets that this made."""
        file = self.directory / "world.json"
        file.write_text(json.dumps(world))
        made = json.loads(self.manage("bootstrap", "--file", str(file)).splitlines()[-1])
        self.credentials |= {credential["agent"]: credential for credential in made["credentials"]}

    def world(self) -> dict[str, Any]:
        """The document that was loaded last."""
        document: dict[str, Any] = json.loads((self.directory / "world.json").read_text())
        return document

    def manage(self, *words: str) -> str:
        return self._run("-m", "meshconsole.local", "manage", *words)

    def _run(self, *words: str) -> str:
        command = [sys.executable, *words]
        done = subprocess.run(
            command, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    # --- fire -------------------------------------------------------------------------------------------------------

    def pids_of(self, part: str) -> list[int]:
        """The processes of a part, among all that `up` has started, directly or not."""
        parents, words = {}, {}
        for entry in PROC.glob("[0-9]*"):
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                words[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
        found, grown = {self._processes[0].pid}, True
        while grown:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            found, grown = found | more, bool(more)
        return sorted(pid for pid in found if PARTS[part] in words.get(pid, "").replace("--quiet ", ""))

    def kill(self, part: str, chance: random.Random) -> int:
        """SIGKILL all processes of the part, or one of them; how many those were."""
        pids = self.pids_of(part)
        victims = pids if chance.random() < 0.5 else pids and [chance.choice(pids)]
        killed = 0
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
        return killed

    # --- as the outside sees it -------------------------------------------------------------------------------------

    def token(self, slug: str) -> str:
        """A new access token for the agent. Raises httpx errors and KeyError while the console is away."""
        credential = self.credentials[slug]
        form = {"grant_type": "client_credentials", "client_id": credential["client_id"]}
        answer = httpx.post(f"{self.url}/oauth/token", data={**form, "client_secret": credential["client_secret"]})
        return str(answer.json()["access_token"])

    def person(self, username: str) -> httpx.Client:
        secret = self.manage("make_token", username, "--name", "fire").strip().splitlines()[-1]
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {secret}"}, timeout=30)

    def erp(self) -> httpx.Client:
        token = (self.directory / "erp.token").read_text().strip()
        return httpx.Client(base_url=self.erp_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def bill(self, numbers: range) -> None:
        """Give the ERP invoices INV-<number> that may be credited."""
        invoices = [
            {
                "id": f"INV-{number}",
                "customer_id": CUSTOMER,
                "amount": "9000.00",
                "currency": "EUR",
                "issued": "2026-01-02",
                "due": "2026-02-01",
                "line": {"agreed": "9000.00"},
            }
            for number in numbers
        ]
        with self.erp() as erp:
            for start in range(0, len(invoices), 200):
                erp.post("/invoices/import", json={"invoices": invoices[start : start + 200]}).raise_for_status()

    def faults(self, rules: dict[str, Any], *, seed: int = 0) -> None:
        with self.erp() as erp:
            erp.put("/faults", json={"seed": seed, "rules": rules}).raise_for_status()

    def ledger(self) -> list[dict[str, Any]]:
        """Every posting of the ERP, oldest first."""
        entries: list[dict[str, Any]] = []
        with self.erp() as erp:
            while page := erp.get("/ledger", params={"after": entries[-1]["number"] if entries else 0}).json()["items"]:
                entries += page
        return entries

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """To judge by: nothing is written through it."""
        running = Home.at(str(self.home)).running()
        assert running is not None
        with psycopg.connect(running.environment["DATABASE_URL"], autocommit=True) as connection:
            yield connection


def credit(number: int, amount: str = "20.00") -> dict[str, Any]:
    """A credit memo that an agent may post alone."""
    return {
        "tool": "erp.issue_credit_memo",
        "arguments": {
            "invoice_id": f"INV-{number}",
            "customer_id": CUSTOMER,
            "amount": amount,
            "currency": "EUR",
            "reason_code": "price_mismatch",
        },
        "idempotency_key": f"INV-{number}/credit",
    }
