"""The API of rules that place halts, and of drills that try them."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.api.halts import ScopeSerializer, ZonedDateTimeField
from apps.core.clock import rfc3339
from apps.core.paging import page_of, page_size
from apps.halts import services
from apps.halts.models import HaltDrill, HaltRule
from apps.halts.queries import drills_visible_to, rules_visible_to


class HaltRuleSerializer(serializers.Serializer[Any]):
    slug = serializers.SlugField()
    scope = ScopeSerializer()
    environment = serializers.CharField(max_length=20)
    condition = serializers.CharField(max_length=30)
    threshold = serializers.IntegerField()
    window_seconds = serializers.IntegerField(default=300)
    least_calls = serializers.IntegerField(default=10)
    mode = serializers.CharField(max_length=10, default="hold")
    is_dry = serializers.BooleanField(default=True)


class HaltRules(APIView):
    """The rules in force that one may see; set one, or a new version of it."""

    @extend_schema(
        operation_id="halt_rule_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        given = request.query_params
        rules = rules_visible_to(actor_of(request))
        page = page_of(rules, cursor=given.get("cursor"), size=page_size(given.get("limit")))
        return Response({"items": [_rule(rule) for rule in page.items], "next": page.next})

    @extend_schema(operation_id="halt_rule_set", request=HaltRuleSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        person_of(request)
        body = HaltRuleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = dict(body.validated_data)
        slug, scope = data.pop("slug"), data.pop("scope")
        text = services.RuleText(scope_type=scope["type"], scope_reference=scope.get("id") or "", **data)
        return Response(_rule(services.set_rule(actor=actor_of(request), slug=slug, text=text)), status=201)


class HaltRuleRetire(APIView):
    """Take a rule out of force. What it has halted stays halted."""

    @extend_schema(operation_id="halt_rule_retire", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, slug: str) -> Response:
        person_of(request)
        return Response(_rule(services.retire_rule(actor=actor_of(request), slug=slug)))


class DrillSerializer(serializers.Serializer[Any]):
    agent = serializers.CharField(max_length=120)
    planned_for = ZonedDateTimeField()
    every_days = serializers.IntegerField(default=0)


class HaltDrills(APIView):
    """Drills on the agents one may see, newest first; plan one."""

    @extend_schema(
        operation_id="halt_drill_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        given = request.query_params
        drills = drills_visible_to(actor_of(request))
        page = page_of(drills, cursor=given.get("cursor"), size=page_size(given.get("limit")))
        return Response({"items": [_drill(drill) for drill in page.items], "next": page.next})

    @extend_schema(operation_id="halt_drill_schedule", request=DrillSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        person_of(request)
        body = DrillSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(_drill(services.schedule_drill(actor=actor_of(request), **body.validated_data)), status=201)


class HaltDrillCancel(APIView):
    """Take a planned drill back."""

    @extend_schema(operation_id="halt_drill_cancel", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, drill_id: UUID) -> Response:
        person_of(request)
        return Response(_drill(services.cancel_drill(actor=actor_of(request), drill_id=drill_id)))


def _drill(drill: HaltDrill) -> dict[str, Any]:
    return {
        "id": str(drill.id),
        "agent": drill.agent.slug,
        "planned_for": rfc3339(drill.planned_for),
        "every_days": drill.every_days,
        "scheduled_by": drill.scheduled_by_name,
        "outcome": drill.outcome,
        "halt_id": str(drill.halt_id) if drill.halt_id else None,
        "time_to_stop_ms": drill.time_to_stop_ms,
        "turned_away": drill.turned_away_count,
        "got_through": drill.got_through_count,
        "finished_at": rfc3339(drill.finished_at),
        "cancelled_at": rfc3339(drill.cancelled_at),
    }


def _rule(rule: HaltRule) -> dict[str, Any]:
    return {
        "id": str(rule.id),
        "slug": rule.slug,
        "version": rule.version,
        "scope": {"type": rule.scope_type, "id": str(rule.scope_id), "name": rule.scope_name},
        "environment": rule.environment,
        "condition": rule.condition,
        "threshold": rule.threshold,
        "window_seconds": rule.window_seconds,
        "least_calls": rule.least_calls,
        "mode": rule.mode,
        "is_dry": rule.is_dry,
        "made_by": rule.made_by_name,
        "made_at": rfc3339(rule.made_at),
        "retired_at": rfc3339(rule.retired_at),
        "fired_at": rfc3339(rule.fired_at),
    }
