"""The API of calls whose outcome nobody knows: what they are, and a person's finding that settles one."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.core.paging import page_of, page_size
from apps.gateway import services
from apps.gateway.models import Finding
from apps.gateway.queries import call_for, unknown_calls
from apps.gateway.serializers import holds_nul
from apps.gateway.services.resolving import Evidence
from apps.gateway.unknown import stakes_of, told, unknown_for, unknown_resource, with_makers

OLDEST_FIRST = ("id",)


class ResolutionSerializer(serializers.Serializer[Any]):
    """What a person found out, and where the proof is. `result` is the system's answer, where they could see it."""

    finding = serializers.ChoiceField(choices=Finding.choices)
    words = serializers.CharField(max_length=4000)
    reference = serializers.CharField(max_length=200, required=False, allow_blank=True)
    link = serializers.CharField(max_length=500, required=False, allow_blank=True)
    sha256 = serializers.CharField(max_length=64, required=False, allow_blank=True)
    result = serializers.JSONField(required=False, allow_null=True)

    def validate_result(self, value: Any) -> Any:
        if holds_nul(value):
            raise serializers.ValidationError("Holds the null character, which no text has.")
        return value


class UnknownOutcomes(APIView):
    """The calls one may see whose outcome nobody knows, oldest first, with what is at stake over all of them."""

    @extend_schema(
        operation_id="unknown_outcome_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        actor = actor_of(request)
        calls = unknown_calls(actor)
        query = request.query_params
        page = page_of(
            with_makers(calls), cursor=query.get("cursor"), size=page_size(query.get("limit")), order=OLDEST_FIRST
        )
        stakes = stakes_of(calls)
        return Response(
            {
                "items": [unknown_resource(found) for found in told(actor, page.items)],
                "next": page.next,
                "count": stakes.count,
                "sums": [{"minor": money.minor, "currency": money.currency} for money in stakes.sums],
            }
        )


class UnknownOutcome(APIView):
    """One of them, also after it was settled."""

    @extend_schema(operation_id="unknown_outcome_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, call_id: UUID) -> Response:
        person_of(request)
        return Response(unknown_resource(unknown_for(actor_of(request), call_id)))


class Resolutions(APIView):
    """Say what became of a call, with evidence."""

    @extend_schema(operation_id="tool_call_resolve", request=ResolutionSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, call_id: UUID) -> Response:
        person_of(request)
        actor = actor_of(request)
        call_for(actor, call_id)
        body = ResolutionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.resolve_tool_call(actor=actor, call_id=call_id, evidence=Evidence(**body.validated_data))
        return Response(unknown_resource(unknown_for(actor, call_id)), status=201)
