"""Which runs a list shows: parsed from its address, the same for page, file and API."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.registry.models import Environment
from apps.runs.facts import above
from apps.runs.models import Run, RunState, Span, SpanKind
from apps.runs.queries import runs_visible_to

SINCE = {"24h": dt.timedelta(hours=24), "7d": dt.timedelta(days=7), "30d": dt.timedelta(days=30)}
PEOPLE = "people"
CHOICES: dict[str, frozenset[str]] = {
    "state": frozenset(RunState.values),
    "environment": frozenset(Environment.values),
    "since": frozenset(SINCE),
    "waiting": frozenset({PEOPLE}),
}
LONGEST_WORDS = 120
# Each finds runs by a name that the outside world gave to something in them: a trace, an order.
Finder = Callable[[str], "list[UUID]"]
_finders: list[Finder] = []


def register_finder(finder: Finder) -> None:
    """Called from `AppConfig.ready` by a floor above that knows runs by another name."""
    _finders.append(finder)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """`q` is looked for as a run's id, its business key, a business record that a call in it touched, and whatever
    floors above know runs by; only where nothing has that name, in the titles.
    """

    q: str = ""
    state: str = ""
    process: str = ""
    agent: str = ""
    environment: str = ""
    since: str = ""
    waiting: str = ""

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> "RunFilter":
        """Raises Invalid for a value that is none: a list must not hold more than its reader asked for."""
        given = {field.name: str(values.get(field.name, "")).strip() for field in fields(cls)}
        for name, allowed in CHOICES.items():
            if given[name] and given[name] not in allowed:
                sentence = f"{name} is one of {', '.join(sorted(allowed))}."
                raise Invalid("run.bad_filter", sentence, errors=[{"pointer": f"/{name}", "sentence": sentence}])
        if len(given["q"]) > LONGEST_WORDS or "\x00" in "".join(given.values()):
            raise Invalid("run.bad_filter", f"Look for up to {LONGEST_WORDS} characters.")
        return cls(**given)

    def __str__(self) -> str:
        return urlencode({field.name: value for field in fields(self) if (value := getattr(self, field.name))})

    def apply(self, actor: Actor) -> "QuerySet[Run]":
        """The runs that this actor sees and the filter lets through, in no order yet."""
        runs = runs_visible_to(actor)
        if self.state:
            runs = runs.filter(state=self.state)
        if self.process:
            runs = runs.filter(process__slug=self.process)
        if self.agent:
            runs = runs.filter(opened_by__slug=self.agent)
        if self.environment:
            runs = runs.filter(environment=self.environment)
        if self.since:
            runs = runs.filter(started_at__gte=clock.now() - SINCE[self.since])
        if self.waiting:
            people = Span.objects.filter(run=OuterRef("pk"), kind=SpanKind.HUMAN_WAIT, ended_at=None)
            runs = runs.filter(Exists(people), state=RunState.OPEN)
        return _named(runs, self.q) if self.q else runs


def _named(runs: "QuerySet[Run]", words: str) -> "QuerySet[Run]":
    known = {run_id for find in (above().named, *_finders) for run_id in find(words)} | _as_id(words)
    exactly = Q(business_key__in={words, words.upper()})
    named = runs.filter(exactly | Q(id__in=known) if known else exactly)
    return named if named.order_by().exists() else runs.filter(title__icontains=words)


def _as_id(words: str) -> set[UUID]:
    try:
        return {UUID(words)}
    except ValueError:
        return set()
