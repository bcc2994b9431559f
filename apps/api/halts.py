"""The API of halts. It stands up here because its answer names the calls that still run."""

import datetime as dt
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.errors import Invalid
from apps.core.paging import page_of, page_size
from apps.gateway.models import ToolCall
from apps.gateway.preview import executing_under
from apps.halts import services
from apps.halts.models import Halt
from apps.halts.queries import halt_for, halts_visible_to


class ZonedDateTimeField(serializers.DateTimeField):
    """RFC 3339 with its offset: guessed, a halt could end hours before the person meant it to."""

    def enforce_timezone(self, value: dt.datetime) -> dt.datetime:
        if value.tzinfo is None:
            raise serializers.ValidationError("A time needs its offset from UTC, such as Z or +02:00.")
        return super().enforce_timezone(value)


class ScopeSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(max_length=20)
    id = serializers.CharField(max_length=120, required=False, allow_blank=True, allow_null=True)


class HaltSerializer(serializers.Serializer[Any]):
    scope = ScopeSerializer()
    environment = serializers.CharField(max_length=20)
    mode = serializers.CharField(max_length=10)
    reason_code = serializers.CharField(max_length=20)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, allow_null=True)
    expires_at = ZonedDateTimeField(required=False, allow_null=True)


class LiftSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500)


class Halts(APIView):
    """Place a halt; list the halts one may see, those in force with `?in_force=true`."""

    @extend_schema(operation_id="halt_place", request=HaltSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        person_of(request)
        body = HaltSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        halt = services.place_halt(
            actor=actor_of(request),
            scope_type=data["scope"]["type"],
            scope_reference=data["scope"].get("id") or "",
            environment=data["environment"],
            mode=data["mode"],
            reason_code=data["reason_code"],
            reason=data.get("reason") or "",
            expires_at=data.get("expires_at"),
        )
        actor = actor_of(request)
        executing = [_executing(call) for call in executing_under(actor, halt)]
        return Response({**halt_resource(halt, actor), "executing": executing}, status=201)

    @extend_schema(
        operation_id="halt_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("in_force", bool),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
        ],
    )
    def get(self, request: Request) -> Response:
        halts = halts_visible_to(actor_of(request))
        in_force = request.query_params.get("in_force", "false")
        if in_force not in ("true", "false"):
            raise Invalid("halts.bad_filter", "in_force is true or false.")
        if in_force == "true":
            halts = halts & Halt.objects.in_force()
        page = page_of(
            halts, cursor=request.query_params.get("cursor"), size=page_size(request.query_params.get("limit"))
        )
        actor = actor_of(request)
        return Response({"items": [halt_resource(halt, actor) for halt in page.items], "next": page.next})


class HaltDetail(APIView):
    """One halt."""

    @extend_schema(operation_id="halt_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, halt_id: UUID) -> Response:
        actor = actor_of(request)
        return Response(halt_resource(halt_for(actor, halt_id), actor))


class HaltLift(APIView):
    """End a halt, with a reason."""

    @extend_schema(operation_id="halt_lift", request=LiftSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, halt_id: UUID) -> Response:
        person_of(request)
        body = LiftSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        halt = services.lift_halt(actor=actor_of(request), halt_id=halt_id, reason=body.validated_data["reason"])
        return Response(halt_resource(halt, actor_of(request)))


def _executing(call: ToolCall) -> dict[str, Any]:
    """A call that was under way when the halt was placed."""
    return {
        "id": str(call.id),
        "tool": call.tool.name,
        "agent": call.agent.slug,
        "entity": {"type": call.entity_type, "id": call.entity_id} if call.entity_id else None,
        "executing_since": rfc3339(call.executing_at),
    }


def halt_resource(halt: Halt, actor: Actor) -> dict[str, Any]:
    """A halt as this actor may know it: who placed it and in which words is for people."""
    people_only = {
        "reason": halt.reason,
        "placed_by": halt.placed_by_name,
        "lifted_by": halt.lifted_by_name or None,
        "lift_reason": halt.lift_reason,
    }
    return {
        "id": str(halt.id),
        "scope": {
            "type": halt.scope_type,
            "id": str(halt.scope_id) if halt.scope_id else None,
            "name": halt.scope_name,
        },
        "environment": halt.environment,
        "mode": halt.mode,
        "reason_code": halt.reason_code,
        "placed_at": rfc3339(halt.placed_at),
        "expires_at": rfc3339(halt.expires_at),
        "lifted_at": rfc3339(halt.lifted_at),
        **({} if actor.is_agent else people_only),
    }
