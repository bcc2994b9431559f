"""Reading a thing once for a page whose parts all ask for it."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

T = TypeVar("T")

_remembered: ContextVar[dict[Hashable, Any] | None] = ContextVar("remembered", default=None)


@contextmanager
def read_once() -> Iterator[None]:
    """Until the block ends, `once` reads each thing once. For pages and lists alone: never around a change."""
    before = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(before)


def once(key: Hashable, read: Callable[[], T]) -> T:
    """What `read` gives; within `read_once`, what it gave before for this key."""
    remembered = _remembered.get()
    if remembered is None:
        return read()
    if key not in remembered:
        remembered[key] = read()
    return cast(T, remembered[key])
