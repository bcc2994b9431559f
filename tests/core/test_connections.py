"""Kept connections: one that PostgreSQL has ended is found before a request uses it, without asking PostgreSQL."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kept() -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own, as a thread of the web keeps it."""
    own = connection.copy()
    own.connect()
    yield own
    own.close()


def end(kept: BaseDatabaseWrapper) -> None:
    """As when PostgreSQL is restarted."""
    with kept.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_connection_that_rests_is_usable(kept: BaseDatabaseWrapper) -> None:
    assert kept.is_usable()


def test_one_that_was_ended_is_not(kept: BaseDatabaseWrapper) -> None:
    end(kept)
    assert not kept.is_usable()


def test_the_next_request_has_a_new_one(kept: BaseDatabaseWrapper) -> None:
    kept.settings_dict = kept.settings_dict | {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    kept.health_check_enabled = True
    end(kept)
    kept.close_if_unusable_or_obsolete()
    with kept.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_in_a_transaction_it_asks(kept: BaseDatabaseWrapper) -> None:
    kept.set_autocommit(False)
    with kept.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert kept.is_usable()
    kept.rollback()


def test_none_is_not_usable() -> None:
    assert not connection.copy().is_usable()
