"""A bug of ours: one answer that tells nothing, one line in the log without what people and agents sent."""

import logging
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.test import Client
from structlog.stdlib import ProcessorFormatter

from apps.runs import api as runs_api
from apps.runs import views as runs_views
from tests.conftest import Robot
from tests.contract.database import contents
from tests.contract.problems import problem_of

pytestmark = pytest.mark.django_db

TITLE = "Dispute of a customer with a name"


def breaks(*arguments: Any, **more: Any) -> NoReturn:
    raise RuntimeError("a part is broken")


def test_a_program_gets_a_problem_with_the_request_id_alone(
    writer: Robot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runs_api.services, "open_run", breaks)
    before = contents()
    answer = writer.api().post("/api/v1/runs", {"title": TITLE}, format="json")

    assert problem_of(answer) == (500, "bug")
    assert "broken" not in answer.content.decode()
    assert contents() == before
    assert writer.token not in _checked_log(caplog, answer)


def test_a_person_gets_a_page_that_needs_nothing_of_what_may_be_broken(
    writer: Robot,
    sign_in: Callable[[str], Client],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(runs_views, "processes_visible_to", breaks)
    answer = sign_in("omar").get("/runs/", {"q": TITLE})

    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()
    assert "a part is broken" not in answer.content.decode()
    _checked_log(caplog, answer)


def _checked_log(caplog: pytest.LogCaptureFixture, answer: Any) -> str:
    """What the product's own handler writes of it."""
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    formatter = next(formatter for formatter in formatters if isinstance(formatter, ProcessorFormatter))
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    line = formatter.format(errors[0])
    assert "a part is broken" in line
    assert answer["X-Request-Id"] in line
    assert TITLE not in line
    return line
