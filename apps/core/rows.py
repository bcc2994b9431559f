"""Reading and writing single rows on the path every governed call takes.

Django builds and compiles a statement anew each time, which costs several times what PostgreSQL needs to carry it out.
These build it once per model and shape. Signals, deferred fields and what is filled in at saving are for `save()`.
"""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models import Field, Model, QuerySet
from django.db.models.base import ModelState
from psycopg.adapt import Transformer

from apps.core import messages

R = TypeVar("R")
M = TypeVar("M", bound=Model)
Statement = tuple[str, Sequence[Any]]
"""SQL with its values: no per cent sign in it but those of `%s`."""
Question = Statement
"""A SELECT of one row or none."""


class NotClaimed(Exception):
    """The row was not as whoever wanted to change it expects: another was quicker."""


# Values of this type go into such a column as they are. Asking the field, which checks and converts whatever people
# may give it, takes longer than all else about an INSERT. A field of a class of its own is asked in any case.
_TAKEN_AS_IT_IS: dict[type, type] = {
    models.UUIDField: UUID,
    models.CharField: str,
    models.TextField: str,
    models.SlugField: str,
    models.IntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.PositiveIntegerField: int,
    models.BigIntegerField: int,
    models.BooleanField: bool,
    models.DateTimeField: dt.datetime,
}


_JSON = json.JSONEncoder(separators=(",", ":"))


def _written_text(value: str) -> bytes | None:
    """As psycopg writes it; None for what needs its care: a backslash means something there, and NUL is refused."""
    if "\\" in value or "\0" in value:
        return None
    return b"'%b'" % value.replace("'", "''").encode()


# How a value of this type stands in a statement, where that is quicker than to ask psycopg.
_WRITTEN: dict[type, Callable[[Any], bytes | None]] = {
    str: _written_text,
    type(None): lambda _: b"NULL",
    bool: lambda value: b"true" if value else b"false",
    UUID: lambda value: b"'%b'" % value.hex.encode(),
    dt.datetime: lambda value: b"'%b'::timestamptz" % value.isoformat().encode(),
    int: lambda value: b"%d" % value if value >= 0 else b" %d" % value,
}


class _Column(NamedTuple):
    """A field, the attribute that holds its value, the type it takes as it is, and whether it is plain JSON."""

    field: "Field[Any, Any]"
    attribute: str
    taken: type | None
    is_json: bool


class _Shape(NamedTuple):
    """What a new row of a model has: constants, what is made for each, and the attributes behind its relations."""

    constants: dict[str, Any]
    made: list[tuple[str, Callable[[], Any]]]
    relations: dict[str, str]
    attributes: list[str]
    size: int


def sole(rows: "QuerySet[Any, R]") -> R | None:
    """The row of a query that a unique key limits to one, or None.

    `first()` would order by the primary key, and building that ORDER BY costs as much as building all the rest.
    """
    return next(iter(rows[:1]), None)


def key_question(model: type[Model], **where: Any) -> Question:
    """Asks for the primary key of a row with these values; of a unique key, the only one."""
    sql, columns = _select_key(model, tuple(where))
    return sql, _prepared(columns, where)


def ask(*questions: Question) -> tuple[Any, ...] | None:
    """The answer to the last; those before it are asked for what they do. All go out in one message, and are still
    asked one after the other: each sees what is committed when its turn comes, so one may wait for a lock under which
    the next reads.
    """
    if waiting := _waiting():
        waiting.send()
    return messages.first_rows([messages.tell(_message(questions))])[0]


def change(model: type[Model], changes: dict[str, Any], **where: Any) -> int:
    """UPDATE the rows with these values, none of them None, and return how many those were."""
    sql, columns = _update_of(model, tuple(changes), tuple(where))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*_prepared(columns, changes), *_prepared(columns[len(changes) :], where)])
        return int(cursor.rowcount)


def change_unseen(model: type[Model], changes: dict[str, Any], **where: Any) -> None:
    """`change` where nobody asks how many rows those were; within `together` it waits like an insert."""
    sql, columns = _update_of(model, tuple(changes), tuple(where))
    _send_or_wait([(sql, [*_prepared(columns, changes), *_prepared(columns[len(changes) :], where)])])


def claim(model: type[Model], changes: dict[str, Any], **where: Any) -> None:
    """`change` of one row that has to be there, as the first statement of a `together`: what follows goes out with it.
    Raises NotClaimed where there is none, at the latest when the block ends, and the transaction has to be rolled back.
    """
    waiting = _waiting()
    if waiting is None or waiting.statements:
        raise TypeError("A claim comes first in what is sent together.")
    sql, columns = _update_of(model, tuple(changes), tuple(where))
    waiting.statements = [(sql, [*_prepared(columns, changes), *_prepared(columns[len(changes) :], where)])]
    waiting.begins_with_claim = True


def new(model: type[M], **values: Any) -> M:
    """A row that is not written yet, as `model(**values)` makes it; a related row is given by the field's name. Django
    asks every field and sends two signals, which takes six times as long.
    """
    shape = _shape_of(model)
    row = model.__new__(model)
    row._state = ModelState()
    columns = row.__dict__
    columns.update(shape.constants)
    for name, value in values.items():
        if name in shape.relations:
            columns[shape.relations[name]] = None if value is None else value.pk
            row._state.fields_cache[name] = value
        else:
            columns[name] = value
    for attribute, default in shape.made:
        if attribute not in values:
            columns[attribute] = default()
    if len(columns) != shape.size:
        raise TypeError(f"{model.__name__} has no {', '.join(sorted(columns.keys() - set(shape.attributes)))}")
    return row


def insert(*rows: Model) -> None:
    """INSERT new rows whose keys and defaults were made here, in their order; within `together` they wait."""
    _send_or_wait([_insert_values(row) for row in rows])
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def insert_values(model: type[Model], **values: Any) -> None:
    """`insert` of one row that nobody needs as an object, by its columns' attributes; the others have their default."""
    sql, columns = _insert_of(model)
    if unknown := values.keys() - {column.attribute for column in columns}:
        raise TypeError(f"{model.__name__} has no {', '.join(sorted(unknown))}")
    _send_or_wait([(sql, [_prepare(column, _given(column, values)) for column in columns])])


@contextmanager
def together() -> Iterator[None]:
    """Until the block ends, which is before the commit, statements that give no answer wait, and go to the database in
    one message: at the end, or before whatever else is asked of it, as if each had been sent at once.
    """
    before = _waiting()
    _here.waiting = waiting = _Waiting()
    try:
        with connection.execute_wrapper(waiting):
            yield
            waiting.send()
    finally:
        _here.waiting = before


class _Waiting:
    """Statements that have not been sent; sends them before any other."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.begins_with_claim = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        self.send()
        return execute(sql, params, many, context)

    def send(self) -> None:
        statements, self.statements = self.statements, []
        is_claim, self.begins_with_claim = self.begins_with_claim, False
        if is_claim and not _changed_by_first(statements):
            raise NotClaimed
        if statements and not is_claim:
            _send(statements)


def _send_or_wait(statements: list[Statement]) -> None:
    waiting = _waiting()
    if waiting is not None:
        waiting.statements += statements
    else:
        _send(statements)


# What the block that this thread is in has put off: each statement asks, and Django's connection is slow to find.
_here = threading.local()


def _waiting() -> _Waiting | None:
    return getattr(_here, "waiting", None)


def _send(statements: list[Statement]) -> None:
    messages.tell(_message(statements))


def _changed_by_first(statements: list[Statement]) -> int:
    return messages.exchange(_message(statements))[0].command_tuples or 0


def _message(statements: Sequence[Statement]) -> bytes:
    """The statements with their values in them. `mogrify` would write each the same way, and look up anew for each how
    values of every type are written.
    """
    literal = Transformer(messages.connected().connection).as_literal
    written = _WRITTEN.get
    texts = [
        sql.encode() % tuple([written(type(value), literal)(value) or literal(value) for value in values])
        for sql, values in statements
    ]
    return b"; ".join(texts)


def _insert_values(row: Model) -> Statement:
    sql, columns = _insert_of(type(row))
    given = row.__dict__
    return sql, [
        value if type(value := given[column.attribute]) is column.taken else _prepare(column, value)
        for column in columns
    ]


def _prepared(columns: list[_Column], values: dict[str, Any]) -> list[Any]:
    """The values as their columns take them, a row's key for a row; `columns` begins with theirs."""
    return [
        _prepare(column, value.pk if isinstance(value, Model) else value)
        for column, value in zip(columns[: len(values)], values.values(), strict=True)
    ]


def _given(column: _Column, values: dict[str, Any]) -> Any:
    return values[column.attribute] if column.attribute in values else column.field.get_default()


def _prepare(column: _Column, value: Any) -> Any:
    if value is None or type(value) is column.taken:
        return value
    if column.is_json:
        return _JSON.encode(value)
    if column.taken is str and isinstance(value, models.TextChoices):
        return value.value
    return column.field.get_db_prep_save(value, connections[DEFAULT_DB_ALIAS])


@cache
def _insert_of(model: type[Model]) -> tuple[str, list[_Column]]:
    """The statement and what fills it, in order. A sequence's column is left to the sequence."""
    fields = [field for field in model._meta.local_concrete_fields if field is not model._meta.auto_field]
    names = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    sql = f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({marks})'  # noqa: S608  our own names
    return sql, [_column(field) for field in fields]


@cache
def _select_key(model: type[Model], names: tuple[str, ...]) -> tuple[str, list[_Column]]:
    key, *fields = _fields(model, ("pk", *names))
    sql = f'SELECT "{key.column}" FROM "{model._meta.db_table}" WHERE {_equal(fields, " AND ")} LIMIT 1'  # noqa: S608  our own names
    return sql, [_column(field) for field in fields]


@cache
def _update_of(model: type[Model], changed: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, list[_Column]]:
    changes, where = _fields(model, changed), _fields(model, names)
    sql = f'UPDATE "{model._meta.db_table}" SET {_equal(changes, ", ")} WHERE {_equal(where, " AND ")}'  # noqa: S608  our own names
    return sql, [_column(field) for field in changes + where]


@cache
def _shape_of(model: type[Model]) -> _Shape:
    fields = model._meta.concrete_fields
    made = [(field.attname, field.default) for field in fields if field.has_default() and callable(field.default)]
    names = [name for name, _ in made]
    constants = {field.attname: field.get_default() for field in fields if field.attname not in names}
    relations = {field.name: field.attname for field in fields if field.is_relation}
    attributes = ["_state", *(field.attname for field in fields)]
    return _Shape(constants, made, relations, attributes, len(attributes))


def _column(field: "Field[Any, Any]") -> _Column:
    kind = field
    while isinstance(kind, models.ForeignKey):
        kind = kind.target_field
    is_json = type(kind) is models.JSONField and kind.encoder is None
    return _Column(field, field.attname, _TAKEN_AS_IT_IS.get(type(kind)), is_json)


def _fields(model: type[Model], names: tuple[str, ...]) -> list["Field[Any, Any]"]:
    fields: dict[str, Any] = {"pk": model._meta.pk}
    for field in model._meta.local_concrete_fields:
        fields[field.name] = fields[field.attname] = field
    return [fields[name] for name in names]


def _equal(fields: list["Field[Any, Any]"], between: str) -> str:
    return between.join(f'"{field.column}" = %s' for field in fields)
