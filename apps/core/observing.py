"""What the console tells of its own work: steps, counts and levels, for whoever collects them.

Nobody does unless the process was told where to send them (`meshconsole.otel`); until then a step costs one comparison.
Attributes are codes, ids and names of things that were set up, never anything that a call carries, a person wrote or a
secret is: only `KEYS` leave, and the sink drops everything else.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from django.db import transaction

from apps.core.tracing import TraceContext

P = ParamSpec("P")
R = TypeVar("R")
Attributes = Mapping[str, str | int | float | bool]

# Names that distinguish few things; these may stand on a metric too.
METRIC_KEYS = frozenset(
    {
        "mesh.tool",
        "mesh.process",
        "mesh.environment",
        "mesh.call.state",
        "mesh.decision.outcome",
        "mesh.error.code",
        "mesh.event",
        "mesh.task",
        "mesh.halt.mode",
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "error.type",
    }
)
KEYS = METRIC_KEYS | {"mesh.agent", "mesh.call.id", "mesh.run.id", "mesh.request.id", "mesh.attempt"}

INNER, SERVER, CLIENT, CONSUMER = "internal", "server", "client", "consumer"


class Sink(Protocol):
    """Where it all goes. None of it may wait or raise."""

    def step(
        self, name: str, kind: str, attributes: Attributes, parent: TraceContext | None
    ) -> AbstractContextManager[None]: ...

    def note(self, attributes: Attributes) -> None: ...

    def count(self, name: str, by: int, attributes: Attributes) -> None: ...

    def level(self, name: str, value: float, attributes: Attributes) -> None: ...

    def here(self) -> TraceContext | None: ...

    def headers(self) -> dict[str, str]: ...


_NOTHING: AbstractContextManager[None] = nullcontext()
_NO_HEADERS: dict[str, str] = {}
_sink: Sink | None = None


def tell(sink: Sink | None) -> None:
    """From now on this process tells the sink; None: nobody."""
    global _sink
    _sink = sink


def is_on() -> bool:
    return _sink is not None


def step(
    name: str, kind: str = INNER, *, attributes: Attributes | None = None, parent: TraceContext | None = None
) -> AbstractContextManager[None]:
    """A piece of work with its time, as a context manager. With a `parent` it belongs to that trace and names the one
    it is carried out in.
    """
    return _NOTHING if _sink is None else _sink.step(name, kind, attributes or {}, parent)


def observed(
    name: str, *, kind: str = INNER, after: Callable[[Any], Attributes] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The same for a whole function. `after` says something of its result."""

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            sink = _sink
            if sink is None:
                return function(*args, **kwargs)
            with sink.step(name, kind, {}, None):
                result = function(*args, **kwargs)
                if after is not None:
                    sink.note(after(result))
            return result

        return run

    return wrap


def note(attributes: Attributes) -> None:
    """Say more of the step under way."""
    if _sink is not None:
        _sink.note(attributes)


def count(name: str, *, by: int = 1, attributes: Attributes) -> None:
    """So many more of it, once the transaction under way has been committed."""
    sink = _sink
    if sink is not None:
        transaction.on_commit(lambda: sink.count(name, by, attributes))


def here() -> TraceContext | None:
    """The step under way, None where nobody collects them."""
    return None if _sink is None else _sink.here()


def headers() -> dict[str, str]:
    """What another system has to be sent so that its own steps belong to the one under way."""
    return _NO_HEADERS if _sink is None else _sink.headers()


# --- levels -----------------------------------------------------------------------------------------------------------

# What is so many now, asked of the database. By name: unit, what it is, how it is read.
Reading = tuple[float, Attributes]
Levels = Callable[[], Iterator[Reading]]
LEVELS: dict[str, Levels] = {}


def register_levels(levels: dict[str, Levels]) -> None:
    """Called from `AppConfig.ready`."""
    LEVELS.update(levels)


def report_levels() -> int:
    """Read all levels and tell them; how many that were. One worker does it for all processes."""
    if _sink is None:
        return 0
    told = 0
    for name, read in LEVELS.items():
        for value, attributes in read():
            _sink.level(name, value, attributes)
            told += 1
    return told


@contextmanager
def told_to(sink: Sink) -> Iterator[None]:
    """For as long as it lasts; then whoever was told before."""
    before = _sink
    tell(sink)
    try:
        yield
    finally:
        tell(before)
