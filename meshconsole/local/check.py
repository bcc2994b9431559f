"""`./console check`: everything that can be said about the code without running it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from meshconsole.local.launch import CHECKOUT
from meshconsole.local.stopping import StopRequest
from meshconsole.local.terminal import say
from meshconsole.local.throw_away import throw_away_environment

# import-linter has no module to run
IMPORT_LINTER = "from importlinter.cli import lint_imports_command; lint_imports_command()"
CHECKS = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy"],
    "import-linter": ["-P", "-c", IMPORT_LINTER],
    "migrations": ["manage.py", "makemigrations", "--check", "--dry-run"],
    "deployment": ["manage.py", "check", "--deploy", "--fail-level", "WARNING"],
}
# As in production: no LOCAL, no DEMO, a public address.
PRODUCTION = {"ALLOWED_HOSTS": "console.example.com", "BASE_URL": "https://console.example.com"}


def main(arguments: list[str]) -> int:
    """0 when all pass. All are run, so that one start shows everything there is to mend."""
    stop = StopRequest().listen()
    with throw_away_environment(stop, settings="meshconsole.settings") as environment:
        failed = [
            name for name, command in CHECKS.items() if not stop.is_asked and not passes(name, command, environment)
        ]
    if stop.is_asked:
        return 130
    say(f"Failed: {', '.join(failed)}" if failed else "All static checks pass.")
    return 1 if failed else 0


def passes(name: str, command: list[str], environment: Mapping[str, str]) -> bool:
    """Runs one check; shows what it says only when it fails."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=CHECKOUT,
        env={**environment, **PRODUCTION},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    say(f"{'ok    ' if done.returncode == 0 else 'FAILED'}  {name}")
    if done.returncode:
        say(done.stdout)
    return done.returncode == 0
