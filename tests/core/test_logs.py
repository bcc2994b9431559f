"""The log explains and never tells: no argument, password or token stands in it, not even when something breaks."""

import io
import logging

import pytest

from tests.conftest import Robot


@pytest.mark.django_db
def test_a_bug_is_logged_without_the_values_around_it(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*args: object, **kwargs: object) -> None:
        planted = "planted-secret"
        raise ZeroDivisionError(len(planted))

    monkeypatch.setattr("apps.gateway.services.intake.verdict_on", break_down)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.getLogger().handlers[0].formatter)
    logging.getLogger("django.request").addHandler(handler)
    try:
        answer = writer.call("180.00", rationale="planted-rationale")
    finally:
        logging.getLogger("django.request").removeHandler(handler)

    assert answer.status_code == 500
    assert "ZeroDivisionError" in written.getvalue()
    assert "planted" not in written.getvalue()
    assert writer.token not in written.getvalue()
