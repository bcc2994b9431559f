"""The agents' face of the gateway (design §6.2): parse, call the service, show."""

import math
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of
from apps.core.errors import Invalid
from apps.core.paging import page_of, page_size
from apps.gateway import services
from apps.gateway.longpoll import MAX_WAIT_SECONDS, slot, wait_until
from apps.gateway.models import OPEN_STATES, ToolCall
from apps.gateway.queries import call_for, calls_visible_to
from apps.gateway.serializers import AuthorizeSerializer, ToolCallSerializer
from apps.gateway.shown import call_resource, refusal_for, verdict_resource
from apps.registry.requests import agent_of

FULL_RETRY_AFTER_SECONDS = 2


class ToolCalls(APIView):
    """Ask for a tool call; list the calls one may see."""

    @extend_schema(
        operation_id="tool_call_request",
        request=ToolCallSerializer,
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
    )
    def post(self, request: Request) -> Response:
        signed_in = agent_of(request)
        body = ToolCallSerializer(
            data=request.data, context={"idempotency_key": request.headers.get("Idempotency-Key")}
        )
        body.is_valid(raise_exception=True)
        if body.validated_data["dry_run"]:
            verdict = services.preview_tool_call(agent=signed_in.agent, request=body.call_request())
            return Response({"dry_run": True, "state": None, "decision": verdict_resource(verdict)})
        intake = services.request_tool_call(
            agent=signed_in.agent, credential=signed_in.credential, actor=actor_of(request), request=body.call_request()
        )
        resource = call_resource(intake.call, intake.decision, replayed=intake.replayed)
        refusal = refusal_for(intake.call, resource, intake.halt)
        if refusal is not None:
            raise refusal
        return Response(resource, status=_status(intake.call))

    @extend_schema(
        operation_id="tool_call_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        calls = calls_visible_to(actor_of(request)).prefetch_related("decisions", "approval__votes__comment")
        page = page_of(
            calls, cursor=request.query_params.get("cursor"), size=page_size(request.query_params.get("limit"))
        )
        return Response({"items": [_resource(call) for call in page.items], "next": page.next})


class ToolCallDetail(APIView):
    """One call, at once or as soon as it has ended."""

    @extend_schema(
        operation_id="tool_call_read",
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("wait", float, description=f"Seconds to wait for an end, at most {MAX_WAIT_SECONDS}")
        ],
    )
    def get(self, request: Request, call_id: UUID) -> Response:
        actor = actor_of(request)
        call = call_for(actor, call_id)
        headers = {}
        if call.is_open and (seconds := _wait_seconds(request)):
            with slot() as has_slot:
                if has_slot:
                    wait_until(lambda: not _is_open(call_id), seconds=seconds)
                    call = call_for(actor, call_id)
                else:
                    headers["Retry-After"] = str(FULL_RETRY_AFTER_SECONDS)
        return Response(_resource(call), status=_status(call), headers=headers)


class ToolCallCancellation(APIView):
    """Take back a call that has not run."""

    @extend_schema(operation_id="tool_call_cancel", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, call_id: UUID) -> Response:
        agent_of(request)
        return Response(_resource(services.cancel_tool_call(actor=actor_of(request), call_id=call_id)))


class Authorize(APIView):
    """Decide without executing and without a row: for gateways that carry out calls themselves."""

    @extend_schema(
        operation_id="tool_call_authorize", request=AuthorizeSerializer, responses={200: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:
        body = AuthorizeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        verdict = services.preview_tool_call(agent=agent_of(request).agent, request=body.call_request())
        return Response({"decision": verdict_resource(verdict)})


def _resource(call: ToolCall) -> dict[str, Any]:
    return call_resource(call, min(call.decisions.all(), key=lambda decision: decision.id, default=None))


def _status(call: ToolCall) -> int:
    return 202 if call.is_open else 200


def _is_open(call_id: UUID) -> bool:
    return ToolCall.objects.filter(id=call_id, state__in=OPEN_STATES).exists()


def _wait_seconds(request: Request) -> float:
    """`?wait=` in seconds, 0 without it. Raises Invalid for what is not a time; more than the most is the most."""
    text = request.query_params.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise Invalid("wait.invalid", f"wait is a number of seconds from 0 to {MAX_WAIT_SECONDS}.")
    return min(seconds, MAX_WAIT_SECONDS)
