"""What happens before the command: a Python is found, the lock files are installed when and only when they changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from meshconsole.local.launch import (
    CHECKOUT,
    DEV,
    EMBEDDED,
    RUNTIME,
    CannotInstall,
    ensure_current,
    is_current,
    make_venv,
    requirements_of,
)

# Stands in for the environment's Python: tells a version, and writes down what pip is asked to do.
FAKE_PYTHON = """#!/bin/sh
here=$(dirname "$0")
case "$*" in
    *platform*) [ ! -e "$here/broken" ] && cat "$here/version" ;;
    *pip*) sleep 0.1; echo "$*" >> "$here/pip.log"; exit "$(cat "$here/pip.exit")" ;;
esac
"""


class Venv:
    """An environment whose Python is the stand-in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "bin").mkdir(parents=True)
        self.tell_version("3.11.7")
        self.pip_exits_with(0)
        python = path / "bin" / "python"
        python.write_text(FAKE_PYTHON)
        python.chmod(0o755)

    def tell_version(self, version: str) -> None:
        (self.path / "bin" / "version").write_text(version)

    def pip_exits_with(self, code: int) -> None:
        (self.path / "bin" / "pip.exit").write_text(str(code))

    def break_down(self) -> None:
        (self.path / "bin" / "broken").touch()

    @property
    def installs(self) -> list[str]:
        log = self.path / "bin" / "pip.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PYTHON", raising=False)
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in (RUNTIME, EMBEDDED, DEV):
        (folder / name).write_text(f"# {name}\n")
    return folder


@pytest.fixture
def venv(checkout: Path) -> Venv:
    return Venv(checkout / ".venv")


def test_installs_once_and_then_not_again(venv: Venv, checkout: Path) -> None:
    for _ in range(2):
        ensure_current(venv.path, [RUNTIME, EMBEDDED], checkout)
    (installed,) = venv.installs
    assert "--require-hashes --only-binary :all:" in installed
    assert installed.endswith(f"-r {checkout / RUNTIME} -r {checkout / EMBEDDED}")


def test_a_changed_lock_is_installed_again(venv: Venv, checkout: Path) -> None:
    ensure_current(venv.path, [RUNTIME], checkout)
    (checkout / RUNTIME).write_text("# changed\n")
    ensure_current(venv.path, [RUNTIME], checkout)
    assert len(venv.installs) == 2


def test_another_python_in_the_environment_installs_again(venv: Venv, checkout: Path) -> None:
    ensure_current(venv.path, [RUNTIME], checkout)
    venv.tell_version("3.11.9")
    ensure_current(venv.path, [RUNTIME], checkout)
    assert len(venv.installs) == 2


def test_what_test_installed_is_enough_for_up(venv: Venv, checkout: Path) -> None:
    ensure_current(venv.path, [RUNTIME, EMBEDDED, DEV], checkout)
    ensure_current(venv.path, [RUNTIME, EMBEDDED], checkout)
    assert len(venv.installs) == 1


def test_what_up_installs_does_not_forget_what_test_needs(venv: Venv, checkout: Path) -> None:
    ensure_current(venv.path, [RUNTIME, EMBEDDED, DEV], checkout)
    (checkout / EMBEDDED).write_text("# changed\n")
    ensure_current(venv.path, [RUNTIME, EMBEDDED], checkout)
    ensure_current(venv.path, [RUNTIME, EMBEDDED, DEV], checkout)
    assert len(venv.installs) == 2


def test_a_failed_install_is_tried_again(venv: Venv, checkout: Path) -> None:
    venv.pip_exits_with(1)
    with pytest.raises(CannotInstall, match="DATABASE_URL"):
        ensure_current(venv.path, [RUNTIME, EMBEDDED], checkout)
    venv.pip_exits_with(0)
    ensure_current(venv.path, [RUNTIME, EMBEDDED], checkout)
    assert len(venv.installs) == 2


def test_two_first_starts_at_once_install_once(venv: Venv, checkout: Path) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: ensure_current(venv.path, [RUNTIME], checkout), range(4)))
    assert len(venv.installs) == 1


def test_a_broken_environment_is_made_anew(venv: Venv, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an upgrade of the system's Python: the environment is there, and its Python cannot find pip."""
    ensure_current(venv.path, [RUNTIME, EMBEDDED], checkout)
    venv.break_down()
    maker = checkout / "python3"
    maker.write_text(f"#!/bin/sh\n[ \"$*\" = '-I -m venv --clear {venv.path}' ] && rm '{venv.path}/bin/broken'\n")
    maker.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(maker))
    ensure_current(venv.path, [RUNTIME], checkout)
    assert len(venv.installs) == 2
    assert not is_current(venv.path, [RUNTIME, EMBEDDED], checkout)


def test_a_python_without_venv_names_the_package(venv: Venv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CannotInstall, match="apt-get install python3-venv"):
        make_venv(venv.path)


def test_a_place_that_cannot_be_written_names_the_way_out(checkout: Path) -> None:
    with pytest.raises(CannotInstall, match="MESHCONSOLE_VENV"):
        ensure_current(checkout / RUNTIME / "venv", [RUNTIME], checkout)


def test_real_servers_need_no_embedded_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://broker")
    assert requirements_of("up") == [RUNTIME, EMBEDDED]
    monkeypatch.setenv("DATABASE_URL", "postgresql://server/db")
    assert requirements_of("up") == [RUNTIME]
    assert requirements_of("test") == [RUNTIME, EMBEDDED, DEV]


def console(*arguments: str, at: Path = CHECKOUT, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [at / "console", *arguments]
    return subprocess.run(command, cwd="/", env={**os.environ, **environment}, capture_output=True, text=True)


def test_the_script_runs_from_a_path_with_spaces_and_any_directory(tmp_path: Path) -> None:
    copy = tmp_path / "my mesh console"
    (copy / "meshconsole").mkdir(parents=True)
    shutil.copy(CHECKOUT / "console", copy)
    shutil.copytree(CHECKOUT / "meshconsole" / "local", copy / "meshconsole" / "local")
    told = console("help", at=copy)
    assert told.returncode == 0
    assert "usage: ./console" in told.stdout


def test_an_unknown_command_is_a_sentence_and_exit_code_2() -> None:
    told = console("upp")
    assert told.returncode == 2
    assert "there is no command “upp”" in told.stderr


def test_a_python_that_does_not_fit_is_a_sentence() -> None:
    told = console("up", PYTHON="/bin/false")
    assert told.returncode == 1
    assert "not Python 3.11 or newer" in told.stderr
