"""The API of undoing: one call, or all that a run did."""

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of
from apps.gateway import services
from apps.gateway.models import ToolCall
from apps.gateway.shown import call_resources, refusal_for
from apps.gateway.unwinds import preview_resource, unwind_preview, unwind_resource
from apps.runs.queries import run_for


class RunUnwind(APIView):
    """What undoing the run would do and how far it has come; begin it, or join whoever began."""

    @extend_schema(operation_id="run_unwind_preview", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, run_id: UUID) -> Response:
        actor = actor_of(request)
        return Response(preview_resource(unwind_preview(actor, run_for(actor, run_id))))

    @extend_schema(operation_id="run_unwind", request=None, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, run_id: UUID) -> Response:
        begun = services.unwind_run(actor=actor_of(request), run_id=run_id)
        steps = list(begun.unwind.steps.select_related("call__tool", "compensation"))
        return Response({**unwind_resource(begun.unwind, steps), "joined": begun.is_joined}, status=202)


class ToolCallCompensation(APIView):
    """Undo one call. The answer is the compensating call."""

    @extend_schema(
        operation_id="tool_call_compensate",
        request=None,
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, call_id: UUID) -> Response:
        intake = services.compensate_tool_call(actor=actor_of(request), call_id=call_id)
        call = ToolCall.objects.select_related("tool", "approval", "result").get(id=intake.call.id)
        [resource] = call_resources([call], actor_of(request))
        resource["replayed"] = intake.replayed
        refusal = refusal_for(call, resource, intake.halt)
        if refusal is not None:
            raise refusal
        return Response(resource, status=202 if call.is_open else 200)
