"""Reading runs."""

from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from apps.audit.models import AuditEntry
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.registry.queries import processes_visible_to
from apps.runs.models import Run, Span, SpanKind, SpanOrigin, SpanStatus
from apps.runs.steps import sources

MOST_STORY_STEPS = 1000
EXTENDED, HELD, RELEASED = "run.extended", "run.held", "run.released"


def runs_visible_to(actor: Actor) -> QuerySet[Run]:
    """Runs of the processes this actor sees."""
    return Run.objects.filter(process__in=processes_visible_to(actor)).select_related("process", "opened_by")


def run_for(actor: Actor, run_id: UUID) -> Run:
    """One run this actor may see. Raises NotFound."""
    run = runs_visible_to(actor).filter(id=run_id).first()
    if run is None:
        raise NotFound("run.not_found", "There is no such run.")
    return run


def spans_of(run: Run) -> list[Span]:
    """The run's spans in the order they began; ties keep the order they were written in."""
    return list(run.spans.order_by("started_at", "id"))


def span_for(run: Run, span_id: UUID) -> Span:
    """One step of the run. Raises NotFound."""
    span = run.spans.filter(id=span_id).first()
    if span is None:
        raise NotFound("step.not_found", "There is no such step in this run.")
    return span


def story_steps(run: Run) -> list[Span]:
    """The steps that say more than the rows of calls do: attempts that came to nothing, lookups, undoing, what people
    did while they were waited for, changes. Of very many the first ones: the rest is alike.
    """
    telling = (
        Q(kind__in=(SpanKind.LOOKUP, SpanKind.COMPENSATION, SpanKind.ERASURE))
        | Q(kind=SpanKind.TOOL, status__in=(SpanStatus.ERROR, SpanStatus.UNKNOWN))
        | Q(kind=SpanKind.HUMAN_WAIT, started_at=F("ended_at"))
        | Q(kind=SpanKind.DECISION, attributes__has_key="previous_version")
    )
    return list(run.spans.filter(telling, origin=SpanOrigin.ENFORCED).order_by("started_at", "id")[:MOST_STORY_STEPS])


def acts_on(run: Run) -> list[AuditEntry]:
    """What was done with the run as a whole, in order."""
    acts = AuditEntry.objects.filter(subject_id=str(run.id), code__in=(EXTENDED, HELD, RELEASED))
    return list(acts.order_by("seq"))


def version_of(run: Run) -> str:
    """Another one whenever something happened in the run."""
    steps = run.spans.aggregate(count=Count("id"), ended=Count("ended_at"))
    told = sum(source.count(run) for source in sources())
    return f"{run.state}-{steps['count']}-{steps['ended']}-{told}"
