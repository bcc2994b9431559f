"""What a run's page shows of retention: the holds over it, and who may, how to place one and how to erase it."""

from dataclasses import dataclass

from apps.core.actor import Actor
from apps.registry.permissions import RETAIN
from apps.registry.queries import holds
from apps.retention.forms import HoldForm, ReasonForm
from apps.retention.models import LegalHold
from apps.retention.queries import holds_over
from apps.runs.models import Run
from apps.runs.sections import Section


@dataclass(frozen=True, slots=True)
class Retained:
    """`hold_form` and `erase_form`: None for who may not, and where it cannot be."""

    run: Run
    holds: list[LegalHold]
    may: bool
    hold_form: HoldForm | None
    erase_form: ReasonForm | None


def section_of(actor: Actor, run: Run) -> Section | None:
    """None for who may nothing here, as long as no hold is over it."""
    over = list(holds_over(run.process_id, run.id))
    may = holds(actor, RETAIN, run.process)
    if not over and not may:
        return None
    shown = Retained(
        run,
        over,
        may,
        HoldForm(run_id=run.id) if may else None,
        ReasonForm(name="erase") if may and not over and not run.is_open else None,
    )
    return Section("runs/_retained.html", shown)
