"""One message to PostgreSQL and what each of its statements gave.

A statement by way of Django's cursor and psycopg's lets go of the interpreter's lock for each step of reading its
answer, and another thread may take it meanwhile. libpq asked itself lets go where it waits.
"""

import select
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import debug_transaction
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

Connection = psycopg.Connection[Any]
_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


def exchange(text: bytes) -> list[PGresult]:
    """Send statements, complete with their values, and return what each gave. Within `atomic()`, where nothing was sent
    before, the transaction begins here. Raises Django's database errors.
    """
    with _ready_for(text) as raw:
        results = _results_of(raw.pgconn, text)
        _check(raw, results[-1])
    return results


def tell(text: bytes) -> PGresult:
    """`exchange` where nobody asks for more than what the last statement gave: libpq waits for the whole answer at
    once, and lets go of the interpreter's lock once.
    """
    with _ready_for(text) as raw:
        return command(raw, text)


def command(raw: Connection, text: bytes) -> PGresult:
    """Have it carried out on this connection. Raises psycopg's errors."""
    result = raw.pgconn.exec_(text)
    _check(raw, result)
    return result


def first_rows(results: list[PGresult]) -> list[tuple[Any, ...] | None]:
    """The first row of each result, or None, its values as Django's own queries give them."""
    read = Transformer(connection.connection)
    rows = []
    for result in results:
        read.set_pgresult(result)
        rows.append(read.load_row(0, tuple) if result.ntuples else None)
    return rows


def connected() -> BaseDatabaseWrapper:
    """The connection of this thread, a new one where the last was ended."""
    ours = connections[DEFAULT_DB_ALIAS]  # `connection` looks it up anew for each attribute
    ours.close_if_health_check_failed()
    ours.ensure_connection()
    return ours


@contextmanager
def _ready_for(text: bytes) -> Iterator[Connection]:
    ours = connected()
    ours.validate_no_broken_transaction()
    raw: Connection = ours.connection
    told = debug_transaction(ours, text.decode()) if ours.queries_logged else nullcontext()
    with told, ours.wrap_database_errors:
        if not raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE:
            command(raw, b"BEGIN")
        yield raw


def _results_of(link: PGconn, text: bytes) -> list[PGresult]:
    """Waits only in `poll`: `get_result` would wait, and keep the interpreter's lock."""
    link.send_query(text)
    poll = select.poll()
    while link.flush():
        poll.register(link.socket, select.POLLIN | select.POLLOUT)
        poll.poll()
        link.consume_input()
    poll.register(link.socket, select.POLLIN)
    results: list[PGresult] = []
    while True:
        while link.is_busy():
            poll.poll()
            link.consume_input()
        result = link.get_result()
        if result is None:
            return results
        results.append(result)


def _check(raw: Connection, last: PGresult) -> None:
    """PostgreSQL carries out a message up to the first statement that fails: the last result tells of all. An error
    without a code is libpq's own: the other side is gone, also where the connection does not know it yet.
    """
    if raw.pgconn.status != ConnStatus.OK:
        raise psycopg.OperationalError(raw.pgconn.get_error_message())
    if last.status in _DONE:
        return
    if not last.error_field(DiagnosticField.SQLSTATE):
        raise psycopg.OperationalError(last.get_error_message())
    raise error_from_result(last)
