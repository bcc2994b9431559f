"""How the business systems do, for those who watch over them: breakers, and what waits."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Min, QuerySet
from django.utils.translation import gettext_lazy

from apps.breakers.models import Breaker, BreakerState
from apps.breakers.services import SHUT, reset_breaker
from apps.core.actor import Actor
from apps.core.errors import NotAllowed, NotFound
from apps.gateway.models import CallState
from apps.gateway.queries import calls_visible_to
from apps.registry.models import ConnectorEndpoint, Grant
from apps.registry.permissions import OPERATE
from apps.registry.queries import processes_where, tools_visible_to

FOUND = {
    "connector.unreachable": gettext_lazy("it cannot be reached"),
    "connector.untrusted": gettext_lazy("its certificate cannot be trusted"),
    "connector.timeout": gettext_lazy("it answers too late"),
    "connector.lost_answer": gettext_lazy("its answers are lost"),
    "connector.server_error": gettext_lazy("it answers with errors"),
    "connector.bad_answer": gettext_lazy("its answers have another form than agreed"),
}


@dataclass(frozen=True, slots=True)
class Connection:
    """One system in one environment. What waits is counted as far as this person may see it."""

    endpoint: ConnectorEndpoint
    breaker: Breaker | None
    waiting_count: int
    oldest_at: dt.datetime | None
    may_reset: bool

    @property
    def state(self) -> str:
        return self.breaker.state if self.breaker else BreakerState.CLOSED

    @property
    def is_shut(self) -> bool:
        return self.state in SHUT

    @property
    def why(self) -> str:
        """What its last call found, in words."""
        return str(FOUND.get(self.breaker.last_error, self.breaker.last_error)) if self.breaker else ""


def connections_visible_to(actor: Actor) -> list[Connection]:
    """The systems behind the tools a person sees, those that do not answer first."""
    found = connections_of(actor, list(endpoints_visible_to(actor)))
    return sorted(found, key=lambda one: (one.state == BreakerState.CLOSED, str(one.endpoint.connector)))


def connections_of(actor: Actor, endpoints: list[ConnectorEndpoint]) -> list[Connection]:
    """How each does, in their order."""
    breakers = {breaker.endpoint_id: breaker for breaker in Breaker.objects.filter(endpoint__in=endpoints)}
    waiting = _waiting(actor)
    found = []
    for endpoint in endpoints:
        breaker = breakers.get(endpoint.id)
        count, oldest_at = waiting.get((endpoint.connector_id, endpoint.environment), (0, None))
        may_reset = breaker is not None and breaker.state in SHUT and _may_reset(actor, endpoint)
        found.append(Connection(endpoint, breaker, count, oldest_at, may_reset))
    return found


def reset_connector(*, actor: Actor, endpoint_id: UUID, reason: str) -> None:
    """Take a system for well again because a person says so: what waits goes at once, and then everything.

    Nothing that anybody stopped starts again by this, so whoever operates one of the processes that work with the
    system may do it. Raises NotFound, NotAllowed, and Conflict when its breaker is not open.
    """
    endpoint = endpoints_visible_to(actor).filter(id=endpoint_id).first()
    if endpoint is None:
        raise NotFound("connector.not_found", "There is no such connector.")
    if not _may_reset(actor, endpoint):
        sentence = f"Resetting it needs an operator of a process that works with {endpoint.connector}."
        raise NotAllowed("breaker.reset_not_allowed", sentence)
    reset_breaker(actor=actor, endpoint=endpoint, reason=reason)


def endpoints_visible_to(actor: Actor) -> QuerySet[ConnectorEndpoint]:
    connectors = tools_visible_to(actor).values("connector")
    return ConnectorEndpoint.objects.filter(connector__in=connectors).select_related("connector")


def _waiting(actor: Actor) -> dict[tuple[UUID, str], tuple[int, dt.datetime | None]]:
    """(how many wait, since when) by connector and environment."""
    waiting = calls_visible_to(actor).filter(state=CallState.QUEUED, queued_at__isnull=False).order_by()
    groups = waiting.values_list("tool__connector_id", "environment").annotate(Count("id"), Min("queued_at"))
    return {(connector, environment): (count, oldest) for connector, environment, count, oldest in groups}


def _may_reset(actor: Actor, endpoint: ConnectorEndpoint) -> bool:
    grants = Grant.objects.filter(tool__connector=endpoint.connector_id, revoked_at=None)
    return processes_where(actor, OPERATE).filter(id__in=grants.values("agent__process")).exists()
