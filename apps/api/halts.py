"""The API of halts. It stands up here because its answer names the calls that still run."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.core import clock
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.errors import Invalid
from apps.core.paging import page_of, page_size
from apps.gateway.models import ToolCall
from apps.gateway.preview import calls_when_placed, preview_of, restarts_of
from apps.halts import services
from apps.halts.above import Restarts
from apps.halts.models import Halt, LiftRequest, Mode, Scope
from apps.halts.overlap import still_holding
from apps.halts.queries import halt_for, halts_visible_to, is_in_force
from apps.halts.targets import target_for
from apps.registry.models import Environment


class ZonedDateTimeField(serializers.DateTimeField):
    """RFC 3339 with its offset: guessed, a halt could end hours before the person meant it to."""

    def enforce_timezone(self, value: dt.datetime) -> dt.datetime:
        if value.tzinfo is None:
            raise serializers.ValidationError("A time needs its offset from UTC, such as Z or +02:00.")
        return super().enforce_timezone(value)


class ScopeSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(max_length=20)
    id = serializers.CharField(max_length=200, required=False, allow_blank=True, allow_null=True)


class HaltSerializer(serializers.Serializer[Any]):
    scope = ScopeSerializer()
    environment = serializers.CharField(max_length=20)
    mode = serializers.CharField(max_length=10)
    reason_code = serializers.CharField(max_length=20)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, allow_null=True)
    expires_at = ZonedDateTimeField(required=False, allow_null=True)


class LiftSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500)


class HoldSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


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
        return Response(_placed(halt, actor_of(request)), status=201)

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


class HaltPreviewView(APIView):
    """What a halt would touch, and what would go on, before anyone places it. Nothing is written."""

    @extend_schema(
        operation_id="halt_preview",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("scope", str, required=True, description="Type of the scope"),
            OpenApiParameter("id", str),
            OpenApiParameter("environment", str, required=True),
            OpenApiParameter("mode", str),
        ],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        actor, given = actor_of(request), request.query_params
        scope_type, environment = given.get("scope", ""), given.get("environment", "")
        mode = given.get("mode", Mode.HOLD)
        if scope_type not in Scope.values or environment not in Environment.values or mode not in Mode.values:
            raise Invalid("halt.invalid", "Name a scope, an environment and a mode that there is.")
        target = target_for(actor, scope_type=scope_type, reference=given.get("id", ""), environment=environment)
        until = clock.now() + services.DEFAULT_DURATION
        preview = preview_of(actor, target, environment, mode=mode, until=until)
        return Response(
            {
                "name": target.name,
                "agents": preview.agent_count,
                "open_runs": preview.open_run_count,
                "executing": [_call(call) for call in preview.executing],
                "approvals_waiting": preview.waiting_count,
                "approvals_running_out": preview.running_out_count,
                "money_pending": [{"minor": money.minor, "currency": money.currency} for money in preview.pending_sums],
                "continuing": preview.continuing,
                "may_place": services.may_place(actor, target),
            }
        )


class HaltDetail(APIView):
    """One halt, with the calls that were executing when it was placed and how each ended."""

    @extend_schema(operation_id="halt_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, halt_id: UUID) -> Response:
        actor = actor_of(request)
        halt = halt_for(actor, halt_id)
        if actor.is_agent:
            return Response(halt_resource(halt, actor))
        return Response(_with_evidence(halt, actor))


class HaltLift(APIView):
    """End a halt, with a reason. A wide one in production asks a second person instead (202), and then starts again in
    steps.
    """

    @extend_schema(
        operation_id="halt_lift",
        request=LiftSerializer,
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, halt_id: UUID) -> Response:
        person_of(request)
        body = LiftSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        halt = services.lift_halt(actor=actor_of(request), halt_id=halt_id, reason=body.validated_data["reason"])
        actor = actor_of(request)
        return Response(
            {
                **halt_resource(halt, actor),
                "still_holding": [
                    {"id": str(other.id), "name": other.scope_name, "mode": other.mode}
                    for other in still_holding(actor, halt)
                ],
                "lift": _lift(halt),
            },
            status=200 if halt.lifted_at else 202,
        )


class HaltHold(APIView):
    """Stop a lift on its way: the halt holds everything again when this has answered."""

    @extend_schema(operation_id="halt_hold", request=HoldSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, halt_id: UUID) -> Response:
        person_of(request)
        body = HoldSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        reason = body.validated_data.get("reason") or ""
        halt = services.hold_again(actor=actor_of(request), halt_id=halt_id, reason=reason)
        return Response(halt_resource(halt, actor_of(request)))


def _placed(halt: Halt, actor: Actor) -> dict[str, Any]:
    """The halt with what was under way when it was placed. What its lift would start again is not counted: whoever
    stops something waits for this answer.
    """
    return {**halt_resource(halt, actor), "executing": [_call(call) for call in calls_when_placed(actor, halt)]}


def _with_evidence(halt: Halt, actor: Actor) -> dict[str, Any]:
    """The halt with what was under way when it was placed and how that ended, and with its lift."""
    return {
        **_placed(halt, actor),
        "restarts": _restarts(restarts_of(actor, halt)) if is_in_force(halt) else None,
        "lift": _lift(halt),
    }


def _restarts(restarts: Restarts) -> dict[str, int]:
    return {
        "calls_queued": restarts.queued_count,
        "open_runs": restarts.open_run_count,
        "approvals_whose_clocks_stand": restarts.waiting_count,
    }


def _lift(halt: Halt) -> dict[str, Any] | None:
    """The last wish to lift it by two people; None where there was none."""
    request: LiftRequest | None = halt.lift_requests.first()
    if request is None:
        return None
    return {
        "state": request.state,
        "requested_by": request.requested_by_name,
        "reason": request.reason,
        "approval": {"id": str(request.approval_id), "url": f"{settings.BASE_URL}/inbox/{request.approval_id}/"},
    }


def _call(call: ToolCall) -> dict[str, Any]:
    """A call that was under way when the halt was placed."""
    return {
        "id": str(call.id),
        "tool": call.tool.name,
        "agent": call.agent.slug,
        "entity": {"type": call.entity_type, "id": call.entity_id} if call.entity_id else None,
        "executing_since": rfc3339(call.executing_at),
        "state": call.state,
        "finished_at": rfc3339(call.finished_at),
    }


def halt_resource(halt: Halt, actor: Actor) -> dict[str, Any]:
    """A halt as this actor may know it: who placed it and in which words is for people."""
    people_only = {
        "reason": halt.reason,
        "placed_by": halt.placed_by_name,
        "lifted_by": halt.lifted_by_name or None,
        "lift_reason": halt.lift_reason,
        "last_admitted_at": rfc3339(halt.last_admitted_at),
        "time_to_stop_ms": halt.time_to_stop_ms,
    }
    return {
        "id": str(halt.id),
        "scope": {
            "type": halt.scope_type,
            "id": str(halt.scope_id) if halt.scope_id else None,
            "agent_id": str(halt.scope_agent_id) if halt.scope_agent_id else None,
            "text": halt.scope_text or None,
            "name": halt.scope_name,
        },
        "environment": halt.environment,
        "mode": halt.mode,
        "reason_code": halt.reason_code,
        "placed_at": rfc3339(halt.placed_at),
        "expires_at": rfc3339(halt.expires_at),
        "ramp_started_at": rfc3339(halt.ramp_started_at),
        "lifted_at": rfc3339(halt.lifted_at),
        **({} if actor.is_agent else people_only),
    }
