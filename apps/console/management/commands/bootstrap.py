"""`manage bootstrap --file FILE`: make the mesh that the file declares.

The last line of standard output is JSON with the secrets made in this run, which are told nowhere else:
`{"credentials": [{"agent", "client_id", "client_secret"}], "people": [{"username", "password"}]}`.
"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.console.bootstrap.load import Made, load
from apps.core.actor import system_actor
from apps.core.errors import MeshError


class Command(BaseCommand):
    help = "Load a mesh from a file: processes, people, agents, tools, grants, policies, budgets. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", required=True, help="the JSON file, or - for standard input")
        parser.add_argument("--check", action="store_true", help="say what it would do, and what tools would break")
        parser.add_argument(
            "--force", default="", metavar="REASON", help="change tools although policies that decide now would break"
        )

    def handle(self, *args: Any, file: str, check: bool, force: str, **options: Any) -> None:
        document = _read(file)
        try:
            made = load(document, actor=system_actor("bootstrap"), force=force, check=check)
        except MeshError as error:
            problems = error.details.get("errors", [])
            for problem in problems:
                self.stderr.write(f"{problem['pointer'] or '(the whole file)'}: {problem['sentence']}")
            raise CommandError(f"{error.sentence} Nothing was changed.") from None
        self._report(Made(notes=made.notes, warnings=made.warnings) if check else made)
        if check:
            self.stderr.write("This was a check. Nothing was changed.")

    def _report(self, made: Made) -> None:
        for note in made.notes + made.warnings:
            self.stderr.write(note)
        self.stdout.write(json.dumps({"credentials": made.credentials, "people": made.people}))


def _read(file: str) -> Any:
    """The document. What is no JSON, or says one thing twice, is refused with the place."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{file} is not JSON: {error}. Nothing was changed.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"“{next(name for name in names if names.count(name) > 1)}” stands twice in one object")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")
