"""Fills the database it is given and prints what the list of runs costs; started by `benchmarks.runs_list`."""

import hashlib
import json
import sys
import tempfile
import time
from functools import partial

import django
from django.core.management import call_command

django.setup()

from benchmarks.rig.queue import world  # noqa: E402  models are there once Django is set up
from benchmarks.rig.queue.figures import browser, get, times_of  # noqa: E402
from benchmarks.rig.runs import rows  # noqa: E402

DEEP_PAGES = 10


def main(run_count: int, span_count: int) -> None:
    call_command("migrate", verbosity=0)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(world.document(), file)
        file.flush()
        call_command("bootstrap", "--file", file.name, stdout=sys.stderr)
    began = time.monotonic()
    spans = rows.fill(run_count=run_count, span_count=span_count)
    print(
        f"{run_count:,} runs, {spans:,} spans written in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
    )
    client = browser(world.APPROVER)
    figures = {}
    for name, address in _addresses(run_count).items():
        if (rows.TITLE in get(client, address).content.decode()) == (name == NOTHING):
            raise SystemExit(f"{address} does not show what it should.")
        times = times_of(partial(get, client, address))
        figures[name] = [times.p50_ms, times.p95_ms]
    print(json.dumps({"figures": figures}), flush=True)


NOTHING = "a name that nothing has"


def _addresses(run_count: int) -> dict[str, str]:
    middle = run_count // 2
    trace = hashlib.md5(str(middle).encode(), usedforsecurity=False).hexdigest()
    return {
        "newest first": "/runs/",
        f"page {DEEP_PAGES}": _deep(),
        "by trace id": f"/runs/?q={trace}",
        "by traceparent": f"/runs/?q=00-{trace}-00000000000000ab-01",
        "by business key": f"/runs/?q=INV-{middle}",
        "by words of the title": f"/runs/?q=voice+INV-{middle // 1000}",
        NOTHING: "/runs/?q=not-there",
        "failed": "/runs/?state=failed",
        "waiting for people": "/runs/?waiting=people",
        "of one agent, last day": "/runs/?agent=writer&since=24h",
        "API": "/api/v1/runs",
    }


def _deep() -> str:
    """The address of a page that is reached by turning pages."""
    client, cursor = browser(world.APPROVER), ""
    for _ in range(DEEP_PAGES - 1):
        cursor = get(client, f"/api/v1/runs?cursor={cursor}").json()["next"]
    return f"/runs/?after={cursor}"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
