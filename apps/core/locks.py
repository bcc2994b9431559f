"""Transaction-scoped advisory locks. Each has a number of its own; PostgreSQL drops them at commit, rollback or a lost
connection.
"""

from django.db import connection

from apps.core.rows import Question, ask

OUTBOX = 7301
HALTS = 7302


def take_exclusive(key: int) -> None:
    """Wait until nobody holds the lock in any mode. Must run inside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def take_shared(key: int) -> None:
    """Wait until nobody holds the lock exclusively; any number may share it. Must run inside a transaction."""
    ask(shared(key))


def shared(key: int) -> Question:
    """`take_shared` as a question, for whoever asks something under the lock in the same message."""
    return "SELECT pg_advisory_xact_lock_shared(%s)", [key]
