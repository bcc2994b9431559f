"""The systems behind the tools, for programs that watch over them."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.core.clock import rfc3339
from apps.core.paging import page_of, page_size
from apps.gateway.connectors import Connection, connections_of, endpoints_visible_to, reset_connector


class ResetSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300)


class Connectors(APIView):
    """How each system does, and what waits for it."""

    @extend_schema(
        operation_id="connector_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        actor, given = actor_of(request), request.query_params
        page = page_of(endpoints_visible_to(actor), cursor=given.get("cursor"), size=page_size(given.get("limit")))
        return Response({"items": [_resource(one) for one in connections_of(actor, page.items)], "next": page.next})


class ConnectorReset(APIView):
    """A person says that the system is back."""

    @extend_schema(operation_id="connector_reset", request=ResetSerializer, responses={204: None})
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        person_of(request)
        body = ResetSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        reset_connector(actor=actor_of(request), endpoint_id=endpoint_id, reason=body.validated_data["reason"])
        return Response(status=204)


def _resource(one: Connection) -> dict[str, Any]:
    breaker = one.breaker
    return {
        "id": str(one.endpoint.id),
        "connector": one.endpoint.connector.slug,
        "name": one.endpoint.connector.name,
        "environment": one.endpoint.environment,
        "breaker": one.state,
        "opened_at": rfc3339(breaker.opened_at) if breaker and one.is_shut and breaker.opened_at else None,
        "probe_at": rfc3339(breaker.probe_at) if breaker and breaker.probe_at else None,
        "last_error": breaker.last_error if breaker and one.is_shut else None,
        "waiting_count": one.waiting_count,
        "waiting_since": rfc3339(one.oldest_at) if one.oldest_at else None,
    }
