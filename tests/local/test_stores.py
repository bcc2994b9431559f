"""PostgreSQL and Valkey start anywhere, stop without a trace, and survive their supervisor's sudden death."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from meshconsole.local import processes
from meshconsole.local.postgres import DATABASE, PORT, ROLE, WAL_SEGMENT_MB, Postgres
from meshconsole.local.processes import running
from meshconsole.local.scratch import Scratch
from meshconsole.local.stores import Store
from meshconsole.local.terminal import Trouble
from meshconsole.local.valkey import Valkey
from tests.local.conftest import RunPython, is_alive, until

LEAVE_BEHIND = """
import time, sys
from pathlib import Path
from meshconsole.local import processes
from meshconsole.local.{module} import {kind}
from meshconsole.local.scratch import Scratch
if sys.argv[2] == "without the kernel's help":
    processes.die_with_parent = lambda number: None
data = Path(sys.argv[1])
store = {kind}(data, log=data.with_suffix(".log"), scratch=Scratch(data.with_suffix(".scratch")))
store.start()
print(store._process.pid, flush=True)
time.sleep(60)
"""


def make(kind: type[Store], folder: Path) -> Store:
    return kind(folder / "data", log=folder / "store.log", scratch=Scratch(folder / "scratch"), durable=False)


def query(store: Store, sql: str) -> str:
    psql = store.installed()[1].with_name("psql")
    command = [psql, "-h", store.socket_directory, "-p", str(PORT), "-U", ROLE, "-d", DATABASE, "-tAc", sql]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def nothing_left_of(store: Store) -> bool:
    return not running(store.program, store.data, None) and not (store.socket_directory / store.socket_name).exists()


@pytest.mark.parametrize("kind", [Postgres, Valkey])
def test_starts_behind_closed_directories_and_stops_without_a_trace(kind: type[Store], tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    store = make(kind, closed)
    store.start()
    try:
        assert store.is_ready()
        assert running(store.program, store.data, None)
        if os.geteuid() == 0:
            assert store.data.stat().st_uid != 0
    finally:
        store.stop()
    assert store.exit_code() == 0
    assert nothing_left_of(store)


@pytest.mark.parametrize("kind", [Postgres, Valkey])
def test_runs_below_any_path(kind: type[Store], tmp_path: Path) -> None:
    folder = tmp_path / ("long, with spaces and a comma " * 5)
    folder.mkdir()
    store = make(kind, folder)
    store.start()
    try:
        assert all(" " not in value and "," not in value for value in store.variables().values())
        elsewhere = store.socket_directory
        assert elsewhere != store.data
    finally:
        store.stop()
        Scratch(folder / "scratch").clear()
    assert not elsewhere.exists()


def test_goes_on_with_its_data(tmp_path: Path) -> None:
    store = make(Postgres, tmp_path)
    store.start()
    query(store, "create table kept (id int)")
    store.stop()
    store = make(Postgres, tmp_path)
    store.start()
    try:
        assert query(store, "select count(*) from kept") == "0"
    finally:
        store.stop()


def test_commits_wait_for_a_short_segment_of_the_log_only(tmp_path: Path) -> None:
    store = make(Postgres, tmp_path)
    store.start()
    try:
        assert query(store, "SHOW wal_segment_size") == f"{WAL_SEGMENT_MB}MB"
    finally:
        store.stop()


def test_half_a_cluster_of_a_killed_start_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    store = make(Postgres, tmp_path)
    store.start()
    store.stop()
    assert not half.exists()


def test_the_data_of_another_version_is_left_alone(tmp_path: Path) -> None:
    store = make(Postgres, tmp_path)
    store.data.mkdir()
    (store.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(Trouble, match="made by PostgreSQL 16"):
        store.start()


@pytest.mark.skipif(not processes.PROC.is_dir(), reason="only Linux tells which process is whose")
def test_a_pid_file_that_names_a_stranger_stops_nobody(tmp_path: Path) -> None:
    store = make(Valkey, tmp_path)
    store.start()
    store.stop()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (store.data / store.pid_file).write_text(f"{stranger.pid}\n")
        store.start()
        store.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize(("kind", "module"), [(Postgres, "postgres"), (Valkey, "valkey")])
@pytest.mark.skipif(not processes.PROC.is_dir(), reason="the kernel's help is Linux's")
def test_dies_with_a_killed_supervisor(kind: type[Store], module: str, tmp_path: Path, run_python: RunPython) -> None:
    code = LEAVE_BEHIND.format(kind=kind.__name__, module=module)
    supervisor = run_python(code, tmp_path / "data", "")
    server = int(supervisor.stdout.readline())
    supervisor.kill()
    until(lambda: not is_alive(server), f"{kind.__name__} has ended")


@pytest.mark.parametrize(("kind", "module"), [(Postgres, "postgres"), (Valkey, "valkey")])
def test_a_leftover_server_is_stopped_before_the_next(
    kind: type[Store], module: str, tmp_path: Path, run_python
) -> None:
    code = LEAVE_BEHIND.format(kind=kind.__name__, module=module)
    supervisor = run_python(code, tmp_path / "data", "without the kernel's help")
    leftover = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.wait()
    assert is_alive(leftover)
    store = make(kind, tmp_path)
    store.start()
    try:
        assert not is_alive(leftover)
        assert store.is_ready()
    finally:
        store.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")
def test_a_program_the_account_cannot_reach_runs_from_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make(Valkey, tmp_path)
    root, program = store.installed()
    private = tmp_path / "private" / "package"
    private.mkdir(parents=True)
    private.parent.chmod(0o700)
    subprocess.run(["cp", "-r", root, private / root.name], check=True)
    hidden = private / root.name
    monkeypatch.setattr(Valkey, "installed", lambda self: (hidden, hidden / program.relative_to(root)))
    store.start()
    try:
        (server,) = running(store.program, store.data, None)
        assert not Path(os.readlink(f"/proc/{server}/exe")).is_relative_to(tmp_path)
    finally:
        store.stop()
        Scratch(tmp_path / "scratch").clear()
