"""Erasing what one run holds, because a person asks for it."""

from uuid import UUID

from django.db import transaction

from apps.core import clock, locks, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict
from apps.gateway.models import ToolCall, Unwind, UnwindState
from apps.registry.permissions import RETAIN
from apps.registry.queries import require
from apps.retention.events import RunContentErased
from apps.retention.queries import holds_over
from apps.retention.services import contents
from apps.retention.services.contents import UNSETTLED, Erased
from apps.retention.services.holds import LOCK, checked_words
from apps.runs import erasures
from apps.runs.models import Run
from apps.runs.queries import run_for
from apps.runs.telling import record
from apps.runs.wording import enumerated
from apps.telemetry.queries import traces_of


def erase_run(*, actor: Actor, run_id: UUID, reason: str) -> list[Erased]:
    """Erase everything that the run holds and that says anything: of its calls, its state, its files and what agents
    reported. What happened when, what it moved and every digest stay. It cannot be undone.
    """
    seen = run_for(actor, run_id)
    require(actor, RETAIN, seen.process)
    words = checked_words(reason, "Say why it has to be erased.")
    with transaction.atomic():
        locks.take_shared(LOCK)
        run = Run.objects.select_for_update(of=("self",)).select_related("process").get(id=seen.id)
        _check(run)
        erased = _erase(run)
        if not erased:
            raise Conflict("erasure.nothing", "Nothing of this run says anything any more.")
        what = enumerated([one.what for one in erased])
        told = erasures.erasure_span(run, what=what, by=actor.name, why=words, at=clock.now(), is_rule=False)
        erasures.write([told])
        counts = {one.content.value: one.count for one in erased}
        data = {"counts": counts, "documents": sum(one.documents for one in erased)}
        record(actor, "run.erased", run, reason=words, data=data)
        outbox.add(RunContentErased(run_id=str(run.id), by=actor.key, counts=counts))
    return erased


def _check(run: Run) -> None:
    if hold := holds_over(run.process_id, run.id).first():
        sentence = f"A legal hold of {hold.placed_by_name} keeps this from being erased."
        raise Conflict("erasure.on_hold", sentence, hold_id=str(hold.id))
    if run.is_open:
        raise Conflict("erasure.run_open", "This run is still open. Agents may need what it holds.")
    is_unsettled = ToolCall.objects.filter(run=run, state__in=UNSETTLED).exists()
    if is_unsettled or Unwind.objects.filter(run=run, state=UnwindState.RUNNING).exists():
        raise Conflict(
            "erasure.unsettled", "A call of this run waits, or nobody knows what became of it, or it is being undone."
        )


def _erase(run: Run) -> list[Erased]:
    calls = contents.calls_to_erase().filter(run=run).values_list("id", flat=True)
    versions = contents.states_to_erase().filter(run=run).values_list("id", flat=True)
    artifacts = contents.artifacts_to_erase().filter(run=run).values_list("id", flat=True)
    erased = [
        contents.erase_calls(list(calls)),
        contents.erase_states(list(versions)),
        contents.erase_artifacts(list(artifacts)),
        contents.erase_reported(traces_of(run)),
    ]
    return [one for one in erased if one.count]
