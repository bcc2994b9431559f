"""The database backend. Django finds the class by this module's name."""

import select

from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from psycopg.pq import TransactionStatus

from apps.core.messages import command


class DatabaseWrapper(base.DatabaseWrapper):
    """Threads keep their connections, and each request asks first whether its own still stands."""

    def is_usable(self) -> bool:
        """Django asks by a query, which every request would wait for. Nobody speaks on a connection that rests but to
        end it: one with something to read was closed by the other side.

        What a dead network swallows is found neither way: the next statement waits and fails.
        """
        connection = self.connection
        if connection is None or connection.closed:
            return False
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            return bool(super().is_usable())
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        return not waiting.poll(0)

    def _commit(self) -> None:
        if self.connection is None or self.connection.info.transaction_status is TransactionStatus.IDLE:
            return
        with debug_transaction(self, "COMMIT"), self.wrap_database_errors:
            command(self.connection, b"COMMIT")
