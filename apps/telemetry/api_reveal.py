"""The API of seeing what a reported step carries."""

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.gateway.api_reveal import RevealSerializer
from apps.telemetry.revealing import reveal_reported_payload, revealable_step


class StepReveals(APIView):
    """Prompts, completions, arguments and results of one reported step, for this answer only."""

    @extend_schema(operation_id="step_reveal", request=RevealSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, run_id: UUID, step_id: UUID) -> Response:
        person_of(request)
        actor = actor_of(request)
        revealable_step(actor, run_id, step_id)
        body = RevealSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = reveal_reported_payload(actor=actor, run_id=run_id, step_id=step_id, **body.validated_data)
        document = {"run_id": str(run_id), "step_id": str(step_id), "name": found.name, "payload": found.payload}
        return Response(document, headers={"Cache-Control": "no-store"})
