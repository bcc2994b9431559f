"""The API of emergency releases: to release or roll back alone, to take it back, to ask again."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.api.policies import SeenSerializer, review_resource
from apps.policies import services
from apps.policies.models import InFlight


class AloneReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300)


class AloneSerializer(AloneReasonSerializer):
    environment = serializers.CharField(max_length=20)
    in_flight = serializers.CharField(max_length=10, required=False, default=InFlight.RECHECK)


class ReleaseAloneSerializer(AloneSerializer, SeenSerializer):
    pass


class PolicyDraftReleaseAlone(APIView):
    """Let a draft decide at once, in an emergency; the review comes afterwards."""

    @extend_schema(
        operation_id="policy_draft_release_alone",
        request=ReleaseAloneSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, draft_id: UUID) -> Response:
        person_of(request)
        body = ReleaseAloneSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = services.release_in_emergency(actor=actor_of(request), draft_id=draft_id, **body.validated_data)
        return Response(review_resource(made.request), status=201)


class PolicyRollBackAlone(APIView):
    """Let an earlier version decide again at once, in an emergency; the review comes afterwards."""

    @extend_schema(operation_id="policy_roll_back_alone", request=AloneSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, policy_set: str, version: int) -> Response:
        person_of(request)
        body = AloneSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = services.roll_back_in_emergency(
            actor=actor_of(request), policy_set=policy_set, version=version, **body.validated_data
        )
        return Response(review_resource(made.request), status=201)


class PolicyReviewTakeBack(APIView):
    """Go back to what decided before an emergency release."""

    @extend_schema(
        operation_id="policy_review_take_back", request=AloneReasonSerializer, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, review_id: UUID) -> Response:
        person_of(request)
        body = AloneReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = services.take_back_emergency(actor=actor_of(request), request_id=review_id, **body.validated_data)
        return Response(review_resource(made), status=201)


class PolicyReviewAskAgain(APIView):
    """Ask once more for the review of an emergency release that nobody made in time."""

    @extend_schema(operation_id="policy_review_ask_again", request=None, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, review_id: UUID) -> Response:
        person_of(request)
        found = services.ask_again_afterwards(actor=actor_of(request), request_id=review_id)
        return Response(review_resource(found.request), status=202)
