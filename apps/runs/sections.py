"""Parts of a run's page that other apps add below what is said here. Those register them; nothing here imports them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.core.actor import Actor
from apps.runs.models import Run


@dataclass(frozen=True, slots=True)
class Section:
    """`template` is given what to show as `shown`."""

    template: str
    shown: Any


# None where there is nothing to show this actor of the run.
Source = Callable[[Actor, Run], Section | None]
_sources: list[Source] = []


def register(source: Source) -> None:
    """Called from `AppConfig.ready`."""
    _sources.append(source)


def sections_of(actor: Actor, run: Run) -> list[Section]:
    """Those of the lower floors first: apps are installed from the top."""
    return [section for source in reversed(_sources) if (section := source(actor, run)) is not None]
