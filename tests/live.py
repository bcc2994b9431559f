"""The product as processes: web server, worker, beat and the example's ERP, started and killed by a test.

Nothing here imports the product; it talks to it as the outside does. The stores are those of `./console test`, in a
database of its own.
"""

import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0


def until(holds: Callable[[], Any], what: str, *, seconds: float = START_SECONDS) -> Any:
    """Wait for it and return what it returned; fail with `what` when it does not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := holds():
            return value
        time.sleep(0.05)
    pytest.fail(f"waited {seconds:g} s in vain: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code < 500
    except httpx.HTTPError:
        return False


def _numbers() -> Iterator[int]:
    """Where the tests run in several processes at once, these share one Valkey: each takes every so many-th pair."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return itertools.count(2 + 2 * process, 2 * processes)


class LiveConsole:
    """One installation: its database, its processes, the order-to-cash systems behind it."""

    # (database, static files) of the first one: an empty schema is copied, not migrated again
    template: tuple[str, str] | None = None

    # each installation has a broker and a cache of its own: two of the 16 numbered databases of a Valkey
    numbers = _numbers()

    def __init__(self, home: Path) -> None:
        self.home = home
        self.number = next(LiveConsole.numbers)
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = self._environment()
        self.ports = {"erp": free_port(), "crm": free_port(), "ticketing": free_port()}
        (home / "ports.json").write_text(json.dumps(self.ports))
        self.credentials: dict[str, dict[str, str]] = {}
        self.passwords: dict[str, str] = {}
        self._secrets: dict[str, str] = {}
        self._invoice_numbers = itertools.count(20_000)

    @property
    def _database(self) -> str:
        return f"live_{self.port}"

    def _environment(self) -> dict[str, str]:
        broker = os.environ["CELERY_BROKER_URL"]
        if not broker.startswith("redis"):
            pytest.fail("Tests with real processes need a real broker: run them with ./console test.")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))},
            "DJANGO_SETTINGS_MODULE": "meshconsole.settings",
            "DATABASE_URL": _fresh_database(self._database),
            "CELERY_BROKER_URL": broker.replace("virtual_host=0", f"virtual_host={self.number}"),
            "CACHE_URL": os.environ.get("CACHE_URL", "").replace("db=1", f"db={self.number + 1}"),
            "SECRET_KEY": "only-for-tests-" * 4,
            "VAULT_KEYS": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
            "LOCAL": "1",
            "DEMO": "1",
            "BASE_URL": self.url,
            "STATIC_ROOT": LiveConsole.template[1] if LiveConsole.template else str(self.home / "static"),
            "LOG_LEVEL": "WARNING",
        }

    def prepare(self) -> None:
        """Schema, static files, and the order-to-cash world. The first installation of a session is the template."""
        if LiveConsole.template is None:
            self.manage("migrate", "--noinput")
            self.manage("collectstatic", "--noinput")
            LiveConsole.template = (self._database, self.environment["STATIC_ROOT"])
            _copy_database(self._database, to=f"{self._database}_template")
        else:
            _copy_database(f"{LiveConsole.template[0]}_template", to=self._database)
        self.load_world()

    def load_world(self) -> None:
        world = self._run("-m", "examples.order_to_cash.bootstrap", "--ports-file", "ports.json", "--home", ".")
        self.load(json.loads(world))

    def load(self, world: dict[str, Any]) -> None:
        """Bring the console to what the document says, and keep the secrets that this made."""
        (self.home / "world.json").write_text(json.dumps(world))
        made = json.loads(self.manage("bootstrap", "--file", str(self.home / "world.json")).splitlines()[-1])
        self.credentials |= {credential["agent"]: credential for credential in made["credentials"]}
        self.passwords |= {person["username"]: person["password"] for person in made["people"]}

    def manage(self, *words: str) -> str:
        return self._run(str(ROOT / "manage.py"), *words)

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.home,
            env={**self.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def start(self, name: str, *words: str, **more: str) -> None:
        """Start a process in a session of its own; its output goes to a file."""
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                words,
                cwd=self.home,
                env={**self.environment, "PYTHONPATH": str(ROOT), **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_web(self) -> None:
        granian = str(Path(sys.executable).parent / "granian")
        options = ("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
        self.start("web", granian, *options, "--blocking-threads", "8", "meshconsole.wsgi:application", DB_KEEP="1")
        until(lambda: answers(f"{self.url}/healthz"), "the web server answers")

    def start_worker(self, *, concurrency: int = 2) -> None:
        celery = (sys.executable, "-m", "celery", "-A", "meshconsole")
        self.start("worker", *celery, "worker", "--concurrency", str(concurrency), "--loglevel", "WARNING")

    def start_beat(self) -> None:
        schedule = str(self.home / "beat-schedule")
        self.start("beat", sys.executable, "-m", "celery", "-A", "meshconsole", "beat", "--schedule", schedule)

    def start_erp(self) -> None:
        files = ("--database", "erp.sqlite3", "--token-file", "erp.token")
        module = "examples.order_to_cash.systems.erp"
        self.start("erp", sys.executable, "-m", module, "--port", str(self.ports["erp"]), *files)
        until(lambda: answers(f"{self.erp_url}/ledger/summary"), "the ERP answers")

    def start_crm(self) -> None:
        files = ("--database", "crm.sqlite3", "--token-file", "crm.token")
        module = "examples.order_to_cash.systems.crm"
        self.start("crm", sys.executable, "-m", module, "--port", str(self.ports["crm"]), *files)
        until(lambda: answers(f"{self.crm_url}/customers/nobody"), "the CRM answers")

    def start_mesh(self) -> None:
        """The example's three systems and five agents, with no work of their own making."""
        made = {"credentials": list(self.credentials.values())}
        (self.home / "credentials.json").write_text(json.dumps(made))
        files = ("--home", ".", "--credentials", "credentials.json", "--ports-file", "ports.json")
        module = "examples.order_to_cash.mesh"
        self.start("mesh", sys.executable, "-m", module, "--console", self.url, *files, "--no-world")
        until(lambda: answers(f"{self.erp_url}/ledger/summary"), "the ERP answers")

    def example(self, module: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of the example's commands to its end."""
        command = [sys.executable, "-m", f"examples.order_to_cash.{module}", *words]
        environment = {**self.environment, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=self.home, env=environment, capture_output=True, text=True, check=False)

    def start_all(self, *, with_mesh: bool = False) -> None:
        self.prepare()
        if not with_mesh:
            self.start_erp()
        self.start_web()
        self.start_worker()
        self.start_beat()
        until(lambda: httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200, "every part is ready")
        if with_mesh:
            self.start_mesh()

    def kill(self, name: str) -> None:
        """SIGKILL the process and all it started."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def children_of(self, name: str) -> list[int]:
        """The processes that this one has started, by id."""
        pid = self.processes[name].pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        _drop_database(self._database)

    # --- as the outside sees it -------------------------------------------------------------------------------------

    @property
    def erp_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['erp']}"

    def erp(self) -> httpx.Client:
        token = (self.home / "erp.token").read_text().strip()
        return httpx.Client(base_url=self.erp_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    @property
    def crm_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['crm']}"

    def crm(self) -> httpx.Client:
        token = (self.home / "crm.token").read_text().strip()
        return httpx.Client(base_url=self.crm_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def extensions(self) -> list[dict[str, Any]]:
        """Every extension of a payment term that the CRM has granted. It tells them to nobody, so its file is read."""
        with closing(sqlite3.connect(self.home / "crm.sqlite3")) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute("SELECT * FROM extension ORDER BY rowid")]

    def ledger(self) -> list[dict[str, Any]]:
        """Every posting of the ERP, oldest first."""
        entries: list[dict[str, Any]] = []
        with self.erp() as erp:
            while page := erp.get("/ledger", params={"after": entries[-1]["number"] if entries else 0}).json()["items"]:
                entries += page
        return entries

    def bill(self, *numbers: int) -> None:
        """Give the ERP invoices INV-<number> of €9,000.00 that may be credited."""
        line = {"agreed": "9000.00"}
        invoices = [
            {
                "id": f"INV-{number}",
                "customer_id": "C-1001",
                "amount": "9000.00",
                "currency": "EUR",
                "issued": "2026-01-02",
                "due": "2026-02-01",
                "line": line,
            }
            for number in numbers
        ]
        with self.erp() as erp:
            answer = erp.post("/invoices/import", json={"invoices": invoices})
            assert answer.status_code == 200, answer.text

    def bill_new(self, count: int = 1) -> list[int]:
        """Bill invoices that nobody has used; their numbers."""
        numbers = list(itertools.islice(self._invoice_numbers, count))
        self.bill(*numbers)
        return numbers

    def posted(self, *numbers: int) -> list[tuple[str, str, str]]:
        """(invoice, kind, amount) of every posting on these invoices, oldest first."""
        invoices = {f"INV-{number}" for number in numbers}
        names = ("invoice_id", "kind", "amount")
        return [tuple(entry[name] for name in names) for entry in self.ledger() if entry["invoice_id"] in invoices]

    def agent(self, slug: str) -> httpx.Client:
        """An agent's program, signed in."""
        credential = self.credentials[slug]
        form = {"grant_type": "client_credentials", "client_id": credential["client_id"]}
        answer = httpx.post(f"{self.url}/oauth/token", data={**form, "client_secret": credential["client_secret"]})
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=70)

    def person(self, username: str) -> httpx.Client:
        """A person's program, with a personal token: one for each of them, because making it takes seconds."""
        if username not in self._secrets:
            told = self.manage("make_token", username, "--name", "test")
            self._secrets[username] = told.strip().splitlines()[-1]
        headers = {"Authorization": f"Bearer {self._secrets[username]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


def _fresh_database(name: str) -> str:
    _drop_database(name)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    return make_conninfo("", **{**conninfo_to_dict(os.environ["DATABASE_URL"]), "dbname": name})


def _copy_database(name: str, *, to: str) -> None:
    _drop_database(to)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{to}" TEMPLATE "{name}"')  # type: ignore[call-overload]


def _drop_database(name: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[call-overload]
