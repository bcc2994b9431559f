"""Reading and writing single rows on the path every governed call takes."""

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


def insert(row: Model) -> None:
    """INSERT a new row whose key and defaults were made here. The statement is built once per model.

    What `save()` does besides costs more than the statement itself: signals, deferred fields, a compiler made anew. A
    row whose key or columns the database makes has to be saved the ordinary way.
    """
    sql, fields = _insert_of(type(row))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
    row._state.adding, row._state.db = False, connection.alias


@cache
def _insert_of(model: type[Model]) -> tuple[str, list["Field[Any, Any]"]]:
    """The statement and the fields that fill it, in order. A sequence's column is left to the sequence."""
    fields = [field for field in model._meta.local_concrete_fields if field is not model._meta.auto_field]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({marks})', fields  # noqa: S608  our own names
