"""Words to the person at the terminal."""

from __future__ import annotations

import contextlib
import sys


class Trouble(Exception):
    """Why the command cannot go on, in a sentence for the person who gave it. It ends with exit code 1."""


def say(sentence: str) -> None:
    """One line to standard output, at once. A reader that has gone away (`| head`) does not stop what runs."""
    with contextlib.suppress(OSError):
        print(sentence, flush=True)


def complain(sentence: str) -> None:
    """One line to standard error."""
    with contextlib.suppress(OSError):
        print(f"console: {sentence}", file=sys.stderr, flush=True)
