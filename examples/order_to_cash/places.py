"""Where the mesh keeps things: ports and tokens of the three systems, under one home directory."""

from __future__ import annotations

import json
import os
import secrets
import socket
from pathlib import Path

import httpx

SYSTEMS = ("erp", "crm", "ticketing")
PROBE_SECONDS = 1.0


def ensure_tokens(home: Path) -> None:
    """Make each system's token file, readable by its owner alone, unless it is there."""
    home.mkdir(parents=True, exist_ok=True)
    for system in SYSTEMS:
        write_secret(token_file(home, system), secrets.token_urlsafe(32), replace=False)


def token_file(home: Path, system: str) -> Path:
    return home / f"{system}.token"


def write_secret(path: Path, text: str, *, replace: bool) -> None:
    """Write a file that was never readable by anyone else, whole or not at all."""
    if path.exists() and not replace:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def ensure_ports(ports_file: Path, home: Path) -> dict[str, int]:
    """The systems' ports: those of the file as long as they are free or ours, otherwise new ones, written back."""
    known = _read_ports(ports_file)
    ports = {system: known.get(system, 0) for system in SYSTEMS}
    for system, port in ports.items():
        if not port or not (_is_free(port) or _is_ours(port, token_file(home, system))):
            ports[system] = _free_port(taken=set(ports.values()))
    if ports != known:
        ports_file.parent.mkdir(parents=True, exist_ok=True)
        draft = ports_file.with_name(f".{ports_file.name}.{os.getpid()}")
        draft.write_text(json.dumps(ports) + "\n", encoding="utf-8")
        draft.replace(ports_file)
    return ports


def _read_ports(ports_file: Path) -> dict[str, int]:
    if not ports_file.exists():
        return {}
    document = json.loads(ports_file.read_text(encoding="utf-8"))
    return {system: int(document[system]) for system in SYSTEMS if system in document}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_ours(port: int, token: Path) -> bool:
    """Whether what listens there is the system that this home's token opens."""
    if not token.exists():
        return False
    headers = {"Authorization": f"Bearer {token.read_text(encoding='utf-8').strip()}"}
    try:
        return httpx.get(f"http://127.0.0.1:{port}/faults", headers=headers, timeout=PROBE_SECONDS).status_code == 200
    except httpx.HTTPError:
        return False


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
