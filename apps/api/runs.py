"""What people do with runs: giving one more time."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.api.halts import ZonedDateTimeField
from apps.runs.api import run_resource
from apps.runs.deadlines import extend_run


class RunExtendSerializer(serializers.Serializer[Any]):
    until = ZonedDateTimeField()
    reason = serializers.CharField(max_length=500)


class RunExtend(APIView):
    """Give a run more time, with a reason; one that has run out of it goes on."""

    @extend_schema(operation_id="run_extend", request=RunExtendSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, run_id: UUID) -> Response:
        person_of(request)
        body = RunExtendSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        run = extend_run(actor=actor_of(request), run_id=run_id, **body.validated_data)
        return Response(run_resource(run))
