"""The home: the one directory in which a console keeps its state."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshconsole.local.launch import CHECKOUT
from meshconsole.local.terminal import Trouble

OTHER_HOME = "./console up --home DIR, or MESHCONSOLE_HOME=DIR for every command"


class InUse(Trouble):
    """Another command holds the home."""

    def __init__(self, home: Path, holder: str) -> None:
        command, _, pid = holder.partition(" ")
        by = f"`./console {command}` (process {pid})" if pid else "another command"
        self.sentence = f"{home} is in use by {by}."
        super().__init__(f"{self.sentence} Stop that, or name another home: {OTHER_HOME}.")


@dataclass(frozen=True)
class Running:
    """What a console that runs tells the other commands on its home."""

    by: str
    environment: dict[str, str]


@dataclass(frozen=True)
class Home:
    """Paths of a home, its keys, and the lock that gives it to one command at a time."""

    path: Path

    @classmethod
    def at(cls, named: str | None = None) -> Home:
        """The home that was named, else that of the environment, else `.home` in the checkout. Nothing is made yet."""
        path = named or os.environ.get("MESHCONSOLE_HOME") or CHECKOUT / ".home"
        return cls(Path(path).expanduser().resolve())

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def demo(self) -> Path:
        return self.path / "demo"

    @property
    def secret_key(self) -> Path:
        return self.path / "secret.key"

    @property
    def vault_key(self) -> Path:
        return self.path / "vault.key"

    def prepare(self) -> None:
        """Makes what is missing: directories for their owner alone, and both keys. Existing keys are never changed."""
        try:
            for directory in (self.path, self.logs, self.demo):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self.path.stat().st_uid
            if owner != os.geteuid():
                raise Trouble(f"{self.path} belongs to user {owner}. Run as that user, or name another: {OTHER_HOME}.")
            self.path.chmod(0o700)
            _write_once(self.secret_key, secrets.token_urlsafe(64))
            # the form of a Fernet key
            _write_once(self.vault_key, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
        except OSError as error:
            raise Trouble(
                f"The home {self.path} cannot be used ({error.strerror}). Name another: {OTHER_HOME}."
            ) from None

    @contextmanager
    def claimed(self, by: str) -> Iterator[None]:
        """The home for this command alone; raises InUse when another has it. Given back even when we are killed."""
        self.prepare()
        with (self.path / "lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise InUse(self.path, lock.read()) from None
            lock.truncate(0)
            lock.write(f"{by} {os.getpid()}")
            lock.flush()
            self._running.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._running.unlink(missing_ok=True)
                lock.truncate(0)

    @property
    def _running(self) -> Path:
        return self.path / "run.json"

    def announce(self, by: str, environment: Mapping[str, str]) -> None:
        """Lets the other commands on this home find the stores, until the claim ends."""
        write_private(
            self._running, json.dumps({"by": by, "pid": os.getpid(), "environment": dict(environment)}, indent=1)
        )

    def running(self) -> Running | None:
        """What the holder of the home has announced, if it has yet."""
        try:
            said = json.loads(self._running.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return Running(by=said["by"], environment=said["environment"])


def write_private(path: Path, text: str) -> None:
    """The whole file or the old one, readable by its owner alone from its first byte on."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.replace(path)


def read_json(path: Path, default: Any) -> Any:
    """What the file says, or the default when there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        write_private(path, text)
