"""A run is found by the trace that its agent knows it by."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.conftest import Robot, robot_named
from tests.telemetry.exporting import span
from tests.telemetry.test_ungoverned import call_in

pytestmark = pytest.mark.django_db


def test_a_run_is_found_by_the_trace_it_was_opened_in_or_called_from(
    writer: Robot, sign_in: Callable[[str], Client]
) -> None:
    opened, called = span("turn"), span("turn")
    header = {"traceparent": f"00-{opened['trace']}-{opened['span']}-01"}
    writer.api().post("/api/v1/runs", {"title": "Dispute"}, format="json", headers=header)
    call_in(writer, called)
    omar = sign_in("omar")

    def titles(words: str) -> list[str]:
        return [row.run.title for row in omar.get("/runs/", {"q": words}).context["rows"]]

    assert titles(opened["trace"]) == titles(header["traceparent"]) == titles(opened["trace"].upper()) == ["Dispute"]
    assert len(titles(called["trace"])) == 1
    assert titles(called["trace"]) != ["Dispute"]
    assert titles("ab" * 16) == titles("ab" * 5) == []


def test_another_process_run_of_the_same_trace_is_not_shown(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    theirs = span("turn")
    header = {"traceparent": f"00-{theirs['trace']}-{theirs['span']}-01"}
    made = robot_named("payer").api().post("/api/v1/runs", {"title": "Theirs"}, format="json", headers=header)
    assert made.status_code == 201
    assert not sign_in("dana").get("/runs/", {"q": theirs["trace"]}).context["rows"]
