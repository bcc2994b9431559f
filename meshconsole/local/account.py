"""Which account a store runs under: PostgreSQL refuses root, and neither store needs it."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meshconsole.local.terminal import Trouble

UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """The ids a process is given, completely: user, group and no further groups. None leaves our own."""

    uid: int | None = None
    gid: int | None = None

    @property
    def is_other(self) -> bool:
        return self.uid is not None

    @property
    def groups(self) -> Sequence[int] | None:
        return [] if self.is_other else None

    def own(self, path: Path) -> None:
        """Gives a directory to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def can_run(self, program: Path) -> bool:
        """True when the account reaches the program and what it loads."""
        try:
            tried = subprocess.run(
                [program, "--version"],
                cwd="/",
                capture_output=True,
                user=self.uid,
                group=self.gid,
                extra_groups=self.groups,
            )
        except PermissionError:
            return False
        return tried.returncode == 0


def account_for_stores() -> Account:
    """Our own account, or for root the machine's unprivileged one."""
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise Trouble(
                f"User id {os.geteuid()} has no name on this machine, which PostgreSQL insists on. Name real servers "
                "with DATABASE_URL and CELERY_BROKER_URL, or run as a user that has one."
            ) from None
        return Account()
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
        account = Account(uid=entry.pw_uid, gid=entry.pw_gid)
        subprocess.run(
            ["/bin/sh", "-c", ":"], user=account.uid, group=account.gid, extra_groups=account.groups, check=True
        )
    except (KeyError, OSError):
        raise Trouble(
            f"PostgreSQL refuses to run as root, and root cannot start programs as “{UNPRIVILEGED}” here. Run "
            "./console as an ordinary user, or name real servers with DATABASE_URL and CELERY_BROKER_URL."
        ) from None
    return account
