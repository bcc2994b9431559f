"""Processes: ending with their parent, being found again after a crash, being ended with all they started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

# Every process `up` starts carries the home under this name, and hands it on to what it starts itself.
MARK = "MESHCONSOLE_SUPERVISED"
PROC = Path("/proc")
PR_SET_PDEATHSIG = 1
# A killed process is gone in milliseconds; one that hangs in the kernel must not hang us.
GROUP_SECONDS = 1.0
# A log longer than this at start is set aside as <name>.log.1.
LOG_BYTES = 10 * 1024 * 1024


def processors() -> list[int]:
    """The numbers of those we may use. Linux tells; elsewhere none are known."""
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def die_with_parent(
    number: signal.Signals, *, niceness: int = 0, processor: int | None = None
) -> Callable[[], None] | None:
    """For `preexec_fn`: on Linux the kernel sends the signal when we end, even by `kill -9`, lets others go before a
    process that is nice, and runs it on the processor named alone. Elsewhere it does none of it.
    """
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number)
        os.nice(niceness)
        if processor is not None:
            os.sched_setaffinity(0, {processor})
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def end_group(leader: int) -> None:
    """Kills what is left of a process group: a worker outlives a killed granian and goes on serving the port.

    For a leader that has ended and been waited for: it would count as left.
    """
    deadline = time.monotonic() + GROUP_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
        while _is_group_alive(leader) and time.monotonic() < deadline:
            time.sleep(0.005)


def _is_group_alive(leader: int) -> bool:
    """Raises ProcessLookupError when the group is gone. The dead whom nobody has collected yet do not count."""
    os.killpg(leader, 0)
    if not PROC.is_dir():
        return True
    for entry in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(group) == leader and state not in "ZX":
                return True
    return False


def wait_or_kill(process: subprocess.Popen[bytes], *, until: float) -> None:
    """Gives the process until then (on the monotonic clock) to end, then kills it; what it started goes with it."""
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    end_group(process.pid)


def marked(mark: str) -> Iterator[int]:
    """The processes that carry the mark. Linux tells; elsewhere none are found."""
    wanted = os.fsencode(f"{MARK}={mark}")
    for directory in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (directory / "environ").read_bytes().split(b"\0") and int(directory.name) != os.getpid():
                yield int(directory.name)


def end_marked(mark: str, within: float = 5.0) -> int:
    """Kills every process that carries the mark, and counts them. Only for whoever holds what the mark names."""
    ended, deadline = set[int](), time.monotonic() + within
    while (left := set(marked(mark))) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended |= left
        time.sleep(0.02)
    return len(ended)


def running(program: str, directory: Path, recorded: int | None) -> list[int]:
    """The processes that run the program in the directory. `recorded` is the number from the program's pid file.

    Linux is asked for all of them. Elsewhere only the recorded one is looked at, and only believed when it runs the
    program: numbers in old pid files are given to strangers later.
    """
    if PROC.is_dir():
        return [int(entry.name) for entry in PROC.glob("[0-9]*") if _runs_in(entry, program, directory)]
    if recorded is None:
        return []
    told = subprocess.run(["ps", "-o", "comm=", "-p", str(recorded)], capture_output=True, text=True)
    return [recorded] if Path(told.stdout.strip()).name == program else []


def _runs_in(entry: Path, program: str, directory: Path) -> bool:
    try:
        name = Path(os.readlink(entry / "exe")).name.removesuffix(" (deleted)")
        return name == program and os.path.samefile(entry / "cwd", directory)
    except OSError:
        return False


def open_log(path: Path) -> int:
    """A descriptor that appends to the log, begun anew when the old one has grown large. The caller closes it."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def last_lines(path: Path, count: int = 15) -> str:
    """The end of a log, for the person who has to find out."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
    except OSError:
        return ""


class Child:
    """A program kept running by the supervisor: its own session, its output in its log."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        directory: Path,
        log: Path,
        grace_seconds: float = 6.0,
        niceness: int = 0,
        processor: int | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command, self._environment, self._directory = command, environment, directory
        self._grace_seconds = grace_seconds
        self._prepare_child = die_with_parent(signal.SIGTERM, niceness=niceness, processor=processor)
        self._process: subprocess.Popen[bytes] | None = None
        self._asked_at = 0.0

    def start(self) -> None:
        """Starts it. From the main thread only: it dies with the thread that started it."""
        log = open_log(self.log)
        try:
            # its own session, so that Ctrl-C reaches the supervisor alone and the order of stopping holds
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._prepare_child,
            )
        finally:
            os.close(log)

    def exit_code(self) -> int | None:
        """How it ended (its group is then gone too), or None while it runs."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        end_group(self._process.pid)
        return code

    def ask_to_stop(self) -> None:
        self._asked_at = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def finish(self) -> None:
        """Waits out its grace since it was asked, then kills it and its group."""
        if self._process is None:
            return
        wait_or_kill(self._process, until=self._asked_at + self._grace_seconds)
