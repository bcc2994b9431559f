"""Helpers for programs that run for real: they are small, and each test ends what it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meshconsole.local.launch import CHECKOUT

WAIT_SECONDS = 20.0

RunPython = Callable[..., subprocess.Popen[str]]


def until(holds: Callable[[], bool], what: str) -> None:
    """Waits until it holds, and fails by name when it does not."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS:g} s: {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """True while the process exists and is not just waiting to be collected by its parent."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc").is_dir()


@pytest.fixture(scope="session")
def part_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this part is found without the project package around it, which loads Celery each time."""
    folder = tmp_path_factory.mktemp("part")
    (folder / "meshconsole").mkdir()
    (folder / "meshconsole" / "__init__.py").touch()
    (folder / "meshconsole" / "local").symlink_to(CHECKOUT / "meshconsole" / "local")
    return folder


@pytest.fixture
def run_python(part_alone: Path) -> Iterator[RunPython]:
    """Starts Python on a few lines of ours; whatever still runs after the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": f"{part_alone}{os.pathsep}{CHECKOUT}", **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
