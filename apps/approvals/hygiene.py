"""How people decide, in numbers: how long they look, how often they agree, how often it had to be undone.

All numbers of one page count the votes on what was asked for since one moment, so that the list of those requests is
the list behind them. A vote that was taken back counts as taken back and as nothing else. Times are read from the rows,
never averaged from averages.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Aggregate, Count, F, FloatField, Q, QuerySet
from django.utils import timezone

from apps.approvals.models import ApprovalState, SecondOpinion, Verdict, Vote
from apps.approvals.queries import FOR, approvals_visible_to
from apps.core import clock
from apps.core.actor import Actor
from apps.registry.models import Process
from apps.registry.permissions import APPROVE, AUDIT, GOVERN, MANAGE
from apps.registry.queries import processes_where

DEFAULT_DAYS = 30
# Fewer decisions say nothing about a person; of more, nearly all approved says that nobody is looking.
ALARM_DECISIONS = 30
ALARM_PERCENT = 98
BURST_SECONDS = 60

STANDS = Q(withdrawal=None)
LOOKED_AT = FOR & Q(approval__second_look__looked_at__isnull=False)

# Whether a subject was undone later only the app above knows: by subject type, a query for the ids of those that were.
Undone = Callable[[], "QuerySet[Any, Any]"]
_undone: dict[str, Undone] = {}


def register_undone(subject_type: str, ids: Undone) -> None:
    """Called from `AppConfig.ready`: what was approved and had to be undone, compensated or reversed."""
    _undone[subject_type] = ids


@dataclass(frozen=True, slots=True)
class Burst:
    """So many approvals, the last so many seconds after the first."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One person's or one team's way of deciding.

    `request_count` are the requests they voted on at all, `decision_count` the votes that stand, `dwell_count` those of
    which it is known how long the card was open. `look_count` are second looks taken at what they approved.
    """

    who: UUID
    name: str
    request_count: int = 0
    decision_count: int = 0
    approve_count: int = 0
    dwell_count: int = 0
    dwell_median_seconds: float | None = None
    withdrawn_count: int = 0
    undone_count: int = 0
    look_count: int = 0
    disagreed_count: int = 0
    burst: Burst | None = None

    @property
    def approve_percent(self) -> float | None:
        return 100 * self.approve_count / self.decision_count if self.decision_count else None

    @property
    def disagreed_percent(self) -> float | None:
        return 100 * self.disagreed_count / self.look_count if self.look_count else None

    @property
    def is_alarming(self) -> bool:
        """A rate near 100 % is what a rubber stamp looks like."""
        return (
            self.decision_count >= ALARM_DECISIONS and 100 * self.approve_count >= ALARM_PERCENT * self.decision_count
        )


def own_figures(actor: Actor, since: dt.datetime) -> Figures:
    """How this person decided, over all processes they see."""
    approvals = approvals_visible_to(actor).filter(requested_at__gte=since)
    votes = Vote.objects.filter(voter=actor.known_id, approval__in=approvals.values("pk"))
    found = _figures(votes, who="voter_id", name="voter__name", bursts=largest_bursts(votes))
    return found[0] if found else Figures(who=actor.known_id, name=actor.name)


def figures_by_person(process: Process, since: dt.datetime) -> list[Figures]:
    """Everyone who voted in the process, by name."""
    votes = _votes_in(process, since)
    return _figures(votes, who="voter_id", name="voter__name", bursts=largest_bursts(votes))


def figures_by_team(process: Process, since: dt.datetime) -> list[Figures]:
    """Every team that was asked in the process, by name. A burst is one person's, so teams have none."""
    return _figures(_votes_in(process, since), who="stage__team_id", name="stage__team__name", bursts={})


def alarms(process: Process, since: dt.datetime) -> list[Figures]:
    """`approval_rate_alarm`: whoever approved nearly everything of not a little."""
    return [figures for figures in figures_by_person(process, since) if figures.is_alarming]


def processes_overseen_by(actor: Actor) -> QuerySet[Process]:
    """Where a person sees how others decide: who keeps the process, and who audits it without voting there. Colleagues
    do not rank each other.
    """
    keeps = Q(pk__in=processes_where(actor, GOVERN).values("pk")) | Q(
        pk__in=processes_where(actor, MANAGE).values("pk")
    )
    votes, audits = processes_where(actor, APPROVE).values("pk"), processes_where(actor, AUDIT).values("pk")
    return Process.objects.filter(keeps | (Q(pk__in=audits) & ~Q(pk__in=votes))).order_by("name")


def midnight(days: int = DEFAULT_DAYS) -> dt.datetime:
    """When the day so many days ago began for the reader: lists are filtered by whole days."""
    day = timezone.localtime(clock.now()).date() - dt.timedelta(days=days)
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))


def _votes_in(process: Process, since: dt.datetime) -> QuerySet[Vote]:
    return Vote.objects.filter(approval__process=process, approval__requested_at__gte=since)


def _figures(votes: QuerySet[Vote], *, who: str, name: str, bursts: dict[UUID, Burst]) -> list[Figures]:
    """One query: every join is to at most one row, so nothing is counted twice."""
    undone = Q(pk__in=())
    for subject_type, ids in _undone.items():
        undone |= Q(approval__subject_type=subject_type, approval__subject_id__in=ids())
    rows = (
        votes.order_by()
        .values(key=F(who), label=F(name))
        .annotate(
            request_count=Count("approval", distinct=True),
            decision_count=Count("id", filter=STANDS),
            approve_count=Count("id", filter=FOR),
            dwell_count=Count("dwell_seconds", filter=STANDS),
            dwell_median_seconds=PercentileCont(0.5, "dwell_seconds", filter=STANDS),
            withdrawn_count=Count("withdrawal"),
            undone_count=Count("id", filter=FOR & Q(approval__state=ApprovalState.APPROVED) & undone),
            look_count=Count("id", filter=LOOKED_AT),
            disagreed_count=Count("id", filter=LOOKED_AT & Q(approval__second_look__opinion=SecondOpinion.DISAGREE)),
        )
        .order_by("label", "key")
    )
    return [_figures_of(row, bursts) for row in rows]


def _figures_of(row: Any, bursts: dict[UUID, Burst]) -> Figures:
    who = row.pop("key")
    return Figures(who=who, name=row.pop("label"), burst=bursts.get(who), **row)


class PercentileCont(Aggregate):
    """PostgreSQL's percentile_cont: the value below which that part of the rows lies, between two where it must."""

    function = "percentile_cont"
    template = "%(function)s(%(part)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()

    def __init__(self, part: float, expression: Any, **extra: Any) -> None:
        super().__init__(expression, part=float(part), **extra)


BURSTS = """
WITH given AS ({votes})
SELECT DISTINCT ON (voter_id) voter_id, count, seconds FROM (
    SELECT voter_id, count(*) OVER minute AS count,
        extract(epoch FROM cast_at - min(cast_at) OVER minute)::float AS seconds
    FROM given
    WINDOW minute AS (PARTITION BY voter_id ORDER BY cast_at RANGE BETWEEN %s::interval PRECEDING AND CURRENT ROW)
) AS runs
WHERE count > 1 ORDER BY voter_id, count DESC, seconds
"""


def largest_bursts(votes: QuerySet[Vote]) -> dict[UUID, Burst]:
    """For each voter the most approvals they gave within a minute, taken back ones included; nobody with only one."""
    given = votes.filter(verdict=Verdict.APPROVE).order_by().values("voter_id", "cast_at")
    sql, params = given.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(BURSTS.format(votes=sql), [*params, f"{BURST_SECONDS} seconds"])
        return {voter: Burst(count, seconds) for voter, count, seconds in cursor.fetchall()}
