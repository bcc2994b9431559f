"""The mesh as a whole: comes up, brings work to people, stops and dies without leaving anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.order_to_cash import bootstrap
from examples.order_to_cash.places import ensure_ports, ensure_tokens
from tests.examples.fake_console import FakeConsole

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc, and only Linux ends orphans")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "mesh home"
    ensure_tokens(home)
    return home


@pytest.fixture
def console(home: Path) -> Iterator[FakeConsole]:
    ports = ensure_ports(home / "ports.json", home)
    with FakeConsole(bootstrap.document(ports, home)) as console:
        (home / "credentials.json").write_text(json.dumps(console.credentials()))
        yield console


@pytest.fixture
def mesh(home: Path, console: FakeConsole) -> Iterator[subprocess.Popen[str]]:
    process = start(home, console)
    yield process
    process.kill()
    process.wait()


def start(home: Path, console: FakeConsole, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "examples.order_to_cash.mesh", "--home", str(home), "--console", console.url]
    command += ["--credentials", str(home / "credentials.json"), "--ports-file", str(home / "ports.json"), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def programs_of(home: Path) -> list[int]:
    """Every process that names this home in its command line, but the mesh itself."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode() if entry.name.isdigit() else ""
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(home) in line and "order_to_cash.mesh" not in line and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def until(happens: Callable[[], Any], seconds: float = 12.0) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_it_brings_work_to_people_and_stops_within_five_seconds(
    home: Path, console: FakeConsole, mesh: subprocess.Popen[str]
) -> None:
    until(lambda: console.calls_of("erp.issue_credit_memo", "awaiting_approval"))
    until(lambda: len(programs_of(home)) == 9)
    started = time.monotonic()
    mesh.send_signal(signal.SIGTERM)
    assert mesh.wait(5) == 0
    assert time.monotonic() - started < 5
    assert programs_of(home) == []


def test_a_killed_child_comes_back_and_a_killed_parent_takes_all_along(
    home: Path, console: FakeConsole, mesh: subprocess.Popen[str]
) -> None:
    until(lambda: len(programs_of(home)) == 9)
    victim = programs_of(home)[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in programs_of(home) and len(programs_of(home)) == 9)
    mesh.kill()
    mesh.wait()
    until(lambda: programs_of(home) == [])


def test_a_second_one_on_the_same_home_says_so(home: Path, console: FakeConsole, mesh: subprocess.Popen[str]) -> None:
    until(lambda: programs_of(home))
    second = start(home, console)
    output, _ = second.communicate(timeout=5)
    assert second.returncode == 1
    assert "another one runs" in output


def test_credentials_are_handed_out_one_by_one(home: Path, console: FakeConsole) -> None:
    mesh = start(home, console, "--no-world")
    until((home / "o2c-concierge.credentials.json").exists)
    mesh.send_signal(signal.SIGTERM)
    assert mesh.wait(5) == 0
    own = json.loads((home / "o2c-intake.credentials.json").read_text())
    assert own["client_id"] == "id-o2c-intake"
    assert "o2c-triage" not in json.dumps(own)


def test_missing_credentials_are_named(home: Path, console: FakeConsole) -> None:
    (home / "credentials.json").write_text('{"credentials": []}')
    output, _ = start(home, console).communicate(timeout=5)
    assert "no credentials of o2c-intake" in output
