"""The API of what is done about an approval besides voting: escalate, extend, look a second time, and how people do."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.approvals import services
from apps.approvals.api import approval_detail
from apps.approvals.api_queue import MomentField
from apps.approvals.cards import cards_of
from apps.approvals.models import SecondLook
from apps.approvals.queries import approval_for
from apps.core.clock import rfc3339
from apps.core.paging import page_of, page_size


class EscalationSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300)


class ExtensionSerializer(serializers.Serializer[Any]):
    until = MomentField()
    reason = serializers.CharField(max_length=300)


class OpinionSerializer(serializers.Serializer[Any]):
    opinion = serializers.CharField(max_length=20)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class Escalations(APIView):
    """Bring it before the next team of the ladder."""

    @extend_schema(operation_id="approval_escalate", request=EscalationSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, approval_id: UUID) -> Response:
        actor = actor_of(request)
        approval_for(actor, approval_id)
        body = EscalationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        step = services.escalate(actor=actor, approval_id=approval_id, **body.validated_data)
        told = {"team": step.team.slug, "may_vote": step.may_vote, "escalated_at": rfc3339(step.escalated_at)}
        return Response(told, status=201)


class Extension(APIView):
    """Let people have longer to decide."""

    @extend_schema(operation_id="approval_extend", request=ExtensionSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, approval_id: UUID) -> Response:
        actor = actor_of(request)
        approval_for(actor, approval_id)
        body = ExtensionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.extend(actor=actor, approval_id=approval_id, **body.validated_data)
        return Response(approval_detail(approval_for(actor, approval_id), actor))


class SecondLooks(APIView):
    """What waits for a second look of mine, each without how it was decided."""

    @extend_schema(
        operation_id="second_look_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        looks = services.open_second_looks(actor_of(request)).select_related("approval")
        size = page_size(request.query_params.get("limit"))
        page = page_of(looks, cursor=request.query_params.get("cursor"), size=size, order=("id",))
        cards = cards_of([look.approval for look in page.items], actor_of(request), is_judge=True)
        return Response({"items": [_look(look, cards[look.approval_id]) for look in page.items], "next": page.next})


class SecondOpinionGiven(APIView):
    """What one would have decided."""

    @extend_schema(operation_id="second_opinion_give", request=OpinionSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, look_id: UUID) -> Response:
        actor = actor_of(request)
        services.second_look_for(actor, look_id)
        body = OpinionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        look = services.give_second_opinion(actor=actor, look_id=look_id, **body.validated_data)
        return Response({"id": str(look.id), "opinion": look.opinion, "looked_at": rfc3339(look.looked_at)}, status=201)


def _look(look: SecondLook, card: dict[str, Any]) -> dict[str, Any]:
    """Blind: the card as it was, nothing of what became of it."""
    return {"id": str(look.id), "drawn_at": rfc3339(look.drawn_at), "sentence": card["sentence"], "card": card}
