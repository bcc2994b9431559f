"""The console that is measured: `./console up` itself, on a home of its own that is gone afterwards."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meshconsole.local import environment as environments
from meshconsole.local import port as ports
from meshconsole.local import processes
from meshconsole.local.home import Home
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.processes import Child
from meshconsole.local.terminal import Trouble

WORLD = Path(__file__).with_name("world.json")
START_SECONDS = 60.0
# More than all that `up` itself gives to what it stops.
STOP_SECONDS = 25.0


class BenchConsole:
    """One home, and the console on it for as long as `running` lasts."""

    def __init__(self, directory: Path) -> None:
        self.home = Home.at(str(directory / "home"))
        self.port = ports.choose_free()
        self._log = directory / "up.log"
        # nothing of a console that the caller may have set up: a benchmark writes
        self._environment = environments.without_product(os.environ) | {"MESHCONSOLE_HOME": str(self.home.path)}

    @property
    def postgres_log(self) -> Path:
        return self.home.logs / "postgres.log"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Web, worker, beat and stores as `up` runs them, until the block ends. Gives the URL of the database."""
        up = Child(
            "console",
            _local("up", "--no-demo", "--port", str(self.port), "--home", str(self.home.path)),
            environment=self._environment,
            directory=CHECKOUT,
            log=self._log,
            grace_seconds=STOP_SECONDS,
        )
        try:
            up.start()
            self._wait_until_ready(up)
            yield self._database_url()
        finally:
            up.ask_to_stop()
            up.finish()

    def _wait_until_ready(self, up: Child) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ports.answers(self.port, "127.0.0.1", "/readyz"):
            if up.exit_code() is not None or time.monotonic() > deadline:
                raise Trouble(f"The console did not come up:\n{processes.last_lines(self._log)}")
            time.sleep(0.2)

    def _database_url(self) -> str:
        running = self.home.running()
        if running is None:
            raise Trouble("The console that was started does not say where its database is.")
        return running.environment["DATABASE_URL"]

    def bootstrap(self, *, connector_url: str) -> str:
        """Load the benchmark's small world and sign its agent in. Gives the agent's access token."""
        world = json.loads(WORLD.read_text(encoding="utf-8"))
        world["connectors"][0]["environments"]["production"]["base_url"] = connector_url
        done = subprocess.run(
            _local("manage", "bootstrap", "--file", "-"),
            cwd=CHECKOUT,
            env=self._environment,
            input=json.dumps(world),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Trouble(f"The world of the benchmark could not be loaded:\n{done.stderr[-2000:]}")
        return self._token(json.loads(done.stdout.splitlines()[-1])["credentials"][0])

    def _token(self, credential: dict[str, Any]) -> str:
        basic = base64.b64encode(f"{credential['client_id']}:{credential['client_secret']}".encode()).decode()
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            link.request(
                "POST",
                "/oauth/token",
                "grant_type=client_credentials",
                {
                    "Host": f"localhost:{self.port}",
                    "Authorization": f"Basic {basic}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            )
            return str(json.loads(link.getresponse().read())["access_token"])
        finally:
            link.close()


def _local(*arguments: str) -> list[str]:
    """`./console …` without its first step: the virtual environment is there, we run in it."""
    return [sys.executable, "-m", "meshconsole.local", *arguments]
