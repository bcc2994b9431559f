"""The API of what agents reported: ungoverned actions, and what models cost."""

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
from apps.telemetry.models import ModelPrice, UngovernedAction
from apps.telemetry.prices import amount_of, set_model_price
from apps.telemetry.ungoverned import (
    acknowledge_ungoverned_action,
    action_for,
    actions_visible_to,
    shown_executions,
)

LIST = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]


class UngovernedActions(APIView):
    """The ungoverned actions one may see, newest first."""

    @extend_schema(
        operation_id="ungoverned_action_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[*LIST, OpenApiParameter("state", str, enum=["open", "acknowledged"])],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        query = request.query_params
        actions = actions_visible_to(actor_of(request))
        if query.get("state") in ("open", "acknowledged"):
            actions = actions.filter(acknowledged_at__isnull=query["state"] == "open")
        page = page_of(actions, cursor=query.get("cursor"), size=page_size(query.get("limit")))
        return Response({"items": [_action(one) for one in page.items], "next": page.next})


class UngovernedActionDetail(APIView):
    """One of them, with a page of the executions it counts."""

    @extend_schema(operation_id="ungoverned_action_read", responses={200: OpenApiTypes.OBJECT}, parameters=LIST)
    def get(self, request: Request, action_id: UUID) -> Response:
        person_of(request)
        action = action_for(actor_of(request), action_id)
        query = request.query_params
        page = page_of(action.executions.all(), cursor=query.get("cursor"), size=page_size(query.get("limit")))
        executions = [
            {
                "at": rfc3339(one.at),
                "trace_id": one.trace_id,
                "span_id": one.span_id,
                "run_ids": [str(run.id) for run in one.runs],
            }
            for one in shown_executions(action, page.items)
        ]
        return Response({**_action(action), "executions": executions, "next": page.next})


class AcknowledgeSerializer(serializers.Serializer[Any]):
    """`execution_count` is how many were looked at."""

    reason = serializers.CharField(max_length=500)
    execution_count = serializers.IntegerField(min_value=0)


class UngovernedActionAcknowledgement(APIView):
    """Say what it was."""

    @extend_schema(
        operation_id="ungoverned_action_acknowledge",
        request=AcknowledgeSerializer,
        responses={200: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, action_id: UUID) -> Response:
        person_of(request)
        actor = actor_of(request)
        action_for(actor, action_id)
        body = AcknowledgeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(_action(acknowledge_ungoverned_action(action_id=action_id, actor=actor, **body.validated_data)))


class PriceSerializer(serializers.Serializer[Any]):
    """Of a million tokens, in the currency's unit. A model that ends in `*` means all names that begin so."""

    model = serializers.CharField(max_length=120)
    provider = serializers.CharField(max_length=60, required=False, allow_blank=True, default="")
    currency = serializers.CharField(max_length=3)
    input = serializers.CharField(max_length=30)
    output = serializers.CharField(max_length=30)
    cached_input = serializers.CharField(max_length=30, required=False, allow_null=True, default=None)
    effective_from = serializers.DateTimeField()


class ModelPrices(APIView):
    """What models cost, the latest setting first; set a price."""

    @extend_schema(operation_id="model_price_list", responses={200: OpenApiTypes.OBJECT}, parameters=LIST)
    def get(self, request: Request) -> Response:
        person_of(request)
        query = request.query_params
        page = page_of(ModelPrice.objects.all(), cursor=query.get("cursor"), size=page_size(query.get("limit")))
        return Response({"items": [_price(one) for one in page.items], "next": page.next})

    @extend_schema(operation_id="model_price_set", request=PriceSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        person_of(request)
        body = PriceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        price = set_model_price(
            model=data["model"],
            provider=data["provider"],
            currency=data["currency"],
            input_price=data["input"],
            output_price=data["output"],
            cached_input_price=data["cached_input"],
            effective_from=data["effective_from"],
            actor=actor_of(request),
        )
        return Response(_price(price))


def _action(action: UngovernedAction) -> dict[str, Any]:
    return {
        "id": str(action.id),
        "state": "open" if action.is_open else "acknowledged",
        "agent": action.agent.slug,
        "process": action.process.slug,
        "environment": action.environment,
        "tool": action.tool_name,
        "execution_count": action.execution_count,
        "first_at": rfc3339(action.first_at),
        "last_at": rfc3339(action.last_at),
        "found_at": rfc3339(action.found_at),
        "acknowledged_by": action.acknowledged_by_name or None,
        "acknowledged_at": rfc3339(action.acknowledged_at),
        "reason": action.reason or None,
    }


def _price(price: ModelPrice) -> dict[str, Any]:
    return {
        "id": str(price.id),
        "model": price.model,
        "provider": price.provider,
        "currency": price.currency,
        "input": amount_of(price.input_micro),
        "output": amount_of(price.output_micro),
        "cached_input": None if price.cached_input_micro is None else amount_of(price.cached_input_micro),
        "effective_from": rfc3339(price.effective_from),
        "set_by": price.set_by,
        "set_at": rfc3339(price.set_at),
    }
