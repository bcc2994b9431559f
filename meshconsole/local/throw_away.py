"""Stores for the length of one command: fast because nothing has to survive, gone when it ends."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from meshconsole.local import environment as environments
from meshconsole.local import processes
from meshconsole.local.postgres import Postgres
from meshconsole.local.scratch import Scratch
from meshconsole.local.stopping import StopRequest
from meshconsole.local.stores import Store
from meshconsole.local.supervisor import Supervisor
from meshconsole.local.terminal import complain
from meshconsole.local.valkey import Valkey

PREFIX = "meshconsole-throw-away-"


@contextmanager
def throw_away_environment(stop: StopRequest, *, settings: str) -> Iterator[dict[str, str]]:
    """An environment for Django on an empty PostgreSQL and Valkey with fresh keys; nothing of the caller's own
    console.

    Processes started with it are killed when it ends, the stores stopped, the files removed.
    """
    clear_abandoned()
    directory = Path(tempfile.mkdtemp(prefix=PREFIX))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, directory, ignore_errors=True)
        lock = cleanup.enter_context((directory / "lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        scratch = Scratch(directory / "scratch")
        cleanup.callback(scratch.clear)
        stores = stores_in(directory, scratch, stop)
        supervisor = Supervisor(stop, complain)
        cleanup.callback(supervisor.stop)
        cleanup.callback(processes.end_marked, str(directory))
        supervisor.start(*stores)
        yield {
            **environments.without_product(os.environ),
            **environments.variables_of(stores),
            "DJANGO_SETTINGS_MODULE": settings,
            "SECRET_KEY": secrets.token_urlsafe(64),
            "VAULT_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "MESHCONSOLE_HOME": str(directory / "home"),
            "STATIC_ROOT": str(directory / "static"),
            processes.MARK: str(directory),
        }


def stores_in(directory: Path, scratch: Scratch, stop: StopRequest) -> list[Store]:
    return [
        Postgres(directory / "pg", log=directory / "postgres.log", scratch=scratch, stop=stop, durable=False),
        Valkey(directory / "valkey", log=directory / "valkey.log", scratch=scratch, stop=stop, durable=False),
    ]


def clear_abandoned() -> None:
    """Removes what commands that were killed left: directories of ours whose lock nobody holds."""
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
                continue
            with (directory / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                processes.end_marked(str(directory))
                scratch = Scratch(directory / "scratch")
                for store in stores_in(directory, scratch, StopRequest()):
                    # it may not have ended yet, and would write on while we remove
                    store.stop_leftover()
                scratch.clear()
                shutil.rmtree(directory, ignore_errors=True)
        except OSError:
            # in use, or just being made
            continue
