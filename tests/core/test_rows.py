"""Statements built once do what the ORM's would, and rows that wait to be written are there when they are asked for."""

import json
import threading
import time
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from apps.core import clock, locks
from apps.core.ids import uuid7
from apps.core.models import Heartbeat, OutboxEvent
from apps.core.rows import (
    NotClaimed,
    _insert_of,
    _insert_values,
    ask,
    change,
    claim,
    insert,
    insert_values,
    key_question,
    new,
    together,
)
from apps.gateway.models import Decision, ToolCall
from apps.registry.models import Agent, Process
from apps.runs.models import Run
from apps.vault.models import Payload

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
        assert ask(key_question(Heartbeat, name="two")) == ("two",)
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


def test_a_claim_goes_out_with_what_follows_it() -> None:
    insert(beat("one"))
    moment = clock.now()
    with transaction.atomic(), CaptureQueriesContext(connection) as sent, together():
        claim(Heartbeat, {"seen_at": moment}, name="one")
        insert(beat("two"))

    assert len(sent) == 1
    assert Heartbeat.objects.get(name="one").seen_at == moment
    assert Heartbeat.objects.filter(name="two").exists()


def test_where_there_is_nothing_to_claim_nothing_stays() -> None:
    with pytest.raises(NotClaimed), transaction.atomic(), together():
        claim(Heartbeat, {"seen_at": clock.now()}, name="gone")
        insert(beat("two"))

    assert not Heartbeat.objects.filter(name="two").exists()


def test_a_claim_that_failed_is_known_before_the_next_answer() -> None:
    asked = False
    with pytest.raises(NotClaimed), transaction.atomic(), together():
        claim(Heartbeat, {"seen_at": clock.now()}, name="gone")
        Heartbeat.objects.exists()
        asked = True

    assert not asked


def test_a_claim_comes_first() -> None:
    with pytest.raises(TypeError), transaction.atomic(), together():
        insert(beat("two"))
        claim(Heartbeat, {"seen_at": clock.now()}, name="one")
    with pytest.raises(TypeError):
        claim(Heartbeat, {"seen_at": clock.now()}, name="one")


def test_no_key_for_what_is_not_there() -> None:
    assert ask(key_question(Heartbeat, name="nobody")) is None


def test_a_row_without_an_object_has_the_defaults_of_its_fields() -> None:
    insert_values(OutboxEvent, name="Told", body={}, written_at=clock.now(), due_at=clock.now())
    told = OutboxEvent.objects.get(name="Told")

    assert (told.subject, told.attempt_count, told.delivered_at) == ("", 0, None)
    with pytest.raises(TypeError, match="no nmae"):
        insert_values(OutboxEvent, nmae="Told")


@pytest.mark.parametrize("text", ["%s", "100 %", "it's", '"', "\\", "\\'; DROP TABLE x; --", "é\U0001f600", ""])
def test_a_value_is_never_sql(text: str) -> None:
    insert(beat("one"), beat(text))
    insert_values(
        OutboxEvent, name="Told", subject=text, body={text: [text]}, written_at=clock.now(), due_at=clock.now()
    )

    assert ask(key_question(Heartbeat, name="one"), key_question(Heartbeat, name=text)) == (text,)
    assert OutboxEvent.objects.get(subject=text).body == {text: [text]}


@pytest.mark.django_db(transaction=True)
def test_what_is_asked_behind_a_lock_sees_what_was_committed_under_it() -> None:
    """One message, and yet each question its own snapshot."""
    held, answers = threading.Event(), []

    def wait_and_ask() -> None:
        with transaction.atomic():
            held.wait(10)
            answers.append(ask(locks.shared(locks.HALTS), key_question(Heartbeat, name="placed")))
        connection.close()

    asking = threading.Thread(target=wait_and_ask)
    asking.start()
    with transaction.atomic():
        locks.take_exclusive(locks.HALTS)
        held.set()
        time.sleep(0.3)
        insert(beat("placed"))
    asking.join(10)

    assert answers == [("placed",)]


def django_row(row: Model) -> list[Any]:
    fields = [field for field in row._meta.local_concrete_fields if field is not row._meta.auto_field]
    return [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]


def test_values_go_into_their_columns_as_the_fields_would_put_them(world: object) -> None:
    """For every model of ours and what a row of it holds."""
    for model in apps.get_models():
        if model.__module__.startswith("apps.") and (row := model._default_manager.first()) is not None:
            columns = _insert_of(model)[1]
            for column, ours, theirs in zip(columns, _insert_values(row)[1], django_row(row), strict=True):
                if column.is_json and ours is not None:
                    assert json.loads(ours) == theirs.obj, column.field
                else:
                    assert str(ours) == str(theirs), column.field


@pytest.mark.parametrize("model", [Payload, Run, ToolCall, Decision])
def test_a_new_row_is_what_django_makes(model: type[Model]) -> None:
    made, usual = new(model), model()
    for field in model._meta.concrete_fields:
        if field.name != "id":
            assert getattr(made, field.attname) == getattr(usual, field.attname), field.name
    assert (made._state.adding, made._state.db) == (True, None)
    assert made.__dict__.keys() == usual.__dict__.keys()


def test_a_new_row_knows_what_it_was_given() -> None:
    agent = Agent(id=uuid7(), name="Writer", process=Process(id=uuid7(), name="Order to cash"))
    run = new(Run, opened_by=agent, process_id=agent.process_id, title="x")
    assert (run.opened_by, run.opened_by_id, run.process_id, run.title) == (agent, agent.id, agent.process_id, "x")
    assert new(ToolCall, compensates=None).compensates_id is None
    assert new(Run).id != new(Run).id
    with pytest.raises(TypeError, match="Run has no color"):
        new(Run, color="red")
