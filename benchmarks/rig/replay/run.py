"""Fills the database it is given and prints what replays of it cost; started by `benchmarks.impact_replay`."""

import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

django.setup()

from apps.accounts.models import User  # noqa: E402  models are there once Django is set up
from apps.accounts.requests import actor_for  # noqa: E402
from apps.policies import services as policies  # noqa: E402
from apps.policies.models import PolicyDraft  # noqa: E402
from apps.policies.queries import version_of  # noqa: E402
from apps.registry.models import Agent  # noqa: E402
from apps.replays import services  # noqa: E402
from apps.replays.kinds import DIFFERENCES, REASONS  # noqa: E402
from apps.replays.tally import Tally  # noqa: E402
from benchmarks.rig.replay import rows  # noqa: E402
from examples.order_to_cash.bootstrap import document  # noqa: E402
from examples.order_to_cash.places import SYSTEMS, ensure_tokens  # noqa: E402

SET, LIMIT = "order-to-cash", "credit_alone_eur"


def main(count: int) -> None:
    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        ensure_tokens(home)
        file = home / "world.json"
        file.write_text(json.dumps(document(dict.fromkeys(SYSTEMS, 9), home)), encoding="utf-8")
        call_command("bootstrap", "--file", str(file), stdout=io.StringIO())
    agent = Agent.objects.select_related("process__owner_team", "owner_team").get(slug="o2c-triage")
    began = time.monotonic()
    rows.fill(count, agent)
    print(f"{count:,} decisions written in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(json.dumps(_measured("the release itself", _draft({}), count)), flush=True)
    print(json.dumps(_measured("a limit raised to €400", _draft({LIMIT: "400.00"}), count)), flush=True)


def _draft(limits: dict[str, str]) -> PolicyDraft:
    actor = actor_for(User.objects.get(username="priya"), via="command")
    draft = policies.start_draft(actor=actor, policy_set=SET)
    stored = version_of(draft).parameters
    parameters = {name: {**each, "value": limits.get(name, each["value"])} for name, each in stored.items()}
    return policies.save_draft(actor=actor, draft_id=draft.id, version=1, parameters=parameters)


def _measured(name: str, draft: PolicyDraft, count: int) -> dict[str, Any]:
    """From being asked for to its end, by as many workers as may share it, each a process as Celery's are."""
    replay = services.replay_draft(
        actor=actor_for(User.objects.get(username="priya"), via="command"), draft_id=draft.id
    )
    command = [sys.executable, "-m", "benchmarks.rig.replay.work", str(replay.id)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(services.LANES)]
    told = [json.loads(worker.communicate()[0]) for worker in workers]
    replay.refresh_from_db()
    assert replay.state == "done", replay.failure
    assert replay.started_at and replay.ended_at
    tally = Tally.from_json(replay.tally)
    return {
        "name": name,
        # without the start of the processes: workers are there
        "seconds": (replay.ended_at - replay.started_at).total_seconds(),
        "total": count,
        "done": replay.done_count,
        "differ": tally.counted((*DIFFERENCES, *REASONS)).count,
        "processor_seconds": sum(each["processor_seconds"] for each in told),
        "chunks": sum(each["chunks"] for each in told),
        "peak_mb": max(each["peak_mb"] for each in told),
        "grew_mb": max(each["grew_mb"] for each in told),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]))
