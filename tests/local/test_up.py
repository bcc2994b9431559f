"""`up` as a person meets it: real stores, granian and Celery around a stand-in product, in a path with spaces."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshconsole.local import port, processes
from meshconsole.local.launch import CHECKOUT
from tests.local.conftest import until

WSGI = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
"""
CELERY = "import os\nfrom celery import Celery\napp = Celery('x', broker=os.environ['CELERY_BROKER_URL'])\n"
MANAGE = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.environ["DATABASE_URL"], os.environ["BASE_URL"]]))
"""


class Checkout:
    """A copy of this part of the checkout with a product of three tiny files."""

    def __init__(self, path: Path) -> None:
        self.path, self.home = path, path / ".home"
        shutil.copytree(CHECKOUT / "meshconsole" / "local", path / "meshconsole" / "local")
        for name, text in {"wsgi.py": WSGI, "celery.py": CELERY, "__init__.py": "", "settings.py": ""}.items():
            (path / "meshconsole" / name).write_text(text)
        (path / "manage.py").write_text(MANAGE)
        (path / "requirements.txt").touch()
        self.said: list[str] = []
        self.started: list[subprocess.Popen[str]] = []

    def environment(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "CELERY_BROKER_URL"}}
        return {
            **mine,
            "PYTHONPATH": str(self.path),
            "MESHCONSOLE_HOME": str(self.home),
            "STATIC_ROOT": str(self.path / "s"),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "meshconsole.local", *arguments]
        out = subprocess.PIPE
        process = subprocess.Popen(
            command, env=self.environment(), cwd="/", stdout=out, stderr=subprocess.STDOUT, text=True
        )
        self.started.append(process)
        return process

    def up(self, number: int) -> subprocess.Popen[str]:
        process = self.start("up", "--no-demo", "--port", str(number))
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line)
            if "Stop:" in line:
                assert port.answers(number, "127.0.0.1", "/healthz")
                return process
        pytest.fail(f"did not come up: {self.said}")

    def scratch(self) -> list[Path]:
        """The directories outside the home that it uses now."""
        return [Path(line) for line in (self.home / "scratch").read_text().splitlines()]

    def web(self) -> list[list[int]]:
        """The processes of each web: granian, and those it has started."""
        groups: dict[int, list[int]] = {}
        for pid in sorted(processes.marked(str(self.home))):
            with contextlib.suppress(OSError):
                if b"granian" in (processes.PROC / str(os.getpgid(pid)) / "cmdline").read_bytes():
                    groups.setdefault(os.getpgid(pid), []).append(pid)
        return list(groups.values())

    def processes(self) -> list[int]:
        stores = [("postgres", self.home / "pg"), ("valkey-server", self.home / "valkey")]
        found = [pid for program, data in stores for pid in processes.running(program, data, None)]
        return found + list(processes.marked(str(self.home)))


def listening_on(number: int) -> int:
    """How many sockets listen there."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(state == "0A" and int(local.rpartition(":")[2], 16) == number for _, local, _, state, *_ in rows)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path / "my mesh console")
    yield made
    for process in made.started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
def number() -> int:
    return port.choose_free()


@pytest.mark.skipif(not processes.PROC.is_dir(), reason="only Linux tells which process is whose")
def test_answers_is_alone_on_its_home_and_stops_without_a_trace(checkout: Checkout, number: int) -> None:
    first = checkout.up(number)
    scratch = checkout.scratch()
    assert scratch
    assert len(checkout.processes()) >= 8

    second = checkout.start("up", "--no-demo", "--port", str(number + 1))
    assert "is in use by `./console up`" in second.communicate()[0]
    assert second.returncode == 1
    manage = checkout.start("manage", "shell")
    told = manage.communicate()[0]
    assert '["shell"], "postgresql://console@/console' in told
    assert f"http://localhost:{number}" in told

    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=15)
    said = "".join(checkout.said)
    assert first.returncode == 0
    assert f"answers at http://localhost:{number}/" in said
    assert "createsuperuser" in said
    assert checkout.processes() == []
    assert not any(path.exists() for path in scratch)
    assert port.is_free(number)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process is all of the web")
def test_where_one_web_process_is_killed_the_other_answers(checkout: Checkout, number: int) -> None:
    checkout.up(number)
    until(lambda: listening_on(number) == 2, "both listen")
    one, other = checkout.web()
    if len(processes.processors()) == 2:
        assert {*map(frozenset, map(os.sched_getaffinity, one + other))} == {frozenset([0]), frozenset([1])}
    for pid in one:
        os.kill(pid, signal.SIGKILL)
    until(lambda: listening_on(number) == 1, "it is gone")
    assert all(port.answers(number, "127.0.0.1", f"/{again}") for again in range(20))
    until(lambda: listening_on(number) == 2, "it was started again")


@pytest.mark.skipif(not processes.PROC.is_dir(), reason="the kernel's help is Linux's")
def test_after_kill_minus_nine_the_next_start_cleans_up_and_goes_on(checkout: Checkout, number: int) -> None:
    first = checkout.up(number)
    scratch = checkout.scratch()
    first.kill()
    first.wait()
    second = checkout.up(number)
    second.send_signal(signal.SIGINT)
    assert second.wait(15) == 0
    assert checkout.processes() == []
    assert not any(path.exists() for path in scratch)


def test_a_taken_port_stops_it_before_anything_starts(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        process = checkout.start("up", "--port", str(taken))
        assert f"Port {taken} is taken" in process.communicate(timeout=10)[0]
    assert process.returncode == 1
    assert not (checkout.home / "pg").exists()


def test_the_demo_stays_on_this_machine(checkout: Checkout) -> None:
    process = checkout.start("up", "--host", "0.0.0.0")
    assert "lets everyone in without a password" in process.communicate(timeout=10)[0]
    assert process.returncode == 1


def test_manage_starts_the_stores_for_itself(checkout: Checkout) -> None:
    process = checkout.start("manage", "check")
    told = process.communicate(timeout=20)[0]
    assert process.returncode == 0, told
    assert '["check"], "postgresql://console@/console' in told
    assert checkout.processes() == []


def test_what_fails_on_the_way_up_is_shown_and_stops_all(checkout: Checkout, number: int) -> None:
    (checkout.path / "manage.py").write_text("import sys; sys.exit('no such table: horses')")
    process = checkout.start("up", "--no-demo", "--port", str(number))
    said = process.communicate(timeout=20)[0]
    assert process.returncode == 1
    assert "Migrating the database failed" in said
    assert "no such table: horses" in said
    assert checkout.processes() == []
