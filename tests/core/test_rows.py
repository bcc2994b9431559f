"""Statements built once do what the ORM's would, and rows that wait to be written are there when they are asked for."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.core import clock
from apps.core.models import Heartbeat, OutboxEvent
from apps.core.rows import change, insert, key_of, together

pytestmark = pytest.mark.django_db


def beat(name: str) -> Heartbeat:
    return Heartbeat(name=name, seen_at=clock.now())


def test_rows_of_several_kinds_go_out_in_one_message() -> None:
    news = OutboxEvent(name="Told", subject="a", body={"b": 1}, written_at=clock.now(), due_at=clock.now())
    with transaction.atomic(), CaptureQueriesContext(connection) as sent, together():
        insert(beat("one"), beat("two"))
        insert(news)
        assert len(sent) == 0

    assert len(sent) == 1
    assert Heartbeat.objects.filter(name__in=["one", "two"]).count() == 2
    assert OutboxEvent.objects.get(name="Told").body == {"b": 1}


def test_whatever_is_asked_meanwhile_finds_them() -> None:
    with transaction.atomic(), together():
        insert(beat("one"))
        assert Heartbeat.objects.filter(name="one").exists()
        insert(beat("two"))
        assert key_of(Heartbeat, name="two") == "two"
        insert(beat("three"))
        assert change(Heartbeat, {"seen_at": clock.now()}, name="three") == 1
        insert(beat("four"))
        with transaction.atomic():
            transaction.set_rollback(True)

    assert Heartbeat.objects.filter(name="four").exists()


def test_when_the_block_fails_nothing_is_sent() -> None:
    with pytest.raises(ValueError, match="no"), transaction.atomic(), together():
        insert(beat("one"))
        raise ValueError("no")

    assert not Heartbeat.objects.filter(name="one").exists()


def test_a_change_says_how_many_rows_it_changed() -> None:
    insert(beat("one"))
    moment = clock.now()

    assert change(Heartbeat, {"seen_at": moment}, name="one") == 1
    assert change(Heartbeat, {"seen_at": moment}, name="two") == 0
    assert Heartbeat.objects.get(name="one").seen_at == moment


def test_no_key_for_what_is_not_there() -> None:
    assert key_of(Heartbeat, name="nobody") is None
