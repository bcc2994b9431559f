"""Fills the database it is given and prints what working in it costs; started by `benchmarks.approvals_queue`."""

import json
import sys
import tempfile
import time

import django
from django.core.management import call_command

django.setup()

from apps.accounts.models import User  # noqa: E402  models are there once Django is set up
from benchmarks.rig.queue import figures, rows, world  # noqa: E402


def main(sizes: list[int]) -> None:
    call_command("migrate", verbosity=0)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(world.document(), file)
        file.flush()
        call_command("bootstrap", "--file", file.name, stdout=sys.stderr)
    User.objects.filter(username=world.ADMINISTRATOR).update(is_superuser=True, is_staff=True)
    for size in sizes:
        began = time.monotonic()
        rows.fill(size, teams=world.TEAMS)
        print(f"{size:,} approvals written in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        found = {name: [times.p50_ms, times.p95_ms] for name, times in figures.figures().items()}
        print(json.dumps({"size": size, "figures": found}), flush=True)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]])
