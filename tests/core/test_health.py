"""/healthz and /readyz."""

import pytest
from django.test import Client

from apps.core import clock
from apps.core.models import Heartbeat

pytestmark = pytest.mark.django_db


def test_healthz_says_that_the_process_is_up() -> None:
    assert Client().get("/healthz").json() == {"status": "ok"}


def test_readyz_names_what_is_missing() -> None:
    answer = Client().get("/readyz")

    assert answer.status_code == 503
    parts = answer.json()["parts"]
    assert (parts["database"], parts["migrations"]) == ("ok", "ok")
    assert parts["worker"] == "no worker has been seen yet"


def test_readyz_is_content_when_a_worker_was_seen_just_now() -> None:
    Heartbeat.objects.create(name="worker", seen_at=clock.now())

    assert Client().get("/readyz").json()["parts"]["worker"] == "ok"
