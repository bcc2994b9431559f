"""The parts of a run's page below its readings: its caps, its state, its files."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from apps.gateway.run_budgets import section_of
from apps.runs.models import Run
from tests.artifacts.keeping import open_run, save, send_file
from tests.budgets.builders import make_budget
from tests.conftest import Robot, actor

pytestmark = pytest.mark.django_db


def page(client: Client, run: str) -> str:
    answer = client.get(f"/runs/{run}/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_run_without_anything_of_it_has_no_such_parts(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    shown = page(sign_in("omar"), open_run(writer))
    assert "Kept by agents" not in shown
    assert "Caps of this run" not in shown


def test_the_caps_of_a_run_are_shown_with_what_it_used(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    make_budget(cap=50, measure="steps", window="run")
    make_budget(cap=100_000, measure="money", currency="EUR", window="run")
    make_budget(cap=9, measure="calls", window="day")
    body = {"title": "Within the hour", "time_budget_seconds": 3600}
    run = writer.api().post("/api/v1/runs", body, format="json").json()["id"]
    before = page(sign_in("omar"), run)
    assert writer.call("180.00", run_id=run).status_code == 200
    after = page(sign_in("omar"), run)

    assert '0 steps</td><td class="number">50 steps' in before
    assert '1 step</td><td class="number">50 steps' in after
    assert '€180.00</td><td class="number">€1,000.00' in after
    assert "9 calls" not in after
    section = section_of(actor("omar"), Run.objects.get(id=run))
    assert section is not None
    assert section.shown.time.allowed == timedelta(hours=1)


def test_state_and_files_are_shown_as_their_classes_let(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    run = open_run(writer)
    save(writer, run, {"customer": "Acme <b>"}, data_class="personal")
    send_file(writer, run, name="open.txt")
    send_file(writer, run, b"IBAN", name="masked.txt", data_class="personal")
    seen, masked = page(sign_in("omar"), run), page(sign_in("dana"), run)
    may_ask = page(sign_in("chen"), run)

    assert "Acme &lt;b&gt;" in seen
    assert "Acme" not in masked + may_ask
    assert masked.count("masked for you") == 1
    assert "Reveal…" not in masked
    assert may_ask.count("Reveal…") == 2


def test_every_version_of_a_state_has_a_page(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    run = open_run(writer)
    etag = save(writer, run, {"step": "one"})["ETag"]
    save(writer, run, {"step": "two"}, etag=etag)
    omar = sign_in("omar")

    assert "&quot;two&quot;" in omar.get(f"/runs/{run}/state/").content.decode()
    assert "&quot;one&quot;" in omar.get(f"/runs/{run}/state/?version=1").content.decode()
    assert omar.get(f"/runs/{run}/state/?version=3").status_code == 404
    assert omar.get(f"/runs/{run}/state/?version=x").status_code == 404


def test_a_revealed_state_is_shown_once(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    run = open_run(writer)
    save(writer, run, {"customer": "Acme"}, data_class="personal")
    chen = sign_in("chen")
    asked, shown = chen.get(f"/runs/{run}/state/reveal/"), chen.post(f"/runs/{run}/state/reveal/", {"reason": "Why"})

    assert "Acme" not in asked.content.decode()
    assert "Acme" in shown.content.decode()
    assert shown["Cache-Control"] == "private, no-store"
    assert "Acme" not in chen.get(f"/runs/{run}/").content.decode()
