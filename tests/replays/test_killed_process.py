"""A worker is killed by SIGKILL in the middle of its chunk; the next one goes on where it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from django.db import connection

from apps.replays import services
from apps.replays.models import ImpactReplay
from tests.conftest import Robot, actor
from tests.live import until
from tests.policies.reviewing import raised
from tests.replays.histories import carried_out, facts, kinds, stored

CHECKOUT = Path(__file__).resolve().parents[2]
COUNT, CHUNK = 400, 100
# Works until its second chunk is decided, says so, and is then busy with writing it until it is killed.
WORKER = """
import sys, time, django
django.setup()
from apps.replays.services import running
real, chunks = running._count, []
def slow(*arguments):
    real(*arguments)
    chunks.append(1)
    if len(chunks) == 2:
        print("second", flush=True)
        time.sleep(600)
running._count = slow
while running.advance_replay(sys.argv[1]):
    pass
"""


def database_url() -> str:
    found = connection.settings_dict
    server = {"host": found["HOST"], "port": found["PORT"] or "5432"}
    return f"postgresql://{quote(found['USER'] or '')}@/{found['NAME']}?{urlencode(server)}"


@pytest.mark.django_db(transaction=True)
def test_what_a_killed_process_held_is_done_once_by_the_next(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(facts(amount) for _ in range(COUNT // 2) for amount in ("180.00", "600.00"))
    replay = services.replay_draft(actor=actor("priya"), draft_id=raised().id)
    ImpactReplay.objects.filter(id=replay.id).update(chunk_size=CHUNK)
    environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "meshconsole.settings_test"}
    command = [sys.executable, "-c", WORKER, str(replay.id)]
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "second\n"
        worker.send_signal(signal.SIGKILL)
    replay.refresh_from_db()
    first = replay.done_count
    assert 0 < first < COUNT
    until(lambda: services.advance_replay(replay.id), "the chunk is free")
    done = carried_out(replay)
    assert (done.state, done.done_count, kinds(done)) == ("done", COUNT, {"approval-to-allow": COUNT // 2})
