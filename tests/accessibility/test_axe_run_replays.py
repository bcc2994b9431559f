"""Replays of runs, in every state, as axe, a phone and a dark room see them."""

from typing import Any

import pytest
from playwright.sync_api import Page

from apps.replays import services
from apps.replays.services import run_working
from tests.accessibility.looking import Looker
from tests.conftest import Robot, actor
from tests.fakes.erp import FakeErp
from tests.policies.reviewing import raised
from tests.replays.test_run_replay import begun, made, replayed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_replays_of_a_run(
    live_server: Any, page: Page, writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_working, "CHUNK_SIZE", 2)
    run, looker = made(writer, "60.00", "600.00", "180.00", "6000.00"), Looker(page, live_server.url)
    draft = raised("100.00")
    looker.sign_in("priya")
    looker.at(f"/runs/{run}/", name="an ended run with its replay")
    looker.at(f"/runs/{run}/replays/", name="run never replayed")
    looker.at(f"/runs/{begun(writer)}/replays/", name="run that goes on")
    replay = services.replay_run(actor=actor("priya"), run_id=run)
    looker.at(f"/runs/{run}/replays/{replay.id}/", name="run replay queued")
    services.advance_run_replay(replay.id)
    looker.at(f"/runs/{run}/replays/{replay.id}/", name="run replay under way")
    services.cancel_run_replay(actor=actor("priya"), run_id=run, replay_id=replay.id)
    looker.at(f"/runs/{run}/replays/{replay.id}/", name="run replay called off")
    same = replayed(run)
    looker.at(f"/runs/{run}/replays/{same.id}/", name="run replay the same")
    parted = replayed(run, "priya", under="draft", draft_id=draft.id)
    looker.at(f"/runs/{run}/replays/{parted.id}/", name="run replay parted")
    looker.at(f"/runs/{run}/replays/", name="replays of a run")
    looker.sign_in("dana")
    looker.at(f"/runs/{run}/replays/", name="replays for who may only look")

    assert "\n".join(looker.found) == ""
