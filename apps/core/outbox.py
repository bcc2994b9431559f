"""Domain events: written with the change, delivered after it, in order per subject, at least once.

A service calls `add` inside its transaction. Delivery happens in the worker (`apps.core.tasks.drain_outbox`), nudged
after the commit for urgent news and swept every second for all of it. A handler must be idempotent and short; real
work is a task it enqueues. With the broker down the row waits; nothing is true only in the broker.
"""

import dataclasses
import datetime as dt
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, ClassVar

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef

from apps.core import clock, locks, observing
from apps.core.backoff import wait_seconds
from apps.core.models import OutboxEvent
from apps.core.rows import insert_values

log = structlog.get_logger(__name__)

BATCH_SIZE = 200
FIRST_RETRY_SECONDS = 1
LONGEST_RETRY_SECONDS = 300
# Delivered news is kept this long for whoever has to explain what happened; then it is forgotten.
KEPT_FOR = dt.timedelta(days=7)


class DomainEvent:
    """Base of frozen dataclasses in the past tense. Fields are JSON values; `subject` names what is ordered."""

    urgent: ClassVar[bool] = False

    @property
    def subject(self) -> str:
        raise NotImplementedError


Handler = Callable[[dict[str, Any]], None]

_handlers: dict[str, list[Handler]] = {}


def register(table: dict[type[DomainEvent], list[Handler]]) -> None:
    """Called from `AppConfig.ready`: which handlers hear which event."""
    for event, handlers in table.items():
        _handlers.setdefault(event.__name__, []).extend(handlers)


def add(event: DomainEvent) -> None:
    """Write the event into the outbox. Must be called inside the transaction of the change it tells of."""
    insert_values(OutboxEvent, **_values(event))
    if event.urgent:
        transaction.on_commit(nudge)


def add_many(events: Sequence[DomainEvent]) -> None:
    """The same for many, in their order, in one statement."""
    OutboxEvent.objects.bulk_create([OutboxEvent(**_values(event)) for event in events])
    if any(event.urgent for event in events):
        transaction.on_commit(nudge)


def _values(event: DomainEvent) -> dict[str, Any]:
    now = clock.now()
    name = type(event).__name__
    body = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}  # type: ignore[arg-type]
    # what nobody hears is delivered as soon as it is written: most news of a governed call is of this kind
    delivered_at = None if _handlers.get(name) else now
    return {
        "name": name,
        "subject": event.subject,
        "body": body,
        "written_at": now,
        "due_at": now,
        "delivered_at": delivered_at,
    }


def nudge() -> None:
    """Have a worker asked to deliver now. Nobody waits for the broker: one that is down or hangs costs the caller
    nothing, and the news neither, because the sweeper comes by.
    """
    _nudger(os.getpid()).set()


@cache
def _nudger(process_id: int) -> threading.Event:
    """One thread a process does the asking; whoever wants it sets the event. Asked for often, it asks once."""
    wanted = threading.Event()
    threading.Thread(target=_ask_workers, args=(wanted,), name="outbox-nudger", daemon=True).start()
    return wanted


def _ask_workers(wanted: threading.Event) -> None:
    while True:
        wanted.wait()
        wanted.clear()
        try:
            current_app.send_task("apps.core.tasks.drain_outbox", retry=False, expires=5)
        except Exception as error:  # kombu raises a different type per transport
            log.warning("outbox.nudge_failed", error=str(error))


def drain() -> int:
    """Deliver what is due and return how many events were. Safe to call anywhere: one drainer works, others wait their
    turn.
    """
    delivered = 0
    while True:
        read, done = _drain_batch()
        delivered += done
        if read < BATCH_SIZE:
            return delivered


def forget_delivered() -> int:
    """Remove news that was delivered long ago, and return how many rows that were."""
    return OutboxEvent.objects.filter(delivered_at__lt=clock.now() - KEPT_FOR).delete()[0]


def _drain_batch() -> tuple[int, int]:
    """(events read, events delivered) of one batch. The lock keeps the order per subject: handlers are short, one
    drainer is plenty.
    """
    now = clock.now()
    with transaction.atomic():
        locks.take_exclusive(locks.OUTBOX)
        waiting = OutboxEvent.objects.filter(delivered_at=None)
        held_back = waiting.filter(subject=OuterRef("subject"), id__lt=OuterRef("id"), due_at__gt=now)
        events = list(waiting.filter(~Exists(held_back), due_at__lte=now).order_by("id")[:BATCH_SIZE])
        failed_subjects: set[str] = set()
        delivered = []
        for event in events:
            if event.subject in failed_subjects:
                continue
            if _deliver(event):
                delivered.append(event.id)
            else:
                failed_subjects.add(event.subject)
        OutboxEvent.objects.filter(id__in=delivered).update(delivered_at=clock.now())
    return len(events), len(delivered)


def _deliver(event: OutboxEvent) -> bool:
    """Run the event's handlers in a savepoint; on any error keep the row, with what went wrong, for a later try."""
    handlers = _handlers.get(event.name)
    if not handlers:
        return True
    try:
        with observing.step("outbox.deliver", attributes={"mesh.event": event.name}), transaction.atomic():
            for handler in handlers:
                handler(event.body)
    except Exception as error:  # a handler's bug must not stop the news of other subjects
        log.exception("outbox.handler_failed", outbox_event=event.name, subject=event.subject)
        wait = wait_seconds(event.attempt_count, first=FIRST_RETRY_SECONDS, longest=LONGEST_RETRY_SECONDS)
        OutboxEvent.objects.filter(id=event.id).update(
            attempt_count=event.attempt_count + 1,
            due_at=clock.now() + dt.timedelta(seconds=wait),
            last_error=f"{type(error).__name__}: {error}"[:2000],
        )
        return False
    return True


def _levels_waiting() -> Iterator[observing.Reading]:
    yield OutboxEvent.objects.filter(delivered_at=None).count(), {}


def _levels_lag() -> Iterator[observing.Reading]:
    """How long the oldest news that is due has waited for its delivery."""
    now = clock.now()
    oldest = OutboxEvent.objects.filter(delivered_at=None, due_at__lte=now).order_by("id").first()
    yield max(0.0, (now - oldest.due_at).total_seconds()) if oldest else 0.0, {}


observing.register_levels({"outbox.waiting": _levels_waiting, "outbox.lag_seconds": _levels_lag})
