"""The database backend. Django finds the class by this module's name."""

import select
from collections import defaultdict
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from psycopg.pq import TransactionStatus

from apps.core.messages import command

Connection = psycopg.Connection[Any]

# By alias, what requests have done with, the one used last at the end. Threads append and pop; neither needs a lock.
_resting: defaultdict[str, list[Connection]] = defaultdict(list)


class DatabaseWrapper(base.DatabaseWrapper):
    """Where connections are kept (`DB_KEEP`), a request takes the one that was used last, if that still stands, and
    puts it back at its end. So there are as many as requests at once ever were, and the process of PostgreSQL behind
    each has near what it needs; one for each thread would be asked in turn.
    """

    connection: Connection | None

    def connect(self) -> None:
        rested = self._take_rested()
        if rested is None:
            super().connect()
            return
        # as Django begins a connection, without what was said to the other side then
        self.in_atomic_block = self.needs_rollback = self.closed_in_transaction = self.errors_occurred = False
        self.savepoint_ids, self.atomic_blocks, self.run_on_commit = [], [], []
        self.health_check_enabled, self.health_check_done = self.settings_dict["CONN_HEALTH_CHECKS"], True
        self.close_at, self.autocommit = None, True
        self.connection = rested

    def close_if_unusable_or_obsolete(self) -> None:
        """Django asks this at the beginning and at the end of each request."""
        super().close_if_unusable_or_obsolete()
        ours = self.connection
        if ours is None or self.in_atomic_block or not self._keeps_connections:
            return
        if ours.info.transaction_status is TransactionStatus.IDLE:
            self.connection = None
            _resting[self.alias].append(ours)

    def is_usable(self) -> bool:
        """Django asks by a query, which every request would wait for."""
        connection = self.connection
        if connection is None or connection.closed:
            return False
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            return bool(super().is_usable())
        return _still_stands(connection)

    @property
    def _keeps_connections(self) -> bool:
        return self.settings_dict["CONN_MAX_AGE"] is None

    def _take_rested(self) -> Connection | None:
        resting = _resting[self.alias]
        while self._keeps_connections and resting:
            try:
                rested = resting.pop()
            except IndexError:  # another thread took the last one
                break
            if not rested.closed and _still_stands(rested):
                return rested
            rested.close()
        return None

    def _commit(self) -> None:
        if self.connection is None or self.connection.info.transaction_status is TransactionStatus.IDLE:
            return
        with debug_transaction(self, "COMMIT"), self.wrap_database_errors:
            command(self.connection, b"COMMIT")


def _still_stands(connection: Connection) -> bool:
    """Nobody speaks on a connection that rests but to end it: one with something to read was closed by the other side.

    What a dead network swallows is not found: the next statement waits and fails.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)
