"""What PostgreSQL and Valkey have in common: a data directory, a socket, an account, a way to stop."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from meshconsole.local import processes
from meshconsole.local.account import account_for_stores
from meshconsole.local.scratch import Scratch
from meshconsole.local.stopping import StopRequest
from meshconsole.local.terminal import Trouble

START_SECONDS = 120.0
LEFTOVER_SECONDS = 60.0
# A socket's address holds 108 bytes on Linux and 104 on macOS.
SOCKET_PATH_BYTES = 100
# URLs of sockets are read by libpq, kombu and redis-py, each with its own idea of quoting: nothing here needs any.
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
# Nothing of the caller's: PGOPTIONS and the like would reach the server and its tools.
BARE_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


def package_directory(name: str) -> Path:
    """Where a wheel was unpacked; it is found without being imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise Trouble(f"{name} is not installed. Name real servers: DATABASE_URL and CELERY_BROKER_URL.")
    return Path(spec.origin).parent


class Store(ABC):
    """One server on a Unix socket that only our own user reaches. Data survives `kill -9` unless `durable` is off.

    As root it runs under the machine's unprivileged account, though neither the home (0700) nor what lies above it
    need be open to that account: it gets the data directory as its working directory and as an open descriptor.
    """

    name: str
    program: ClassVar[str]
    socket_name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    stop_seconds: ClassVar[float]
    pid_file: ClassVar[str]

    def __init__(
        self, data: Path, *, log: Path, scratch: Scratch, durable: bool = True, stop: StopRequest | None = None
    ) -> None:
        self.data = data
        self.log = log
        self.durable = durable
        self.account = account_for_stores()
        self._scratch = scratch
        self._stop = stop or StopRequest()
        self._socket_directory: Path | None = None
        self._copy: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._asked_at = 0.0

    # --- what each store says of itself

    @abstractmethod
    def installed(self) -> tuple[Path, Path]:
        """The directory its wheel unpacked, and the program below it."""

    @abstractmethod
    def command(self, program: Path, data: str) -> list[str]:
        """The command line. `data` is a path by which the account reaches the data directory."""

    @abstractmethod
    def is_ready(self) -> bool:
        """True when it answers."""

    @abstractmethod
    def variables(self) -> dict[str, str]:
        """What Django is told about it."""

    def prepare(self, program: Path) -> None:
        """Makes the data directory when there is none."""
        self.make_directory(self.data)

    # --- life

    def start(self) -> None:
        """Starts it and waits until it answers. What a killed console left of it is stopped first.

        Raises Stopped when stopping is asked for meanwhile: recovery after a crash can take its time.
        """
        self.stop_leftover()
        program = self._reachable_program()
        self.prepare(program)
        with self.reached(self.data) as (path, descriptor):
            log = processes.open_log(self.log)
            try:
                self._process = subprocess.Popen(
                    self.command(program, path),
                    # entered before root is dropped, so nothing above it need be open to the account
                    cwd=self.data,
                    env=BARE_ENVIRONMENT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(descriptor,),
                    start_new_session=True,
                    preexec_fn=processes.die_with_parent(self.stop_signal),
                    user=self.account.uid,
                    group=self.account.gid,
                    extra_groups=self.account.groups,
                )
            finally:
                os.close(log)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            self._stop.check()
            if (code := self.exit_code()) is not None:
                raise Trouble(f"{self.name} ended with {code}:\n{processes.last_lines(self.log)}\n(from {self.log})")
            if time.monotonic() > deadline:
                raise Trouble(f"{self.name} did not answer within {START_SECONDS:g} s. Its log: {self.log}")
            time.sleep(0.02)

    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def ask_to_stop(self) -> None:
        self._asked_at = time.monotonic()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.stop_signal)

    def finish(self) -> None:
        """Waits until it has stopped; kills it when it takes too long, which loses nothing that was committed."""
        if self._process is not None:
            processes.wait_or_kill(self._process, until=self._asked_at + self.stop_seconds)

    def stop(self) -> None:
        """Asks it to stop and waits until it has."""
        self.ask_to_stop()
        self.finish()

    def stop_leftover(self) -> None:
        """Ends a server on this data directory whose supervisor was killed: two on one directory would ruin it."""
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while left := processes.running(self.program, self.data, leader := self._recorded_pid()):
            if leader in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(leader, self.stop_signal)
            if time.monotonic() > deadline:
                raise Trouble(f"{self.name} of an earlier run (process {left[0]}) does not stop.")
            time.sleep(0.1)
        if processes.PROC.is_dir():
            # no server is left, whatever its files say: their number may be that of a stranger by now
            for name in (self.pid_file, f"{self.socket_name}.lock"):
                (self.data / name).unlink(missing_ok=True)

    def _recorded_pid(self) -> int:
        try:
            return int((self.data / self.pid_file).read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return 0

    # --- paths

    @property
    def socket_directory(self) -> Path:
        """Where clients find the socket, which lies in the data directory.

        That directory itself, or a short-lived link to it where its path is too long or not plain enough.
        """
        if self._socket_directory is None:
            path = str(self.data / self.socket_name)
            if len(os.fsencode(path)) <= SOCKET_PATH_BYTES and PLAIN_PATH.fullmatch(path):
                self._socket_directory = self.data
            else:
                self._socket_directory = self._scratch.make() / "data"
                self._socket_directory.symlink_to(self.data)
        return self._socket_directory

    def make_directory(self, path: Path) -> None:
        """An empty directory that the account owns; one that exists stays as it is."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.account.own(path)

    @contextmanager
    def reached(self, directory: Path) -> Iterator[tuple[str, int]]:
        """A path by which the account reaches the directory, and the descriptor its process must inherit for that."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if not self.account.is_other:
                yield str(directory), descriptor
            elif Path("/proc/self/fd").is_dir():
                # leads straight to the directory: what lies above it is not asked for its permissions
                yield f"/proc/self/fd/{descriptor}", descriptor
            else:
                raise Trouble(f"{self.name} cannot run for root on this system. Run ./console as an ordinary user.")
        finally:
            os.close(descriptor)

    def _reachable_program(self) -> Path:
        """The program, copied to a short-lived directory when the account cannot reach the virtual environment."""
        root, program = self.installed()
        if not self.account.is_other or self.account.can_run(program):
            return program
        if self._copy is None:
            self._copy = self._scratch.make(mode=0o755)
            for part in self.parts(root):
                copy_for_everyone(part, self._copy / part.relative_to(root.parent.parent))
        copied = self._copy / program.relative_to(root.parent.parent)
        if not self.account.can_run(copied):
            raise Trouble(
                f"{self.name} cannot run from {program} nor from {copied}. Run ./console as an ordinary user."
            )
        return copied

    def parts(self, root: Path) -> list[Path]:
        """The directories the program needs, with their place relative to each other."""
        return [root]


def copy_for_everyone(source: Path, target: Path) -> None:
    """Copies a tree and lets everyone read and run it, whatever umask it was installed under."""
    shutil.copytree(source, target, symlinks=True)
    for directory, _, names in os.walk(target):
        Path(directory).chmod(0o755)
        for path in (Path(directory, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o755)
