"""What ends is started again; what is stopped is gone, with all it started."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from meshconsole.local import processes
from meshconsole.local.processes import MARK, Child
from meshconsole.local.stopping import StopRequest
from meshconsole.local.supervisor import Supervisor
from tests.local.conftest import RunPython, is_alive, until

# Writes its own and its child's process number; both then wait. The child pays no attention to SIGTERM.
FAMILY = """
import json, os, subprocess, sys, time
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", deaf])
unfinished = sys.argv[1] + ".new"
open(unfinished, "w").write(json.dumps([os.getpid(), child.pid]))
os.replace(unfinished, sys.argv[1])
time.sleep(60)
"""
SUPERVISE = """
import sys
from pathlib import Path
from tests.local.test_supervisor import FAMILY, child
from meshconsole.local.stopping import StopRequest
from meshconsole.local.supervisor import Supervisor
supervisor = Supervisor(StopRequest(), print)
supervisor.start(child(Path(sys.argv[1]), "web", FAMILY))
print("started", flush=True)
supervisor.wait(60)
"""


def child(
    folder: Path,
    name: str,
    code: str,
    grace_seconds: float = 2.0,
    niceness: int = 0,
    processor: int | None = None,
    **environment: str,
) -> Child:
    return Child(
        name,
        [sys.executable, "-c", code, folder / f"{name}.pids"],
        environment={**os.environ, **environment},
        directory=folder,
        log=folder / f"{name}.log",
        grace_seconds=grace_seconds,
        niceness=niceness,
        processor=processor,
    )


def pids(folder: Path, name: str) -> list[int]:
    path = folder / f"{name}.pids"
    until(path.exists, f"{name} has started")
    told: list[int] = json.loads(path.read_text())
    return told


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_killed_child_is_started_again_and_its_family_is_gone(tmp_path: Path, said: list[str]) -> None:
    supervisor = Supervisor(StopRequest(), said.append)
    supervisor.start(child(tmp_path, "web", FAMILY))
    try:
        first = pids(tmp_path, "web")
        (tmp_path / "web.pids").unlink()
        os.kill(first[0], signal.SIGKILL)
        until(lambda: supervisor.wait(0.05) or (tmp_path / "web.pids").exists(), "started again")
        second = pids(tmp_path, "web")
        assert not any(map(is_alive, first))
        assert all(map(is_alive, second))
        assert said == ["web was killed by signal 9; starting it again in 0.5 s."]
    finally:
        supervisor.stop()
    assert not any(map(is_alive, second))


@pytest.mark.skipif(not processes.PROC.is_dir(), reason="the kernel's help is Linux's")
def test_what_is_done_behind_the_web_lets_it_go_first(tmp_path: Path) -> None:
    supervisor, ours = Supervisor(StopRequest(), print), os.getpriority(os.PRIO_PROCESS, 0)
    supervisor.start(child(tmp_path, "worker", FAMILY, niceness=5))
    try:
        assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in pids(tmp_path, "worker")} == {min(19, ours + 5)}
    finally:
        supervisor.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked for a processor")
def test_a_child_keeps_to_its_processor_with_all_it_starts(tmp_path: Path) -> None:
    supervisor, one = Supervisor(StopRequest(), print), processes.processors()[-1]
    supervisor.start(child(tmp_path, "web", FAMILY, processor=one))
    try:
        family = pids(tmp_path, "web")
        assert len(family) == 2
        assert all(os.sched_getaffinity(pid) == {one} for pid in family)
    finally:
        supervisor.stop()


def test_the_wait_grows_with_each_failure(tmp_path: Path, said: list[str]) -> None:
    supervisor = Supervisor(StopRequest(), said.append)
    supervisor.start(child(tmp_path, "web", "import sys; sys.exit(3)"))
    until(lambda: supervisor.wait(0.05) or len(said) == 2, "failed twice")
    supervisor.stop()
    assert said == [f"web ended with exit code 3; starting it again in {wait} s." for wait in ("0.5", "1")]
    assert supervisor.failures("web") == 0


def test_tiers_stop_in_the_reverse_order(tmp_path: Path) -> None:
    code = """
import signal, sys, time
def end(*_): open(sys.argv[1] + ".ended", "w").write(repr(time.monotonic())); sys.exit()
signal.signal(15, end)
open(sys.argv[1], "w").write("[]")
time.sleep(60)
"""
    supervisor = Supervisor(StopRequest(), print)
    for name in ("store", "web", "demo"):
        supervisor.start(child(tmp_path, name, code))
        pids(tmp_path, name)
    supervisor.stop()
    ended = {name: float((tmp_path / f"{name}.pids.ended").read_text()) for name in ("store", "web", "demo")}
    assert ended["demo"] < ended["web"] < ended["store"]


def test_who_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    code = FAMILY.replace("time.sleep(60)\n", "import signal; signal.signal(15, signal.SIG_IGN); time.sleep(60)\n")
    supervisor = Supervisor(StopRequest(), print)
    supervisor.start(child(tmp_path, "web", code, grace_seconds=0.2))
    family = pids(tmp_path, "web")
    supervisor.stop()
    assert not any(map(is_alive, family))


@pytest.mark.skipif(not processes.PROC.is_dir(), reason="the kernel's help is Linux's")
def test_a_killed_supervisor_takes_its_children_with_it_and_the_next_start_the_rest(
    tmp_path: Path, run_python: RunPython
) -> None:
    mark = str(tmp_path / "a home")
    supervisor = run_python(SUPERVISE, tmp_path, **{MARK: mark})
    supervisor.stdout.readline()
    parent, orphan = pids(tmp_path, "web")
    supervisor.kill()
    supervisor.wait()
    until(lambda: not is_alive(parent), "the child has ended with its supervisor")
    assert is_alive(orphan)
    assert processes.end_marked(mark) == 1
    until(lambda: not is_alive(orphan), "the orphan has been ended")


def test_only_the_marked_are_ended(tmp_path: Path) -> None:
    assert processes.end_marked(str(tmp_path / "nobody's home")) == 0
