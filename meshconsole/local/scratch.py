"""Short-lived directories outside the home, each written down before it is made, so that none is left behind."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

# Not the TMPDIR of the environment: what goes here goes here because its path must be short and plain.
BASE = Path("/tmp")
PREFIX = "meshconsole-"


class Scratch:
    """Directories listed in one register; `clear` removes those of this run and of one that was killed."""

    def __init__(self, register: Path) -> None:
        self._register = register

    def make(self, mode: int = 0o700) -> Path:
        """A new directory with a short, plain path."""
        path = BASE / f"{PREFIX}{secrets.token_hex(5)}"
        with self._register.open("a", encoding="utf-8") as register:
            register.write(f"{path}\n")
        path.mkdir(mode=0o700)
        # the umask may have taken bits from mkdir's mode, never from chmod's
        path.chmod(mode)
        return path

    def clear(self) -> None:
        """Removes every directory in the register, and the register."""
        if not self._register.exists():
            return
        for line in self._register.read_text(encoding="utf-8").splitlines():
            path = Path(line)
            # whoever could write the register must not choose what root removes
            if path.parent == BASE and path.name.startswith(PREFIX) and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
        os.unlink(self._register)
