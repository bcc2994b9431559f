"""What a process remembers is what is committed: after every kind of change, in every transaction, on every node."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection, transaction

from apps.accounts.models import Team
from apps.core.clock import now
from apps.core.generations import CONFIGURATION, HALTS, read_moment
from apps.core.memory import Remembered
from apps.halts.models import Halt
from apps.policies.models import ActiveRelease, PolicyException
from apps.registry.models import Agent, AgentCredential, Connector, ConnectorEndpoint, Grant, Process, Tool

pytestmark = pytest.mark.django_db
CONFIGURED = (
    Team,
    Process,
    Agent,
    AgentCredential,
    Connector,
    ConnectorEndpoint,
    Tool,
    Grant,
    ActiveRelease,
    PolicyException,
)


def mark(generation: str = CONFIGURATION) -> UUID | None:
    return read_moment().marks[generation]


@pytest.mark.parametrize("model", CONFIGURED)
def test_every_statement_that_changes_it_begins_a_new_generation(world: object, model: type[Team]) -> None:
    table = model._meta.db_table
    marks = [mark()]
    for statement in (
        f'INSERT INTO "{table}" SELECT * FROM "{table}" WHERE false',
        f'UPDATE "{table}" SET id = id WHERE false',
        f'DELETE FROM "{table}" WHERE false',
    ):
        with connection.cursor() as cursor:
            cursor.execute(statement)
        marks.append(mark())

    assert len(set(marks)) == len(marks)


def test_halts_have_a_generation_of_their_own(world: object) -> None:
    configuration, halts = mark(), mark(HALTS)
    Halt.objects.update(reason="changed")

    assert mark() == configuration
    assert mark(HALTS) != halts


def names() -> Callable[[], str | None]:
    """Reads a team's name through a memory, as the gateway reads what it remembers."""
    memory: Remembered[str, str] = Remembered(CONFIGURATION, size=10)
    team = Team.objects.order_by("id").first()
    assert team is not None
    return lambda: memory.get("name", lambda: Team.objects.get(id=team.id).name)


def rename(name: str) -> None:
    Team.objects.update(name=name)


def test_what_is_remembered_is_read_once(world: object, django_assert_num_queries: Callable[[int], object]) -> None:
    name = names()
    name()
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        name()


def test_a_change_is_seen_by_the_transaction_that_makes_it_and_gone_with_it(world: object) -> None:
    name = names()
    before = name()
    with transaction.atomic():
        rename("Once")
        assert name() == "Once"
        rename("Twice")
        assert name() == "Twice"
        transaction.set_rollback(True)

    assert name() == before


def test_a_change_that_is_rolled_back_leaves_nothing_for_a_later_one(world: object) -> None:
    name = names()
    with transaction.atomic():
        rename("Never committed")
        assert name() == "Never committed"
        transaction.set_rollback(True)
    rename("Committed")

    assert name() == "Committed"


@pytest.mark.django_db(transaction=True)
def test_another_connection_sees_a_change_when_it_is_committed_and_not_before(world: object) -> None:
    name = names()
    before = name()
    changed, looked = threading.Event(), threading.Event()

    def change() -> None:
        with transaction.atomic():
            rename("Elsewhere")
            changed.set()
            looked.wait(10)
        connection.close()

    other = threading.Thread(target=change)
    other.start()
    changed.wait(10)
    assert name() == before
    looked.set()
    other.join(10)

    assert name() == "Elsewhere"


def test_nothing_found_is_not_remembered(world: object) -> None:
    memory: Remembered[str, str] = Remembered(CONFIGURATION, size=10)
    answers = iter([None, "there"])

    assert [memory.get("key", lambda: next(answers)) for _ in range(2)] == [None, "there"]


def test_without_a_mark_nothing_is_remembered(world: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_generation")
    memory: Remembered[str, str] = Remembered(CONFIGURATION, size=10)
    answers = iter(["first", "second"])

    assert [memory.get("key", lambda: next(answers)) for _ in range(2)] == ["first", "second"]


def test_the_moment_has_the_databases_time(world: object) -> None:
    assert abs((read_moment().now - now()).total_seconds()) < 60
