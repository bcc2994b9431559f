"""The three systems in threads on free ports, and the fake console in front of them."""

from __future__ import annotations

import functools
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from examples.order_to_cash import bootstrap, world
from examples.order_to_cash.agents.agent import Agent, Runner, read_options
from examples.order_to_cash.places import SYSTEMS, ensure_tokens
from tests.examples.fake_console import FakeConsole
from tests.examples.running import Systems, running_system

REAL_CSV = next(
    (folder / "shared/data/invoices" for folder in Path(__file__).parents if (folder / "shared/data").is_dir()), None
)
HEADER = "countryCode,customerID,invoiceNumber,InvoiceDate,DueDate,InvoiceAmount,Disputed,SettledDate"


@pytest.fixture(autouse=True, scope="session")
def one_tls_context() -> Iterator[None]:
    """There is no TLS here, and every client of httpx would load all certificates for 20 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[Systems]:
    home = tmp_path / "mesh home"
    ensure_tokens(home)
    with ExitStack() as stack:
        ports = {name: stack.enter_context(running_system(name, home)) for name in SYSTEMS}
        yield Systems(home, ports)


@pytest.fixture
def console(systems: Systems) -> Iterator[FakeConsole]:
    with FakeConsole(bootstrap.document(systems.ports, systems.home)) as console:
        yield console


@pytest.fixture
def open_disputes(systems: Systems) -> Callable[[int], list[dict[str, Any]]]:
    """Bring so many disputed invoices of the generated world into the ERP."""

    def open_them(count: int, kind: str = "disputed") -> list[dict[str, Any]]:
        today = datetime.now(UTC).date()
        invoices = [world.invoice(number, today=today, kind=kind) for number in range(count)]
        with systems.client("crm") as crm_client, systems.client("erp") as erp_client:
            crm_client.post("/customers/import", {"customers": world.customers()})
            erp_client.post("/invoices/import", {"invoices": invoices})
        return invoices

    return open_them


@pytest.fixture
def agent_arguments(console: FakeConsole, systems: Systems) -> Callable[..., list[str]]:
    """The command line of an agent on this mesh."""

    def arguments(slug: str, *more: str) -> list[str]:
        credentials = systems.home / "credentials.json"
        credentials.write_text(json.dumps(console.credentials()))
        places = ["--console", console.url, "--feed", systems.urls["erp"], "--credentials", str(credentials)]
        return [*places, "--state", str(systems.home / f"{slug}.sqlite3"), "--poll", "0.05", *more]

    return arguments


@pytest.fixture
def run_agent(agent_arguments: Callable[..., list[str]]) -> Callable[..., None]:
    """Let an agent work in this process until only people are waited for."""

    def run(agent: Agent, *more: str) -> None:
        runner = Runner(agent, read_options(agent, agent_arguments(agent.slug, "--workers", "4", "--once", *more)))
        runner.run()

    return run


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, header: str = HEADER) -> Path:
        path = tmp_path / "invoices.csv"
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def real_csv() -> Path:
    """2,466 receivables nobody here wrote; they stay outside the repository."""
    path = REAL_CSV / "ibm_accounts_receivable.csv" if REAL_CSV else None
    if path is None or not path.exists():
        pytest.skip("the receivables sample is not on this machine")
    return path
