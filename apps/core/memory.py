"""What a process keeps in memory of things that are dear to make or to read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar
from uuid import UUID

from apps.core.generations import Moment, read_moment

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Keeps the `size` values used last, of things that never change. Safe between threads; two may make the same
    value, which does no harm. With `weigh` it keeps as many as weigh `size` together, and the last one in any case.
    """

    def __init__(self, size: int, *, weigh: Callable[[V], int] | None = None) -> None:
        self._size = size
        self._weigh = weigh or (lambda _: 1)
        self._weight = 0
        self._lock = Lock()
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> V:
        with self._lock:
            if (before := self._values.pop(key, None)) is not None:
                self._weight -= self._weigh(before)
            self._values[key] = value
            self._weight += self._weigh(value)
            while self._weight > self._size and len(self._values) > 1:
                self._weight -= self._weigh(self._values.popitem(last=False)[1])
        return value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
            self._weight = 0


class Remembered(Generic[K, V]):
    """What was read of tables that belong to a generation, for as long as that is the present one.

    What is kept is shared between threads and requests: nobody may change it. Nothing found is not kept, because a
    stranger could ask for any number of things that are not there.
    """

    def __init__(self, generation: str, *, size: int) -> None:
        self._generation = generation
        self._values: BoundedCache[K, tuple[UUID, V]] = BoundedCache(size)

    def get(self, key: K, read: Callable[[], V | None], *, moment: Moment | None = None) -> V | None:
        """What `read` found under this key in the generation of that moment, or finds now. Without a moment, of this
        one: who asks for several things reads it first and hands it in.
        """
        mark = (moment or read_moment()).marks.get(self._generation)
        kept = self._values.get(key)
        if kept is not None and kept[0] == mark:
            return kept[1]
        value = read()
        if value is not None and mark is not None:
            self._values.put(key, (mark, value))
        return value

    def recall(self, key: K, moment: Moment | None) -> V | None:
        """What was found under this key in the generation of that moment, if it is still here. Reads nothing."""
        kept = self._values.get(key) if moment is not None else None
        return (
            kept[1]
            if kept is not None and moment is not None and kept[0] == moment.marks.get(self._generation)
            else None
        )
