"""The home belongs to one user and one command at a time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from meshconsole.local.home import Home, InUse, write_private
from meshconsole.local.terminal import Trouble
from tests.local.conftest import RunPython, until

HOLD = (
    "import sys, time; from meshconsole.local.home import Home\nwith Home.at(sys.argv[1]).claimed('up'): time.sleep(60)"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(str(tmp_path / "a home"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_is_closed_to_others(home: Home) -> None:
    home.prepare()
    assert mode(home.path) == 0o700
    assert {mode(path) for path in (home.secret_key, home.vault_key)} == {0o600}


def test_keys_are_made_once(home: Home) -> None:
    home.prepare()
    before = home.secret_key.read_text(), home.vault_key.read_text()
    home.prepare()
    assert (home.secret_key.read_text(), home.vault_key.read_text()) == before


def test_two_homes_have_different_keys(home: Home, tmp_path: Path) -> None:
    other = Home.at(str(tmp_path / "other"))
    home.prepare()
    other.prepare()
    assert home.secret_key.read_text() != other.secret_key.read_text()
    assert home.vault_key.read_text() != other.vault_key.read_text()


def test_a_second_command_is_told_who_has_it(home: Home) -> None:
    with (
        home.claimed("up"),
        pytest.raises(InUse, match=rf"`\./console up` \(process {os.getpid()}\)"),
        home.claimed("up"),
    ):
        pass
    with home.claimed("manage"):
        pass


def test_kill_minus_nine_gives_it_back(home: Home, run_python: RunPython) -> None:
    holder = run_python(HOLD, home.path)
    until(lambda: (home.path / "lock").exists() and bool((home.path / "lock").read_text()), "the home is held")
    holder.kill()
    holder.wait()
    with home.claimed("up"):
        pass


def test_what_is_announced_ends_with_the_claim(home: Home) -> None:
    with home.claimed("up"):
        home.announce("up", {"DATABASE_URL": "postgresql://x"})
        running = home.running()
        assert running is not None
        assert running.environment == {"DATABASE_URL": "postgresql://x"}
        assert mode(home.path / "run.json") == 0o600
    assert home.running() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_the_home_of_another_user_is_refused(home: Home) -> None:
    home.path.mkdir()
    os.chown(home.path, 12345, 12345)
    with pytest.raises(Trouble, match="belongs to user 12345"):
        home.prepare()


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Trouble, match="--home DIR"):
        Home.at(str(tmp_path / "file" / "home")).prepare()


def test_private_files_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old and longer")
    write_private(path, "new")
    assert path.read_text() == "new"
    assert mode(path) == 0o600
