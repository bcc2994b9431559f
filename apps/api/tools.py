"""The API of what a change of tools would break."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.gateway.tool_changes import preview_tools

MOST_TOOLS = 500


class PreviewSerializer(serializers.Serializer[Any]):
    tools = serializers.ListField(child=serializers.DictField(), min_length=1, max_length=MOST_TOOLS)


class ToolPreviewView(APIView):
    """What would break if these tools were registered: releases, drafts, reviews, calls that wait. Writes nothing."""

    @extend_schema(operation_id="tools_preview", request=PreviewSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        person_of(request)
        body = PreviewSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(preview_tools(body.validated_data["tools"], actor=actor_of(request)).as_json())
