"""The three systems running in threads of the test process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from examples.order_to_cash.places import token_file
from examples.order_to_cash.system_client import SystemClient
from examples.order_to_cash.systems import crm, erp, ticketing
from examples.order_to_cash.systems.service import Service, make_server
from tests.examples.serving import serving

MODULES = {"erp": erp, "crm": crm, "ticketing": ticketing}


class Systems:
    """Addresses and clients of the running systems."""

    def __init__(self, home: Path, ports: dict[str, int]) -> None:
        self.home = home
        self.ports = ports
        self.urls = {system: f"http://127.0.0.1:{port}" for system, port in ports.items()}

    def client(self, system: str) -> SystemClient:
        return SystemClient(self.urls[system], token_file(self.home, system))

    def http(self, system: str, **options: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token_file(self.home, system).read_text()}"}
        return httpx.Client(base_url=self.urls[system], headers=headers, trust_env=False, **options)


@contextmanager
def running_system(name: str, home: Path) -> Iterator[int]:
    module = MODULES[name]
    token = token_file(home, name).read_text()
    database = home / f"{name}.sqlite3"
    service = Service(name=name, schema=module.SCHEMA, routes=module.ROUTES, database=database, token=token)
    with serving(make_server(service, 0)) as port:
        yield port
