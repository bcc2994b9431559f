"""`python -m meshconsole.local <command> …`, in the virtual environment that `./console` made."""

from __future__ import annotations

import sys
from importlib import import_module

from meshconsole.local.stopping import Stopped
from meshconsole.local.terminal import Trouble, complain

STOPPED = 130
COMMANDS = ("up", "test", "check", "bench", "manage")


def main(arguments: list[str]) -> int:
    """The command's exit code; 1 with a sentence when it cannot go on, 130 when it was stopped on the way."""
    command, rest = arguments[0], arguments[1:]
    if command not in COMMANDS:
        complain(f"there is no command “{command}”.")
        return 2
    try:
        code: int = import_module(f"meshconsole.local.{command}").main(rest)
        return code
    except Trouble as trouble:
        complain(str(trouble))
        return 1
    except (Stopped, KeyboardInterrupt):
        return STOPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
