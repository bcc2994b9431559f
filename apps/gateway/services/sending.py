"""Sending to a business system, as far as its breaker lets through; how it went is told to the breaker."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.breakers import services as breakers
from apps.breakers.models import Breaker, BreakerState
from apps.breakers.rules import rules_of
from apps.breakers.services import SHUT, Admission
from apps.core import clock
from apps.core.errors import ConnectorError
from apps.core.generations import Moment, read_moment
from apps.gateway.clients import call_connector, timeout_seconds
from apps.gateway.deciding import Granted
from apps.gateway.models import CallState, ToolCall
from apps.gateway.observed import EGRESS
from apps.registry.models import ConnectorEndpoint

# What says that the system itself is not well, and not that it minds this request.
FAULTS = (
    "connector.unreachable",
    "connector.untrusted",
    "connector.timeout",
    "connector.lost_answer",
    "connector.server_error",
    "connector.bad_answer",
)
# What it says of the request, or in too many words: it is well.
ANSWERS = ("connector.refused", "connector.answer_too_large")
# Longer than this a call does not wait for its system: nobody expects it to run any more.
LONGEST_WAIT = dt.timedelta(hours=24)
# Calls let go together once a system is back; more follow as these end.
HEADS_AT_ONCE = 200


def admit(granted: Granted, *, may_probe: bool = True, moment: Moment | None = None) -> Admission:
    """Whether a call may be sent now; in the transaction that makes it executing."""
    seconds = timeout_seconds(granted.tool, granted.endpoint)
    return breakers.admit(granted.endpoint, timeout_seconds=seconds, may_probe=may_probe, moment=moment)


def must_wait(granted: Granted, admission: Admission) -> bool:
    """Whether it is held back. Behind others only what can wait waits."""
    return admission == Admission.WAIT or (admission == Admission.AFTER_OTHERS and granted.tool.can_wait)


@EGRESS
def send(
    granted: Granted,
    arguments: dict[str, Any],
    *,
    idempotency_key: str,
    is_probe: bool,
    at_most: float | None = None,
) -> Any:
    """Call the connector, for no longer than `at_most` seconds. Raises ConnectorError."""
    tool, endpoint = granted.tool, granted.endpoint
    seconds = timeout_seconds(tool, endpoint)
    is_cut = at_most is not None and at_most < seconds
    try:
        result = call_connector(
            tool=tool,
            endpoint=endpoint,
            arguments=arguments,
            idempotency_key=idempotency_key,
            seconds=at_most if is_cut else seconds,
        )
    except ConnectorError as error:
        # that our own patience was shorter says nothing about the system
        if endpoint is not None and not (is_cut and error.code == "connector.timeout" and not is_probe):
            _tell(endpoint, error, is_probe)
        raise
    if endpoint is not None:
        breakers.note_success(endpoint, was_probe=is_probe)
    return result


def _tell(endpoint: ConnectorEndpoint, error: ConnectorError, is_probe: bool) -> None:
    """A refusal is an answer. A request that could not be made says nothing, so a probe of that kind found nothing."""
    if error.code in ANSWERS:
        breakers.note_success(endpoint, was_probe=is_probe)
    elif is_probe or error.code in FAULTS:
        breakers.note_failure(endpoint, error_code=error.code, was_probe=is_probe)


def queue_is_full(granted: Granted) -> bool:
    """Whether as many calls wait for the system as may."""
    if granted.endpoint is None:
        return True
    return _waiting().filter(_of_system(granted.endpoint)).count() >= rules_of(granted.endpoint).most_queued


def seconds_until_probe(granted: Granted) -> int:
    """For agents: when it is worth asking again."""
    found = Breaker.objects.filter(endpoint=granted.endpoint).values_list("probe_at", flat=True).first()
    return max(1, round((found - read_moment().now).total_seconds())) if found else 1


def calls_to_let_go() -> list[UUID]:
    """Waiting calls that may go now, in their order, each the first of its business record: while a breaker is shut one
    of them when it is time to try, afterwards all. A breaker behind which nothing waits any more is closed.
    """
    found: list[UUID] = []
    now = read_moment().now
    heads = _waiting().filter(~Exists(_before()))
    # few systems are ever away at once: a query for each of them, and one for all others
    for breaker in Breaker.objects.exclude(state=BreakerState.CLOSED).select_related("endpoint"):
        theirs = _of_system(breaker.endpoint)
        if breaker.state not in SHUT:
            if not _waiting().filter(theirs).exists():
                breakers.close_drained(breaker.endpoint_id)
            continue
        if breaker.probe_at is not None and breaker.probe_at <= now:
            found += _ids(heads.filter(theirs)[:1])
        heads = heads.exclude(theirs)
    return found + _ids(heads[:HEADS_AT_ONCE])


def next_in_line(call: ToolCall) -> UUID | None:
    """The first that waits for the same system with the same business record, once this one has ended."""
    if call.is_open or not call.entity_id:
        return None
    behind = ToolCall.objects.filter(
        tool__connector=call.tool.connector_id,
        environment=call.environment,
        entity_type=call.entity_type,
        entity_id=call.entity_id,
        state=CallState.QUEUED,
        queued_at__isnull=False,
    )
    return behind.order_by("id").values_list("id", flat=True).first()


def _ids(calls: QuerySet[ToolCall]) -> list[UUID]:
    return list(calls.values_list("id", flat=True))


def _waiting() -> QuerySet[ToolCall]:
    """What waits for a system, in the order it was asked for. Calls that a halt holds back count once it lets go."""
    return ToolCall.objects.filter(state=CallState.QUEUED, queued_at__isnull=False).order_by("id")


def _of_system(endpoint: ConnectorEndpoint) -> Q:
    return Q(tool__connector_id=endpoint.connector_id, environment=endpoint.environment)


def _before() -> QuerySet[ToolCall]:
    """Calls about the same business record that were asked for earlier and have not ended."""
    return ToolCall.objects.filter(
        id__lt=OuterRef("id"),
        tool__connector_id=OuterRef("tool__connector_id"),
        environment=OuterRef("environment"),
        entity_type=OuterRef("entity_type"),
        entity_id=OuterRef("entity_id"),
        state__in=[CallState.QUEUED, CallState.EXECUTING],
    ).exclude(entity_id="")


def waited_too_long(call: ToolCall) -> bool:
    return call.queued_at is not None and clock.now() - call.queued_at > LONGEST_WAIT
