"""What halts have to ask of the floors that know runs and calls. Those register it; nothing here imports them."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from apps.core.actor import Actor
from apps.halts.models import Halt


class Scoped(Protocol):
    """What a halt or a thought of one covers."""

    @property
    def scope_type(self) -> str: ...
    @property
    def scope_id(self) -> UUID | None: ...
    @property
    def scope_agent_id(self) -> UUID | None: ...
    @property
    def scope_text(self) -> str: ...
    @property
    def scope_process_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run as a scope."""

    id: UUID
    name: str
    process_id: UUID


@dataclass(frozen=True, slots=True)
class Restarts:
    """What starts again when a halt is lifted."""

    queued_count: int
    open_run_count: int
    waiting_count: int


@dataclass(frozen=True, slots=True)
class Watch:
    """What a rule looks at: `condition` over the calls in the scope that ended after `since`."""

    scope: Scoped
    environment: str
    condition: str
    since: dt.datetime
    least_calls: int


@dataclass(frozen=True, slots=True)
class Observed:
    """What happened to calls in a halt's scope since it was placed."""

    turned_away_count: int
    got_through_count: int


@dataclass(frozen=True, slots=True)
class Above:
    """`run` finds a run that the actor may see. `executing`: the calls under way in the scope of an environment, asked
    under the exclusive lock. `last_admitted`: when the last call in it became executing, if within that time.
    `restarts`: what waits for the lift. `measured`: what a rule's condition comes to now. `observed`: what became of
    calls under a halt.
    """

    run: Callable[[Actor, UUID, str], NamedRun | None]
    executing: Callable[[Scoped, str], list[UUID]]
    last_admitted: Callable[[Scoped, str, dt.timedelta], dt.datetime | None]
    restarts: Callable[[Scoped, str], Restarts]
    measured: Callable[[Watch], int]
    observed: Callable[[Halt], Observed]


_registered: list[Above] = []


def register(above: Above) -> None:
    """Called from `AppConfig.ready`."""
    _registered[:] = [above]


def above() -> Above:
    return _registered[0]
