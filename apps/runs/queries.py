"""Reading runs."""

from uuid import UUID

from django.db.models import QuerySet

from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.registry.queries import processes_visible_to
from apps.runs.models import Run, Span


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
