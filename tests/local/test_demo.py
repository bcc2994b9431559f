"""The demo keeps its ports and its secrets from one start to the next."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from meshconsole.local.demo import SYSTEMS, Demo, outside_program
from meshconsole.local.processes import MARK
from meshconsole.local.terminal import Trouble


def made(*agents: str, **passwords: str) -> str:
    credentials = [{"agent": agent, "client_id": agent, "client_secret": f"{agent}-secret"} for agent in agents]
    people = [{"username": name, "password": password} for name, password in passwords.items()]
    return "Made 3 things.\n" + json.dumps({"credentials": credentials, "people": people}) + "\n"


def test_ports_stay_the_same(tmp_path: Path) -> None:
    first = Demo(tmp_path).choose_ports()
    assert set(first) == set(SYSTEMS)
    assert len(set(first.values())) == len(SYSTEMS)
    assert Demo(tmp_path).choose_ports() == first == json.loads((tmp_path / "ports.json").read_text())


def test_a_port_that_a_stranger_took_is_changed_and_no_other(tmp_path: Path) -> None:
    first = Demo(tmp_path).choose_ports()
    with socket.create_server(("127.0.0.1", first["crm"])):
        second = Demo(tmp_path).choose_ports()
    assert second["crm"] != first["crm"]
    assert (second["erp"], second["ticketing"]) == (first["erp"], first["ticketing"])


def test_secrets_printed_once_are_kept(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    demo.keep(made("o2c-intake", "o2c-triage", dana="first"))
    demo.keep(made("o2c-triage"))
    demo.keep(made())
    kept = json.loads((tmp_path / "credentials.json").read_text())["credentials"]
    assert [entry["agent"] for entry in kept] == ["o2c-intake", "o2c-triage"]
    assert json.loads((tmp_path / "people.json").read_text()) == {"people": [{"username": "dana", "password": "first"}]}
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600


def test_a_bootstrap_that_ends_otherwise_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="line of JSON"):
        Demo(tmp_path).keep("Something else.\n")


def test_it_is_given_neither_database_nor_keys() -> None:
    told = {"DATABASE_URL": "x", "CELERY_BROKER_URL": "x", "SECRET_KEY_FILE": "x", "VAULT_KEYS": "x", "PATH": "/bin"}
    assert outside_program({**told, MARK: "home"}) == {"PATH": "/bin", MARK: "home"}
