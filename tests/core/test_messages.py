"""Messages past Django's cursor: they fail, begin, end and are counted as a cursor's would."""

import os
import socket
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import DatabaseError, DataError, IntegrityError, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus

from apps.core import clock, messages
from apps.core.generations import moment_of, read_moment, with_moment
from apps.core.models import Heartbeat
from apps.core.rows import _WRITTEN, ask, insert

LARGE = 3_000_000


def answer(text: bytes) -> list[tuple[object, ...] | None]:
    return messages.first_rows(messages.exchange(text))


@pytest.mark.django_db
def test_each_statement_has_its_answer() -> None:
    assert answer(b"SELECT 1, 'a'; SELECT 2 WHERE false; SELECT now() IS NULL") == [(1, "a"), None, (False,)]


@pytest.mark.django_db
def test_the_answer_to_the_last_is_had_alone() -> None:
    first, then = ("SELECT set_config('mesh.said', %s, true)", ["it's"]), ("SELECT current_setting('mesh.said'), 2", [])
    assert ask(first, then) == ("it's", 2)
    assert ask(first, ("SELECT 1 WHERE false", [])) is None
    with pytest.raises(DataError):
        ask(("SELECT 1 / 0", []), then)


@pytest.mark.django_db
def test_a_moment_with_the_answer_to_another_question() -> None:
    *now, one = ask(with_moment(("SELECT id FROM (VALUES (%s)) AS rows (id) WHERE id = %s", [7, 7]))) or ()
    assert moment_of(now).marks == read_moment().marks
    assert one == 7
    assert (ask(with_moment(("SELECT 1 WHERE false", []))) or ())[-1] is None


@pytest.mark.django_db
def test_what_is_refused_is_refused_in_djangos_words() -> None:
    Heartbeat.objects.create(name="one", seen_at=clock.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(Heartbeat(name="one", seen_at=clock.now()))
    with pytest.raises(DatabaseError), transaction.atomic():
        messages.exchange(b"SELECT 1; SELECT nothing_of_that_name; SELECT 2")
    assert answer(b"SELECT 3") == [(3,)]


@pytest.mark.django_db
def test_nothing_is_asked_in_a_transaction_that_is_broken() -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            messages.exchange(b"SELECT 1")


@pytest.mark.django_db
def test_they_are_counted() -> None:
    with CaptureQueriesContext(connection) as sent:
        ask(("SELECT %s", [1]))
        messages.tell(b"SELECT 2")
    assert [one["sql"] for one in sent.captured_queries] == ["SELECT 1", "SELECT 2"]


@pytest.mark.django_db
def test_messages_and_answers_larger_than_what_the_system_holds() -> None:
    [[given_back]] = answer(b"SELECT repeat('x', %d)" % LARGE)  # type: ignore[misc]
    assert given_back == "x" * LARGE
    long = b"SELECT length('" + b"y" * LARGE + b"')"
    assert answer(long) == [(LARGE,)]
    messages.tell(long)


@pytest.mark.django_db(transaction=True)
class TestOfItsOwn:
    @pytest.fixture
    def other(self) -> Iterator[BaseDatabaseWrapper]:
        own = connection.copy()
        own.connect()
        yield own
        own.close()

    def test_a_transaction_begins_with_the_first_message_and_ends_with_the_block(
        self, other: BaseDatabaseWrapper
    ) -> None:
        with transaction.atomic():
            insert(Heartbeat(name="one", seen_at=clock.now()))
            assert count_in(other) == 0
        assert count_in(other) == 1
        with pytest.raises(RuntimeError), transaction.atomic():
            insert(Heartbeat(name="two", seen_at=clock.now()))
            raise RuntimeError
        assert count_in(other) == 1

    def test_a_connection_that_breaks_is_an_operational_error_and_the_next_block_has_a_new_one(
        self, other: BaseDatabaseWrapper
    ) -> None:
        with pytest.raises(OperationalError), transaction.atomic():
            [[pid]] = answer(b"SELECT pg_backend_pid()")  # type: ignore[misc]
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s::int, 5000)", [str(pid)])
            messages.exchange(b"SELECT 1")
        connection.close_if_unusable_or_obsolete()
        assert answer(b"SELECT 1") == [(1,)]

    def test_so_is_what_libpq_says_itself_of_a_connection_that_seems_to_stand(self) -> None:
        """It cannot write, finds a last word to read, and takes the connection for one that stands."""
        connection.ensure_connection()
        raw = connection.connection
        with pytest.raises(psycopg.OperationalError):
            messages._check(raw, raw.pgconn.make_empty_result(ExecStatus.FATAL_ERROR))

    @pytest.mark.parametrize("send", [messages.exchange, messages.tell])
    def test_so_is_one_that_is_gone_without_a_word(self, send: Callable[[bytes], object]) -> None:
        """As when PostgreSQL is killed: nobody says good-bye, and what is written finds nobody."""
        connection.ensure_connection()
        gone = socket.socket(fileno=os.dup(connection.connection.fileno()))
        gone.shutdown(socket.SHUT_RDWR)
        gone.close()
        with pytest.raises(OperationalError), transaction.atomic():
            send(b"SELECT 1")
        connection.close_if_unusable_or_obsolete()
        assert answer(b"SELECT 1") == [(1,)]

    @pytest.mark.parametrize("send", [messages.exchange, messages.tell])
    def test_who_waits_for_a_lock_leaves_the_interpreter_to_others(
        self, other: BaseDatabaseWrapper, send: Callable[[bytes], object]
    ) -> None:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(77)")
        got = threading.Event()

        def wait_for_it() -> None:
            try:
                # whoever keeps the interpreter while it waits gives up, and the test fails in place of hanging
                send(b"SET lock_timeout = '5s'; SELECT pg_advisory_lock(77); SELECT 1")
                got.set()
            except OperationalError:
                return
            finally:
                connection.close()

        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        assert not got.wait(0.2)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(77)")
        waiting.join(10)
        assert got.is_set()


def count_in(other: BaseDatabaseWrapper) -> int:
    with other.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_heartbeat")
        return int(cursor.fetchone()[0])


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.integers(-(2**63), 2**63 - 1))
def test_values_stand_in_a_statement_as_psycopg_would_write_them(value: str | int) -> None:
    expected = Transformer().as_literal(value)
    assert (_WRITTEN[type(value)](value) or expected) == expected


@pytest.mark.parametrize("text", ["a\\b", "a\0b", "\\'"])
def test_what_has_a_meaning_in_a_text_is_left_to_psycopg(text: str) -> None:
    assert _WRITTEN[str](text) is None
