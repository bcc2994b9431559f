"""The outbox: news is written with its change and delivered after it, in order, at least once."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction

from apps.core import outbox
from apps.core.models import OutboxEvent
from tests.conftest import at_once

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, slots=True)
class Rang(outbox.DomainEvent):
    bell: str
    number: int

    @property
    def subject(self) -> str:
        return f"bell:{self.bell}"


@pytest.fixture
def heard(db: None) -> Iterator[list[tuple[str, int]]]:
    """What a handler heard. It breaks on number 13."""
    heard: list[tuple[str, int]] = []

    def listen(event: dict[str, Any]) -> None:
        if event["number"] == 13:
            raise ValueError("unlucky")
        heard.append((event["bell"], event["number"]))

    OutboxEvent.objects.all().delete()
    outbox.register({Rang: [listen]})
    yield heard
    outbox._handlers.pop("Rang")


def test_news_is_delivered_in_order_and_once(heard: list[tuple[str, int]]) -> None:
    for number in range(3):
        outbox.add(Rang(bell="a", number=number))

    assert outbox.drain() == 3
    assert outbox.drain() == 0
    assert heard == [("a", 0), ("a", 1), ("a", 2)]


def test_news_of_a_change_that_was_rolled_back_is_never_told(heard: list[tuple[str, int]]) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        outbox.add(Rang(bell="a", number=1))
        raise RuntimeError

    outbox.drain()
    assert heard == []


def test_a_handler_that_breaks_holds_back_its_own_subject_alone(
    heard: list[tuple[str, int]], time_passes: Callable[..., None]
) -> None:
    for bell, number in (("a", 13), ("a", 2), ("b", 3)):
        outbox.add(Rang(bell=bell, number=number))
    outbox.drain()
    outbox.drain()

    assert heard == [("b", 3)]
    broken = OutboxEvent.objects.get(body__number=13)
    assert (broken.attempt_count, broken.last_error) == (1, "ValueError: unlucky")
    OutboxEvent.objects.filter(id=broken.id).update(body={"bell": "a", "number": 1})
    time_passes(minutes=10)
    outbox.drain()
    assert heard == [("b", 3), ("a", 1), ("a", 2)]


@pytest.mark.django_db(transaction=True)
def test_many_drainers_deliver_each_event_once(heard: list[tuple[str, int]]) -> None:
    for number in range(100, 300):
        outbox.add(Rang(bell=str(number % 7), number=number))
    delivered = at_once([outbox.drain for _ in range(4)])

    assert sum(delivered) == len(heard) == 200
    for bell in range(7):
        numbers = [number for name, number in heard if name == str(bell)]
        assert numbers == sorted(numbers)


def test_delivered_news_is_forgotten_after_a_week(
    heard: list[tuple[str, int]], time_passes: Callable[..., None]
) -> None:
    outbox.add(Rang(bell="a", number=1))
    outbox.drain()
    outbox.add(Rang(bell="a", number=2))
    time_passes(days=8)

    assert outbox.forget_delivered() == 1
    assert [event.body["number"] for event in OutboxEvent.objects.filter(name="Rang")] == [2]
    assert dt.timedelta(days=7) == outbox.KEPT_FOR


def test_news_that_nobody_hears_is_delivered_when_it_is_written() -> None:
    outbox.add(Rang(bell="a", number=1))
    outbox.add_many([Rang(bell="a", number=2)])

    assert OutboxEvent.objects.filter(name="Rang", delivered_at=None).count() == 0
    assert OutboxEvent.objects.filter(name="Rang").count() == 2
