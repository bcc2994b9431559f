"""Reading and writing single rows on the path every governed call takes.

Django builds and compiles a statement anew each time, which costs several times what PostgreSQL needs to carry it out.
These build it once per model and shape. Signals, deferred fields and columns the database fills are for `save()`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, Model, QuerySet

R = TypeVar("R")


def sole(rows: "QuerySet[Any, R]") -> R | None:
    """The row of a query that a unique key limits to one, or None.

    `first()` would order by the primary key, and building that ORDER BY costs as much as building all the rest.
    """
    return next(iter(rows[:1]), None)


def key_of(model: type[Model], **where: Any) -> Any:
    """The primary key of a row with these values, or None; of a unique key, the only one."""
    sql, fields = _select_key(model, tuple(where))
    with connection.cursor() as cursor:
        cursor.execute(sql, _prepared(fields, where))
        found = cursor.fetchone()
    return found[0] if found else None


def change(model: type[Model], changes: dict[str, Any], **where: Any) -> int:
    """UPDATE the rows with these values, none of them None, and return how many those were."""
    sql, fields = _update_of(model, tuple(changes), tuple(where))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*_prepared(fields, changes), *_prepared(fields[len(changes) :], where)])
        return int(cursor.rowcount)


def change_unseen(model: type[Model], changes: dict[str, Any], **where: Any) -> None:
    """`change` where nobody asks how many rows those were; within `together` it waits like an insert."""
    sql, fields = _update_of(model, tuple(changes), tuple(where))
    _send_or_wait([(sql, [*_prepared(fields, changes), *_prepared(fields[len(changes) :], where)])])


def insert(*rows: Model) -> None:
    """INSERT new rows whose keys and defaults were made here, in their order; within `together` they wait."""
    _send_or_wait([_insert_values(row) for row in rows])
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


@contextmanager
def together() -> Iterator[None]:
    """Until the block ends, which is before the commit, statements that give no answer wait, and go to the database in
    one message: at the end, or before whatever else is asked of it, as if each had been sent at once.
    """
    waiting = _Waiting()
    with connection.execute_wrapper(waiting):
        yield
        waiting.send()


class _Waiting:
    """Statements that have not been sent; sends them before any other."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, list[Any]]] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        self.send()
        return execute(sql, params, many, context)

    def send(self) -> None:
        statements, self.statements = self.statements, []
        if statements:
            _send(statements)


def _send_or_wait(statements: list[tuple[str, list[Any]]]) -> None:
    waiting = next((wrapper for wrapper in connection.execute_wrappers if isinstance(wrapper, _Waiting)), None)
    if waiting is not None:
        waiting.statements += statements
    else:
        _send(statements)


def _send(statements: list[tuple[str, list[Any]]]) -> None:
    """One message. Each statement is given its values by itself: psycopg remembers the form of short ones."""
    with connection.cursor() as cursor:
        cursor.execute("; ".join(cursor.mogrify(sql, values) for sql, values in statements))


def _insert_values(row: Model) -> tuple[str, list[Any]]:
    sql, fields = _insert_of(type(row))
    return sql, [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]


def _prepared(fields: list["Field[Any, Any]"], values: dict[str, Any]) -> list[Any]:
    """The values as their columns take them, a row's key for a row; `fields` begins with theirs."""
    return [
        field.get_db_prep_save(value.pk if isinstance(value, Model) else value, connection)
        for field, value in zip(fields[: len(values)], values.values(), strict=True)
    ]


@cache
def _insert_of(model: type[Model]) -> tuple[str, list["Field[Any, Any]"]]:
    """The statement and the fields that fill it, in order. A sequence's column is left to the sequence."""
    fields = [field for field in model._meta.local_concrete_fields if field is not model._meta.auto_field]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({marks})', fields  # noqa: S608  our own names


@cache
def _select_key(model: type[Model], names: tuple[str, ...]) -> tuple[str, list["Field[Any, Any]"]]:
    key, *fields = _fields(model, ("pk", *names))
    sql = f'SELECT "{key.column}" FROM "{model._meta.db_table}" WHERE {_equal(fields, " AND ")} LIMIT 1'  # noqa: S608  our own names
    return sql, fields


@cache
def _update_of(
    model: type[Model], changed: tuple[str, ...], names: tuple[str, ...]
) -> tuple[str, list["Field[Any, Any]"]]:
    changes, where = _fields(model, changed), _fields(model, names)
    sql = f'UPDATE "{model._meta.db_table}" SET {_equal(changes, ", ")} WHERE {_equal(where, " AND ")}'  # noqa: S608  our own names
    return sql, changes + where


def _fields(model: type[Model], names: tuple[str, ...]) -> list["Field[Any, Any]"]:
    fields: dict[str, Any] = {"pk": model._meta.pk}
    for field in model._meta.local_concrete_fields:
        fields[field.name] = fields[field.attname] = field
    return [fields[name] for name in names]


def _equal(fields: list["Field[Any, Any]"], between: str) -> str:
    return between.join(f'"{field.column}" = %s' for field in fields)
