"""What those who run the mesh want to hear of: budgets, held runs, systems that do not answer, halts. Each is noted
down once however often the news comes; who hears of it is worked out later.
"""

from typing import Any

from apps.breakers.events import BreakerOpened, BreakerRecovered
from apps.breakers.models import Breaker
from apps.budgets.events import BudgetThresholdReached, RunHeld, RunReleased
from apps.core.clock import rfc3339
from apps.core.outbox import DomainEvent, Handler
from apps.halts.events import HaltExpired, HaltHeldAgain, HaltLifted, HaltPlaced, HaltRampStarted
from apps.halts.models import Halt, LiftRequest, Mode
from apps.halts.services.drills import DRILL
from apps.notifications import services
from apps.notifications.models import NewsKind
from apps.policies.events import EmergencyReviewed, PolicyReadable, PolicyReleasedAlone, PolicyUnreadable
from apps.policies.models import EmergencyState
from apps.runs.events import RunExtended, RunTimedOut
from apps.telemetry.events import UngovernedActionAcknowledged, UngovernedActionFound

USED_UP = 100


def note_threshold(event: dict[str, Any]) -> None:
    percent = event["percent"]
    kind = NewsKind.SPENT if percent >= USED_UP else NewsKind.BUDGET
    data = {"budget": event["budget_id"], "period": event["period_id"], "percent": str(percent)}
    services.note(kind=kind, key=f"budget:{event['period_id']}:{percent}", data=data)


def note_held_run(event: dict[str, Any]) -> None:
    services.note(kind=NewsKind.HELD, key=f"held:{event['hold_id']}", data={"hold": event["hold_id"]})


def close_held_run(event: dict[str, Any]) -> None:
    services.close_news(f"held:{event['hold_id']}")


def note_broken(event: dict[str, Any]) -> None:
    data = {"noted": event["noted_id"], "set": event["policy_set"], "environment": event["environment"]}
    services.note(kind=NewsKind.BROKEN, key=f"broken:{event['noted_id']}", data=data)


def close_broken(event: dict[str, Any]) -> None:
    services.close_news(f"broken:{event['noted_id']}")


def note_overtime(event: dict[str, Any]) -> None:
    """A run that got more time may run out of it again."""
    run_id = event["run_id"]
    services.note(kind=NewsKind.OVERTIME, key=_overtime(run_id) + event["deadline_at"], data={"run": run_id})


def close_overtime(event: dict[str, Any]) -> None:
    services.close_news(_overtime(event["run_id"]))


def _overtime(run_id: str) -> str:
    return f"overtime:{run_id}:"


def note_ungoverned(event: dict[str, Any]) -> None:
    action_id = event["action_id"]
    services.note(kind=NewsKind.UNGOVERNED, key=f"ungoverned:{action_id}", data={"action": action_id})


def close_ungoverned(event: dict[str, Any]) -> None:
    services.close_news(f"ungoverned:{event['action_id']}")


def note_outage(event: dict[str, Any]) -> None:
    """Of one opening, which its time names."""
    data = {"endpoint": event["endpoint_id"], "code": event["error_code"]}
    services.note(kind=NewsKind.DOWN, key=_outage(event["endpoint_id"], event.get("opened_at", "")), data=data)


def note_return(event: dict[str, Any]) -> None:
    breaker = Breaker.objects.get(endpoint=event["endpoint_id"])
    outage = _outage(event["endpoint_id"], rfc3339(breaker.opened_at) or "")
    services.close_news(outage)
    data = {"endpoint": event["endpoint_id"], "outage": outage}
    services.note(kind=NewsKind.BACK, key=f"back:{outage}", data=data)


def _outage(endpoint_id: str, opened_at: str) -> str:
    return f"down:{endpoint_id}:{opened_at}"


def note_placed(event: dict[str, Any]) -> None:
    halt = Halt.objects.get(id=event["halt_id"])
    _note_halt(NewsKind.HALTED, halt, "placed", by=halt.placed_by)


def note_held_again(event: dict[str, Any]) -> None:
    """A halt can be held again as often as somebody began to lift it."""
    halt = Halt.objects.get(id=event["halt_id"])
    _note_halt(NewsKind.HALTED, halt, "held_again", of=_last_request(halt))


def note_ramp(event: dict[str, Any]) -> None:
    halt = Halt.objects.get(id=event["halt_id"])
    _note_halt(NewsKind.LIFTED, halt, "ramp", of=_last_request(halt))


def note_lifted(event: dict[str, Any]) -> None:
    halt = Halt.objects.get(id=event["halt_id"])
    services.close_news(f"halt:{halt.id}:")
    _note_halt(NewsKind.LIFTED, halt, "lifted", by=halt.lifted_by)


def note_expired(event: dict[str, Any]) -> None:
    """A stop that ran out goes on as a hold, until somebody lifts it."""
    halt = Halt.objects.get(id=event["halt_id"])
    _note_halt(NewsKind.LIFTED, halt, "goes_on" if halt.mode == Mode.STOP else "expired")


def _last_request(halt: Halt) -> str:
    return str(LiftRequest.objects.filter(halt=halt).values_list("id", flat=True).first() or "")


def _note_halt(kind: NewsKind, halt: Halt, what: str, *, by: str = "", of: str = "") -> None:
    """A drill holds its canary for twenty seconds and is told to nobody."""
    if halt.placed_by != DRILL.key:
        services.note(kind=kind, key=f"halt:{halt.id}:{what}:{of}", data={"halt": str(halt.id), "what": what, "by": by})


def note_released_alone(event: dict[str, Any]) -> None:
    _note_alone(NewsKind.ALONE, event["request_id"], "released", by=event["by"])


def note_reviewed_afterwards(event: dict[str, Any]) -> None:
    """A yes is the end of it; a no, and no answer in time, are told to the same people."""
    if event["state"] == EmergencyState.AGREED:
        services.close_news(f"alone:{event['request_id']}:")
    else:
        _note_alone(NewsKind.REFUSED, event["request_id"], event["state"])


def _note_alone(kind: NewsKind, request_id: str, what: str, *, by: str = "") -> None:
    data = {"request": request_id, "what": what, "by": by}
    services.note(kind=kind, key=f"alone:{request_id}:{what}", data=data)


HANDLERS: dict[type[DomainEvent], list[Handler]] = {
    BudgetThresholdReached: [note_threshold],
    RunHeld: [note_held_run],
    RunReleased: [close_held_run],
    RunTimedOut: [note_overtime],
    RunExtended: [close_overtime],
    PolicyUnreadable: [note_broken],
    PolicyReadable: [close_broken],
    UngovernedActionFound: [note_ungoverned],
    UngovernedActionAcknowledged: [close_ungoverned],
    BreakerOpened: [note_outage],
    BreakerRecovered: [note_return],
    HaltPlaced: [note_placed],
    HaltHeldAgain: [note_held_again],
    HaltRampStarted: [note_ramp],
    HaltLifted: [note_lifted],
    HaltExpired: [note_expired],
    PolicyReleasedAlone: [note_released_alone],
    EmergencyReviewed: [note_reviewed_afterwards],
}
