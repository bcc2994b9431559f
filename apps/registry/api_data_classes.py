"""Which roles see which class of data, for whoever keeps that or wants to know it."""

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
from apps.registry import services
from apps.registry.models import DataClassRule
from apps.registry.queries import process_named
from apps.registry.sight import rules_visible_to


class RuleSerializer(serializers.Serializer[Any]):
    """Without `process` it holds wherever no process says otherwise."""

    data_class = serializers.CharField(max_length=40)
    roles = serializers.ListField(child=serializers.CharField(max_length=40), max_length=20)
    process = serializers.SlugField(required=False, allow_null=True)


class DataClassRules(APIView):
    """The rules one may see, newest first; set one."""

    @extend_schema(
        operation_id="data_class_rule_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        size = page_size(request.query_params.get("limit"))
        page = page_of(rules_visible_to(actor_of(request)), cursor=request.query_params.get("cursor"), size=size)
        return Response({"items": [_resource(rule) for rule in page.items], "next": page.next})

    @extend_schema(operation_id="data_class_rule_set", request=RuleSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        person_of(request)
        actor = actor_of(request)
        body = RuleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        process = process_named(actor, data["process"]) if data.get("process") else None
        rule = services.set_data_class_rule(
            data_class=data["data_class"], roles=data["roles"], process=process, actor=actor
        )
        return Response(_resource(rule))


class DataClassRuleView(APIView):
    """Take a rule back."""

    @extend_schema(operation_id="data_class_rule_end", request=None, responses={204: None})
    def delete(self, request: Request, rule_id: UUID) -> Response:
        person_of(request)
        services.end_data_class_rule(rule_id=rule_id, actor=actor_of(request))
        return Response(status=204)


def _resource(rule: DataClassRule) -> dict[str, Any]:
    return {
        "id": str(rule.id),
        "data_class": rule.data_class,
        "roles": rule.roles,
        "process": rule.process.slug if rule.process else None,
        "set_by": rule.set_by,
        "set_at": rfc3339(rule.set_at),
    }
