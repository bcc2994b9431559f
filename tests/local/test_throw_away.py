"""Throw-away stores take nothing of the caller's console and leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from meshconsole.local import processes
from meshconsole.local.stopping import StopRequest
from meshconsole.local.throw_away import PREFIX, clear_abandoned, throw_away_environment
from tests.local.conftest import RunPython

HOLD = """
import time
from meshconsole.local.stopping import StopRequest
from meshconsole.local.throw_away import throw_away_environment
with throw_away_environment(StopRequest(), settings="none") as environment:
    print(environment["MESHCONSOLE_HOME"], flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_leaves_nothing_behind(temporary_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://production/db")
    monkeypatch.setenv("SECRET_KEY_FILE", "/etc/production.key")
    with throw_away_environment(StopRequest(), settings="none") as environment:
        assert "production" not in environment["DATABASE_URL"]
        assert "SECRET_KEY_FILE" not in environment
        assert environment["SECRET_KEY"]
        # started by a test that never ended it
        straggler = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment)
    if processes.PROC.is_dir():
        assert straggler.wait(5) == -9
    straggler.kill()
    assert not list(temporary_files.glob(f"{PREFIX}*"))


def test_one_in_use_is_left_alone_and_one_that_was_killed_is_removed(run_python: RunPython) -> None:
    other = run_python(HOLD)
    directory = Path(other.stdout.readline().strip()).parent
    store = directory / "valkey"
    clear_abandoned()
    assert processes.running("valkey-server", store, other.pid)

    other.kill()
    other.wait()
    clear_abandoned()
    assert not directory.exists()
    assert not processes.running("valkey-server", store, None)
