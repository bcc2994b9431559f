"""What everything that agents keep with a run has in common."""

from uuid import UUID

from apps.core.errors import Conflict, Invalid, NotFound
from apps.registry.masking import CLASS
from apps.registry.models import Agent
from apps.runs.deadlines import is_over, run_time_over
from apps.runs.models import Run


def open_run_of(agent: Agent, run_id: UUID) -> Run:
    """The run, which stays open until the end of the transaction. Raises NotFound for one of another process or
    environment, Conflict for one that has ended and Exhausted when its time is over.
    """
    mine = Run.objects.filter(process_id=agent.process_id, environment=agent.environment).select_related("process")
    run = mine.select_for_update(of=("self",), no_key=True).filter(id=run_id).first()
    if run is None:
        raise NotFound("run.not_found", "There is no such run in this agent's process.")
    if is_over(run):
        raise run_time_over()
    if not run.is_open:
        raise Conflict("run.ended", f"This run has ended: {run.get_state_display().lower()}.")
    return run


def check_data_class(data_class: str) -> None:
    """Raises Invalid for what is no name of a class."""
    if not CLASS.fullmatch(data_class):
        errors = [{"pointer": "/data_class", "sentence": "Letters, digits, hyphens and underscores, at most 40."}]
        raise Invalid("data_class.invalid", "This is no name of a class of data.", errors=errors)
