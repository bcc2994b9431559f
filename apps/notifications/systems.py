"""News of business systems that stop answering and answer again."""

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse

from apps.breakers.models import Breaker
from apps.breakers.services import SHUT
from apps.core import clock
from apps.core.actor import Actor
from apps.gateway.connectors import FOUND, endpoints_visible_to
from apps.notifications.answering import Audience, who_answer_for
from apps.notifications.models import Delivery, News, NewsKind, Notice
from apps.notifications.told import Told
from apps.registry.models import ConnectorEndpoint, Grant


def audience_of_outage(news: News) -> Audience:
    """Who answers for the processes whose agents may use the system; nobody when it answers again by now."""
    endpoint = ConnectorEndpoint.objects.get(id=news.data["endpoint"])
    return _users_of(endpoint, NewsKind.DOWN) if _is_shut(endpoint) else Audience()


def audience_of_return(news: News) -> Audience:
    """The same people, where anybody heard that it was away."""
    endpoint = ConnectorEndpoint.objects.get(id=news.data["endpoint"])
    outage = News.objects.filter(key=news.data["outage"])
    was_told = Notice.objects.filter(news__in=outage).exists() or Delivery.objects.filter(news__in=outage).exists()
    return _users_of(endpoint, NewsKind.BACK) if was_told and not _is_shut(endpoint) else Audience()


def _users_of(endpoint: ConnectorEndpoint, kind: NewsKind) -> Audience:
    grants = Grant.objects.in_force(clock.now()).filter(
        tool__connector=endpoint.connector_id, agent__environment=endpoint.environment
    )
    return who_answer_for(set(grants.values_list("agent__process", flat=True)), kind)


def _is_shut(endpoint: ConnectorEndpoint) -> bool:
    return Breaker.objects.filter(endpoint=endpoint, state__in=SHUT).exists()


def told_of_systems(actor: Actor | None, news: Sequence[News]) -> dict[UUID, Told]:
    """Of systems behind tools that the person sees; what its last call found in our words, never in the system's."""
    seen = ConnectorEndpoint.objects.select_related("connector") if actor is None else endpoints_visible_to(actor)
    endpoints = {str(row.id): row for row in seen.filter(id__in={one.data["endpoint"] for one in news})}
    shut = set(Breaker.objects.filter(endpoint__in=list(endpoints), state__in=SHUT).values_list("endpoint", flat=True))
    found = {}
    for one in news:
        endpoint = endpoints.get(one.data["endpoint"])
        if endpoint is None:
            continue
        is_shut = endpoint.id in shut
        path = f"{reverse('connectors')}#connector-{endpoint.id}"
        name = f"{endpoint.connector.name} ({endpoint.environment})"
        if one.kind == NewsKind.BACK:
            found[one.id] = Told(f"{name} answers again, and what waited for it goes on", path, is_shut)
        else:
            why = FOUND.get(one.data["code"])
            found[one.id] = Told(f"{name} does not answer{f': {why}' if why else ''}", path, not is_shut)
    return found
