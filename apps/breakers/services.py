"""Letting calls through to a system or not, by how its last calls went.

Closed: calls go through. Enough failures open it: nothing is sent, and every cooldown one call may try (half open).
When that one succeeds, what waited goes first (draining), then it is closed. Every step is a conditional update, so
of any number of processes one takes it.
"""

import datetime as dt
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F

from apps.audit import services as audit
from apps.breakers.counting import tally_of
from apps.breakers.events import BreakerOpened, BreakerRecovered
from apps.breakers.models import Breaker, BreakerState
from apps.breakers.rules import rules_of
from apps.core import outbox
from apps.core.actor import Actor, system_actor
from apps.core.clock import rfc3339
from apps.core.errors import Conflict
from apps.core.generations import BREAKERS, Moment, read_moment
from apps.core.memory import Remembered
from apps.registry.models import ConnectorEndpoint

WATCH = system_actor("breakers")
SHUT = (BreakerState.OPEN, BreakerState.HALF_OPEN)
# Beyond the time-out of the call that tries: after this it is taken for dead, and another may.
PROBE_MARGIN = dt.timedelta(seconds=3)


class Admission(StrEnum):
    """Whether a call may be sent now."""

    SEND = "send"
    # it finds out whether the system is back; how it goes decides for all
    PROBE = "probe"
    # what waited goes first: only a call that cannot wait is sent
    AFTER_OTHERS = "after_others"
    WAIT = "wait"


class _Known(NamedTuple):
    state: str
    probe_at: dt.datetime | None


CLOSED = _Known(BreakerState.CLOSED, None)
_known: Remembered[UUID, _Known] = Remembered(BREAKERS, size=2_000)


def admit(
    endpoint: ConnectorEndpoint | None,
    *,
    timeout_seconds: float,
    may_probe: bool = True,
    moment: Moment | None = None,
) -> Admission:
    """In the transaction that makes the call executing. Costs no query while the system is well. `may_probe` is False
    for a call that could overtake others by trying.
    """
    if endpoint is None:
        return Admission.SEND
    moment = moment or read_moment()
    known = _known.get(endpoint.id, lambda: _read(endpoint.id), moment=moment) or CLOSED
    if known.state == BreakerState.CLOSED:
        return Admission.SEND
    if known.state == BreakerState.DRAINING:
        return Admission.AFTER_OTHERS
    if not may_probe or known.probe_at is None or known.probe_at > moment.now:
        return Admission.WAIT
    return _try_to_probe(endpoint, moment.now, timeout_seconds)


def _read(endpoint_id: UUID) -> _Known:
    row = Breaker.objects.filter(endpoint=endpoint_id).values_list("state", "probe_at").first()
    return _Known(*row) if row else CLOSED


def _try_to_probe(endpoint: ConnectorEndpoint, now: dt.datetime, timeout_seconds: float) -> Admission:
    """One call a cooldown. A probe whose process died is replaced once it must be over."""
    until = now + dt.timedelta(seconds=max(rules_of(endpoint).cooldown_seconds, timeout_seconds)) + PROBE_MARGIN
    taken = Breaker.objects.filter(endpoint=endpoint, state__in=SHUT, probe_at__lte=now).update(
        state=BreakerState.HALF_OPEN, probe_at=until, probe_count=F("probe_count") + 1
    )
    return Admission.PROBE if taken else Admission.WAIT


def note_success(endpoint: ConnectorEndpoint, *, was_probe: bool) -> None:
    """The system answered, whatever it said."""
    tally_of(endpoint.id).add(failed=False, rules=rules_of(endpoint))
    if was_probe:
        _recover(endpoint, actor=WATCH, reason="A call that tried was answered.")


def note_failure(endpoint: ConnectorEndpoint, *, error_code: str, was_probe: bool) -> None:
    """The system did not answer, or not as agreed."""
    is_enough = tally_of(endpoint.id).add(failed=True, rules=rules_of(endpoint))
    if was_probe:
        Breaker.objects.filter(endpoint=endpoint, state=BreakerState.HALF_OPEN).update(
            state=BreakerState.OPEN, probe_at=_next_probe(endpoint), last_error=error_code
        )
    elif is_enough:
        _open(endpoint, error_code)


def _next_probe(endpoint: ConnectorEndpoint) -> dt.datetime:
    """By the database's clock, which decides when it has come."""
    return read_moment().now + dt.timedelta(seconds=rules_of(endpoint).cooldown_seconds)


def _open(endpoint: ConnectorEndpoint, error_code: str) -> None:
    """Open it, unless another process has."""
    now = read_moment().now
    with transaction.atomic():
        Breaker.objects.get_or_create(endpoint=endpoint)
        opened = (
            Breaker.objects.filter(endpoint=endpoint)
            .exclude(state__in=SHUT)
            .update(
                state=BreakerState.OPEN,
                opened_at=now,
                probe_at=now + dt.timedelta(seconds=rules_of(endpoint).cooldown_seconds),
                closed_at=None,
                probe_count=0,
                last_error=error_code,
            )
        )
        if opened:
            _record(WATCH, "breaker.opened", endpoint, reason=error_code)
            opened_at = rfc3339(now) or ""
            outbox.add(BreakerOpened(endpoint_id=str(endpoint.id), error_code=error_code, opened_at=opened_at))


def _recover(endpoint: ConnectorEndpoint, *, actor: Actor, reason: str) -> bool:
    """Let what waited go, then everything."""
    tally_of(endpoint.id).clear()
    with transaction.atomic():
        recovered = Breaker.objects.filter(endpoint=endpoint, state__in=SHUT).update(
            state=BreakerState.DRAINING, probe_at=None
        )
        if recovered:
            _record(actor, "breaker.recovered", endpoint, reason=reason)
            outbox.add(BreakerRecovered(endpoint_id=str(endpoint.id)))
    return bool(recovered)


def close_drained(endpoint_id: UUID) -> None:
    """Nothing waits for the system any more."""
    Breaker.objects.filter(endpoint=endpoint_id, state=BreakerState.DRAINING).update(
        state=BreakerState.CLOSED, closed_at=read_moment().now
    )


def reset_breaker(*, actor: Actor, endpoint: ConnectorEndpoint, reason: str) -> None:
    """A person says that the system is back. The caller has checked that they may. Raises Conflict when it is not
    open.
    """
    if not _recover(endpoint, actor=actor, reason=reason):
        raise Conflict("breaker.not_open", "This breaker is not open.")


def _record(actor: Actor, code: str, endpoint: ConnectorEndpoint, *, reason: str) -> None:
    audit.record(
        actor,
        code,
        subject_type="connector",
        subject_id=endpoint.connector_id,
        subject_name=endpoint.connector.name,
        environment=endpoint.environment,
        reason=reason,
        data={"endpoint_id": str(endpoint.id)},
    )
