"""The API of what is kept, held and erased."""

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
from apps.core.errors import Invalid
from apps.core.paging import page_of, page_size
from apps.registry.queries import process_named
from apps.retention import services
from apps.retention.models import Content, LegalHold, RetentionRule
from apps.retention.queries import holds_visible_to, in_force, rules_visible_to
from apps.retention.services.holds import MOST_REASON
from apps.runs.queries import run_for

LIST = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]


class RetentionRuleSerializer(serializers.Serializer[Any]):
    """Without `process` it holds wherever no process says otherwise; without `data_class` for all that have no rule."""

    content = serializers.ChoiceField(choices=Content.values)
    data_class = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    days = serializers.IntegerField()
    process = serializers.SlugField(required=False, allow_null=True, default=None)


class LegalHoldSerializer(serializers.Serializer[Any]):
    """Of one run, or of a whole process."""

    process = serializers.SlugField(required=False, allow_null=True, default=None)
    run_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=MOST_REASON)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class RetentionReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=MOST_REASON)


class RetentionRules(APIView):
    """The rules one may see, newest first; set one."""

    @extend_schema(operation_id="retention_rule_list", responses={200: OpenApiTypes.OBJECT}, parameters=LIST)
    def get(self, request: Request) -> Response:
        person_of(request)
        query = request.query_params
        rules = rules_visible_to(actor_of(request))
        page = page_of(rules, cursor=query.get("cursor"), size=page_size(query.get("limit")))
        return Response({"items": [rule_resource(rule) for rule in page.items], "next": page.next})

    @extend_schema(
        operation_id="retention_rule_set", request=RetentionRuleSerializer, responses={200: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:
        person_of(request)
        actor = actor_of(request)
        body = RetentionRuleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        process = process_named(actor, data["process"]) if data["process"] else None
        rule = services.set_retention_rule(
            content=data["content"], data_class=data["data_class"], days=data["days"], process=process, actor=actor
        )
        return Response(rule_resource(rule))


class RetentionRuleView(APIView):
    """Take a rule back."""

    @extend_schema(operation_id="retention_rule_end", request=None, responses={204: None})
    def delete(self, request: Request, rule_id: UUID) -> Response:
        person_of(request)
        services.end_retention_rule(rule_id=rule_id, actor=actor_of(request))
        return Response(status=204)


class LegalHolds(APIView):
    """The legal holds one may see, newest first; place one."""

    @extend_schema(
        operation_id="legal_hold_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[*LIST, OpenApiParameter("in_force", bool)],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        query = request.query_params
        holds = holds_visible_to(actor_of(request))
        if query.get("in_force") == "true":
            holds = in_force(holds)
        page = page_of(holds, cursor=query.get("cursor"), size=page_size(query.get("limit")))
        return Response({"items": [hold_resource(hold) for hold in page.items], "next": page.next})

    @extend_schema(operation_id="legal_hold_place", request=LegalHoldSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        person_of(request)
        actor = actor_of(request)
        body = LegalHoldSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        if bool(data["process"]) == bool(data["run_id"]):
            errors = [{"pointer": "/run_id", "sentence": "Name a run or a process, one of them."}]
            raise Invalid("legal_hold.of_what", "A hold is of one run, or of one process.", errors=errors)
        run = run_for(actor, data["run_id"]) if data["run_id"] else None
        process = run.process if run else process_named(actor, data["process"])
        hold = services.place_legal_hold(
            actor=actor, process=process, run=run, reason=data["reason"], expires_at=data["expires_at"]
        )
        return Response(hold_resource(hold), status=201)


class LegalHoldLift(APIView):
    """Lift a legal hold."""

    @extend_schema(
        operation_id="legal_hold_lift", request=RetentionReasonSerializer, responses={200: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, hold_id: UUID) -> Response:
        person_of(request)
        body = RetentionReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        hold = services.lift_legal_hold(actor=actor_of(request), hold_id=hold_id, **body.validated_data)
        return Response(hold_resource(hold))


class RunErase(APIView):
    """Erase what a run holds."""

    @extend_schema(operation_id="run_erase", request=RetentionReasonSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, run_id: UUID) -> Response:
        person_of(request)
        body = RetentionReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        erased = services.erase_run(actor=actor_of(request), run_id=run_id, **body.validated_data)
        counts = {one.content.value: one.count for one in erased}
        return Response({"run_id": str(run_id), "erased": counts})


def rule_resource(rule: RetentionRule) -> dict[str, Any]:
    return {
        "id": str(rule.id),
        "content": rule.content,
        "data_class": rule.data_class,
        "days": rule.days,
        "process": rule.process.slug if rule.process else None,
        "set_by": rule.set_by_name,
        "set_at": rfc3339(rule.set_at),
    }


def hold_resource(hold: LegalHold) -> dict[str, Any]:
    return {
        "id": str(hold.id),
        "process": hold.process.slug,
        "run_id": str(hold.run_id) if hold.run_id else None,
        "reason": hold.reason,
        "placed_by": hold.placed_by_name,
        "placed_at": rfc3339(hold.placed_at),
        "expires_at": rfc3339(hold.expires_at),
        "lifted_by": hold.lifted_by_name or None,
        "lifted_at": rfc3339(hold.lifted_at),
        "lift_reason": hold.lift_reason or None,
    }
