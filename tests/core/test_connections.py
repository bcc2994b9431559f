"""Kept connections: requests hand them on, the one used last first, and one that PostgreSQL has ended is found before a
request uses it, without asking PostgreSQL.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.functional import cached_property

from meshconsole.postgresql import base

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kept() -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own, as a thread of the web keeps it."""
    own = connection.copy()
    own.connect()
    yield own
    own.close()


@pytest.fixture
def thread_of_web() -> Iterator[Callable[[], BaseDatabaseWrapper]]:
    """Makes what each thread has where connections are kept. It has no connection yet."""
    made = []

    def one() -> BaseDatabaseWrapper:
        own = connection.copy()
        own.settings_dict = own.settings_dict | {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
        own.inc_thread_sharing()
        made.append(own)
        return own

    yield one
    for own in made:
        own.close()
    for raw in base._resting.pop(connection.alias, []):
        raw.close()


def process_of(own: BaseDatabaseWrapper) -> int:
    """PostgreSQL's number of the process behind it."""
    with own.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    return int(pid)


def end(kept: BaseDatabaseWrapper) -> None:
    """As when PostgreSQL is restarted."""
    pid = process_of(kept)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_connection_that_rests_is_usable(kept: BaseDatabaseWrapper) -> None:
    assert kept.is_usable()


def test_one_that_was_ended_is_not(kept: BaseDatabaseWrapper) -> None:
    end(kept)
    assert not kept.is_usable()


def test_the_next_request_has_what_was_used_last(thread_of_web) -> None:
    first, second, third = thread_of_web(), thread_of_web(), thread_of_web()
    one, other = process_of(first), process_of(second)
    assert one != other
    first.close_if_unusable_or_obsolete()
    second.close_if_unusable_or_obsolete()
    assert process_of(third) == other
    assert process_of(second) == one


def test_one_that_was_ended_is_passed_over(thread_of_web) -> None:
    first, second, third = thread_of_web(), thread_of_web(), thread_of_web()
    stands = process_of(first)
    end(second)
    first.close_if_unusable_or_obsolete()
    second.close_if_unusable_or_obsolete()
    assert process_of(third) == stands
    third.close_if_unusable_or_obsolete()
    end(third)
    third.close_if_unusable_or_obsolete()
    assert process_of(first) != stands


def test_a_connection_that_was_handed_on_is_as_a_new_one(thread_of_web) -> None:
    first, second = thread_of_web(), thread_of_web()
    first.connect()
    begun = dict(vars(first))
    first.errors_occurred = True
    first.close_if_unusable_or_obsolete()
    second.in_atomic_block = second.needs_rollback = True
    second.run_on_commit = [(set(), print, False)]
    second.connect()
    assert second.connection is begun["connection"]
    helpers = {"creation", "client", "features", "introspection", "ops", "validation", "_thread_sharing_lock"}
    found_out = {name for name in begun if isinstance(getattr(type(first), name, None), cached_property)}
    # Django writes it down and reads it nowhere
    for name in begun.keys() - helpers - found_out - {"isolation_level"}:
        assert vars(second)[name] == begun[name], name


def test_what_is_in_the_middle_of_something_is_not_handed_on(thread_of_web) -> None:
    first, second = thread_of_web(), thread_of_web()
    mine = process_of(first)
    first.set_autocommit(False)
    process_of(first)
    first.close_if_unusable_or_obsolete()
    assert first.connection is None
    assert process_of(second) != mine


def test_without_keeping_nothing_is_handed_on(kept: BaseDatabaseWrapper) -> None:
    kept.close_if_unusable_or_obsolete()
    assert not base._resting[kept.alias]


def test_two_at_once_never_have_the_same(thread_of_web) -> None:
    """Eight threads, each of which holds one while it works: what a thread sees of its own is never another's."""
    count, rounds = 8, 60
    held: set[int] = set()
    lock, began = threading.Lock(), threading.Barrier(count)

    def work(own: BaseDatabaseWrapper) -> None:
        began.wait()
        for _ in range(rounds):
            pid = process_of(own)
            with lock:
                assert pid not in held
                held.add(pid)
            assert process_of(own) == pid
            with lock:
                held.remove(pid)
            own.close_if_unusable_or_obsolete()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, [thread_of_web() for _ in range(count)]))
    assert 1 <= len(base._resting[connection.alias]) <= count


def test_in_a_transaction_it_asks(kept: BaseDatabaseWrapper) -> None:
    kept.set_autocommit(False)
    with kept.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert kept.is_usable()
    kept.rollback()


def test_none_is_not_usable() -> None:
    assert not connection.copy().is_usable()
