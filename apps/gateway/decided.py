"""From a rule or a release back to the decisions it determined: exact, newest first, however many there are.

A decision names its policies and releases in JSON. Each place in those lists has an index of its own, by set, version,
rule, outcome and id (migration 0010), so a page is a few short index scans that are merged, whatever is asked for.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, Func, IntegerField, QuerySet
from django.db.models.fields.json import KT

from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.core.ids import first_id_at, parse_uuid
from apps.core.paging import PAGE_SIZE
from apps.gateway.models import Decision, Outcome
from apps.policies.models import PolicyRelease
from apps.registry.queries import processes_visible_to

# As the migration has them.
POSITIONS, RELEASES = 4, 2
MOST_COUNTED = 1000
# How many a page looks through for those its reader may see.
MOST_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Which decisions: of one release, of one rule in it where `rule` is not empty, with one outcome where that is not,
    at or after `since` and before `until`.
    """

    release: PolicyRelease
    rule: str = ""
    outcome: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def __post_init__(self) -> None:
        if self.outcome and self.outcome not in Outcome.values:
            raise Invalid("decision.bad_filter", f"An outcome is {', '.join(Outcome.values)}.")


@dataclass(frozen=True, slots=True)
class Decided:
    """One page. `next` is the id to go on after, None at the end."""

    items: list[Decision]
    next: str | None


def decided(actor: Actor, asked: Asked, *, cursor: str | None = None, size: int = PAGE_SIZE) -> Decided:
    """The decisions on calls of processes the actor sees. A page may be short of its size before the end, where most of
    what was looked through is of processes they do not see.
    """
    after = parse_uuid(cursor) if cursor else None
    if cursor and after is None:
        raise Invalid("page.bad_cursor", "That cursor was not made here.")
    most = size if asked.release.policy_set.process_id else max(size, MOST_LOOKED_AT)
    ids = [*_ids(asked, after, most + 1)]
    seen = Decision.objects.filter(id__in=ids[:most], tool_call__process__in=processes_visible_to(actor))
    found = list(seen.select_related("tool_call__tool", "tool_call__agent").order_by("-id")[: size + 1])
    if len(found) > size:
        return Decided(found[:size], str(found[size - 1].id))
    return Decided(found, str(ids[most - 1]) if len(ids) > most else None)


def count_of(actor: Actor, asked: Asked, *, most: int = MOST_COUNTED) -> int | None:
    """How many the actor may see, counted no further than one more than `most`. None where that cannot be said: of the
    global set there are more, and not all of them are theirs to see.
    """
    ids = [*_ids(asked, None, most + 1)]
    if asked.release.policy_set.process_id:
        return len(ids)
    seen = Decision.objects.filter(id__in=ids, tool_call__process__in=processes_visible_to(actor)).count()
    return None if len(ids) > most > seen else seen


def _ids(asked: Asked, after: UUID | None, count: int) -> Iterator[UUID]:
    """Ids of the newest, in one query: each index, each outcome, merged."""
    branches = [branch.order_by("-id").values_list("id", flat=True)[:count] for branch in _branches(asked, after)]
    first, *rest = branches
    merged = first.union(*rest, all=True) if rest else first
    yield from merged.order_by("-id")[:count]


def _branches(asked: Asked, after: UUID | None) -> Iterator[QuerySet[Decision]]:
    outcomes = [asked.outcome] if asked.outcome else Outcome.values
    for rows in _places(asked):
        for outcome in outcomes:
            yield _between(rows.filter(outcome=outcome), asked, after)


def _places(asked: Asked) -> Iterable[QuerySet[Decision]]:
    named = {"set": asked.release.policy_set.slug, "version": str(asked.release.version)}
    if not asked.rule:
        return [_at("releases", position, named) for position in range(RELEASES)]
    of_rule = {**named, "id": asked.rule}
    return [*(_at("policies", position, of_rule) for position in range(POSITIONS)), _beyond(asked)]


def _beyond(asked: Asked) -> QuerySet[Decision]:
    """Those of more rules than have a place of their own, in which this is one of the last. An index has only such
    decisions; they are looked through.
    """
    named = {"set": asked.release.policy_set.slug, "version": asked.release.version, "id": asked.rule}
    length = Func(F("policies"), function="jsonb_array_length", output_field=IntegerField())
    rows = Decision.objects.alias(length=length).filter(length__gt=POSITIONS, policies__contains=[named])
    for position in range(POSITIONS):
        rows = rows.exclude(**{f"policies__{position}__contains": named})
    return rows


def _at(column: str, position: int, values: dict[str, str]) -> QuerySet[Decision]:
    keys = {f"{name}_at": KT(f"{column}__{position}__{name}") for name in values}
    return Decision.objects.alias(**keys).filter(**{f"{name}_at": value for name, value in values.items()})


def _between(rows: QuerySet[Decision], asked: Asked, after: UUID | None) -> QuerySet[Decision]:
    """Decisions carry their time in their ids."""
    since = max(asked.release.released_at, asked.since) if asked.since else asked.release.released_at
    rows = rows.filter(id__gte=first_id_at(since))
    if asked.until is not None:
        rows = rows.filter(id__lt=first_id_at(asked.until))
    return rows.filter(id__lt=after) if after else rows
