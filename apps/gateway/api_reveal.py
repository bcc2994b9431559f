"""The API of seeing what is masked."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.gateway import services
from apps.gateway.services.revealing import MOST_REASON, revealable_call


class RevealSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=MOST_REASON)


class Reveals(APIView):
    """Arguments and result of one call in the clear, for this answer only."""

    @extend_schema(operation_id="payload_reveal", request=RevealSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, call_id: UUID) -> Response:
        person_of(request)
        revealable_call(actor_of(request), call_id)
        body = RevealSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = services.reveal_payload(actor=actor_of(request), call_id=call_id, **body.validated_data)
        document = {
            "tool_call_id": str(found.call.id),
            "classes": sorted(found.classes),
            "arguments": found.arguments,
            "result": found.result,
        }
        return Response(document, headers={"Cache-Control": "no-store"})
