"""The agents' face of the gateway (design §6.2): parse, call the service, show."""

import math
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, confirmed_at
from apps.approvals.models import ApprovalState
from apps.approvals.queries import approval_for
from apps.core import observing
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.core.generations import read_moment
from apps.core.paging import page_of, page_size
from apps.core.tracing import read_traceparent
from apps.gateway import services, spending
from apps.gateway.longpoll import MAX_WAIT_SECONDS, slot, wait_until
from apps.gateway.models import OPEN_STATES, CallState, ToolCall
from apps.gateway.queries import call_for, calls_visible_to
from apps.gateway.serializers import (
    AuthorizeSerializer,
    EditSerializer,
    RevisionSerializer,
    ToolCallSerializer,
    read_question,
    read_tool_call,
)
from apps.gateway.shown import (
    arguments_now,
    call_resource,
    call_resources,
    edit_resource,
    refusal_for,
    verdict_resource,
)
from apps.registry.authentication import AgentTokenAuthentication
from apps.registry.requests import agent_of
from apps.registry.tokens import agent_behind

FULL_RETRY_AFTER_SECONDS = 2


class ToolCalls(APIView):
    """Ask for a tool call; list the calls one may see."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Whoever asks for a call is looked at again when it is decided."""
        authenticators: list[BaseAuthentication] = super().get_authenticators()
        if self.request is None or self.request.method != "POST":
            return authenticators
        return [AgentTokenAuthentication(is_recalled=True), *authenticators[1:]]

    @extend_schema(
        operation_id="tool_call_request",
        request=ToolCallSerializer,
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER),
            OpenApiParameter("traceparent", str, OpenApiParameter.HEADER),
        ],
    )
    def post(self, request: Request) -> Response:
        signed_in = agent_of(request)
        asked, is_dry_run = read_tool_call(
            request.data,
            key_header=request.headers.get("Idempotency-Key"),
            trace=read_traceparent(request.headers.get("traceparent")) or observing.here(),
        )
        if is_dry_run:
            agent = agent_behind(signed_in.credential.id, moment=read_moment()).agent
            verdict = services.preview_tool_call(agent=agent, request=asked)
            return Response({"dry_run": True, "state": None, "decision": verdict_resource(verdict)})
        intake = services.request_tool_call(
            agent=signed_in.agent,
            credential=signed_in.credential,
            actor=actor_of(request),
            request=asked,
            moment=signed_in.moment,
        )
        resource = call_resource(
            intake.call,
            intake.decision,
            actor_of(request),
            replayed=intake.replayed,
            arguments=arguments_now(intake.call),
        )
        if intake.refusal is not None:
            raise spending.told(intake.refusal, resource)
        refusal = refusal_for(intake.call, resource, intake.halt, retry_after_seconds=intake.retry_after_seconds)
        if refusal is not None:
            raise refusal
        return Response(resource, status=_status(intake.call))

    @extend_schema(
        operation_id="tool_call_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        calls = calls_visible_to(actor_of(request)).prefetch_related("decisions")
        page = page_of(
            calls, cursor=request.query_params.get("cursor"), size=page_size(request.query_params.get("limit"))
        )
        return Response({"items": call_resources(page.items, actor_of(request)), "next": page.next})


class ToolCallDetail(APIView):
    """One call, at once or as soon as it has ended or it is the agent's turn."""

    @extend_schema(
        operation_id="tool_call_read",
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter(
                "wait", float, description=f"Seconds to wait for an end or for feedback, at most {MAX_WAIT_SECONDS}"
            )
        ],
    )
    def get(self, request: Request, call_id: UUID) -> Response:
        actor = actor_of(request)
        call = call_for(actor, call_id)
        headers = {}
        if _is_waited_for(call) and (seconds := _wait_seconds(request)):
            with slot() as has_slot:
                if has_slot:
                    wait_until(lambda: not _goes_on(call), seconds=seconds)
                    call = call_for(actor, call_id)
                else:
                    headers["Retry-After"] = str(FULL_RETRY_AFTER_SECONDS)
        return Response(_resource(call, actor), status=_status(call), headers=headers)


class ToolCallCancellation(APIView):
    """Take back a call that has not run."""

    @extend_schema(operation_id="tool_call_cancel", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, call_id: UUID) -> Response:
        agent_of(request)
        actor = actor_of(request)
        return Response(_resource(services.cancel_tool_call(actor=actor, call_id=call_id), actor))


class ToolCallVersions(APIView):
    """The agent's answer when a person asked for changes: a new version of its call."""

    @extend_schema(
        operation_id="tool_call_revise",
        request=RevisionSerializer,
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, call_id: UUID) -> Response:
        agent_of(request)
        actor = actor_of(request)
        call_for(actor, call_id)
        body = RevisionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        revision = services.revise_tool_call(actor=actor, call_id=call_id, **body.answer())
        [resource] = call_resources([revision.call], actor)
        resource["replayed"] = revision.replayed
        refusal = refusal_for(revision.call, resource, None)
        if refusal is not None:
            raise refusal
        return Response(resource, status=_status(revision.call))


class ApprovalEdits(APIView):
    """Approve with edits: a person changes what an agent asked for."""

    @extend_schema(operation_id="approval_edit", request=EditSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, approval_id: UUID) -> Response:
        actor = actor_of(request)
        approval_for(actor, approval_id)
        body = EditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        outcome = services.edit_tool_call(
            actor=actor,
            approval_id=approval_id,
            digest=data["digest"],
            arguments=data["arguments"],
            comment=data.get("comment") or "",
            dwell_seconds=data.get("dwell_seconds"),
            confirmed_at=confirmed_at(request),
        )
        return Response(edit_resource(outcome.call, outcome.approval, outcome.vote, outcome.sentence), status=201)


class Authorize(APIView):
    """Decide without executing and without a row: for gateways that carry out calls themselves."""

    @extend_schema(
        operation_id="tool_call_authorize", request=AuthorizeSerializer, responses={200: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:
        verdict = services.preview_tool_call(agent=agent_of(request).agent, request=read_question(request.data))
        return Response({"decision": verdict_resource(verdict)})


def _resource(call: ToolCall, actor: Actor) -> dict[str, Any]:
    [resource] = call_resources([call], actor)
    return resource


def _status(call: ToolCall) -> int:
    return 202 if call.is_open else 200


def _is_waited_for(call: ToolCall) -> bool:
    """Whether there is something to wait for: neither has it ended nor is it the agent's turn. A person may still find
    out what nobody knows.
    """
    if call.state == CallState.OUTCOME_UNKNOWN:
        return True
    return call.is_open and not (call.approval and call.approval.state == ApprovalState.CHANGES_REQUESTED)


def _goes_on(call: ToolCall) -> bool:
    """Whether the call is still what was waited on: open, or unknown where it was unknown before."""
    was_unknown = call.state == CallState.OUTCOME_UNKNOWN
    going = ToolCall.objects.filter(id=call.id, state__in=[call.state] if was_unknown else OPEN_STATES)
    return going.exclude(approval__state=ApprovalState.CHANGES_REQUESTED).exists()


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
