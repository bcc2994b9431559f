"""The API of exceptions to policies: asked for, listed, revoked, with each use."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.api.halts import ZonedDateTimeField
from apps.core.clock import rfc3339
from apps.core.paging import page_of, page_size
from apps.gateway.models import ExceptionUse
from apps.gateway.queries import uses_of
from apps.policies import services
from apps.policies.exception_queries import exception_for, exceptions_of
from apps.policies.models import PolicyException
from apps.policies.queries import set_for

PAGING = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]


class ExceptionSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField(max_length=20)
    rules = serializers.ListField(child=serializers.CharField(max_length=200), max_length=100)
    tool = serializers.CharField(max_length=200)
    expires_at = ZonedDateTimeField()
    reason = serializers.CharField(max_length=300)
    agent = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    process = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    cap = serializers.CharField(max_length=30, required=False, allow_blank=True, default="")
    currency = serializers.CharField(max_length=3, required=False, allow_blank=True, default="")


class RevokeSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300, allow_blank=True)


class PolicyExceptions(APIView):
    """The exceptions to a set, newest first; ask for one: 202, for a second person decides."""

    @extend_schema(operation_id="policy_exception_list", responses={200: OpenApiTypes.OBJECT}, parameters=PAGING)
    def get(self, request: Request, policy_set: str) -> Response:
        person_of(request)
        actor, given = actor_of(request), request.query_params
        rows = exceptions_of(actor, set_for(actor, policy_set))
        page = page_of(rows, cursor=given.get("cursor"), size=page_size(given.get("limit")))
        return Response({"items": [_exception(row) for row in page.items], "next": page.next})

    @extend_schema(
        operation_id="policy_exception_request", request=ExceptionSerializer, responses={202: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, policy_set: str) -> Response:
        person_of(request)
        body = ExceptionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = services.request_exception(actor=actor_of(request), policy_set=policy_set, **body.validated_data)
        return Response(_exception(asked), status=202)


class PolicyExceptionDetail(APIView):
    """One exception: what it lifts for whom, until when, and what became of it."""

    @extend_schema(operation_id="policy_exception_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, exception_id: UUID) -> Response:
        person_of(request)
        return Response(_exception(exception_for(actor_of(request), exception_id)))


class PolicyExceptionRevoke(APIView):
    """End it at once; one that nobody has agreed to yet is taken back."""

    @extend_schema(
        operation_id="policy_exception_revoke", request=RevokeSerializer, responses={200: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, exception_id: UUID) -> Response:
        person_of(request)
        body = RevokeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        row = services.revoke_exception(actor=actor_of(request), exception_id=exception_id, **body.validated_data)
        return Response(_exception(row))


class PolicyExceptionUses(APIView):
    """Each decision it took part in, newest first."""

    @extend_schema(operation_id="policy_exception_uses", responses={200: OpenApiTypes.OBJECT}, parameters=PAGING)
    def get(self, request: Request, exception_id: UUID) -> Response:
        person_of(request)
        actor, given = actor_of(request), request.query_params
        uses = uses_of(actor, exception_for(actor, exception_id))
        page = page_of(uses, cursor=given.get("cursor"), size=page_size(given.get("limit")))
        return Response({"items": [_use(use) for use in page.items], "next": page.next})


def _exception(row: PolicyException) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "set": row.release.policy_set.slug,
        "version": row.release.version,
        "environment": row.environment,
        "rules": row.rules,
        "process": row.process.slug,
        "agent": row.agent.slug if row.agent else None,
        "tool": row.tool.name,
        "cap": {"minor": row.cap_minor, "currency": row.currency} if row.cap_minor is not None else None,
        "reason": row.reason,
        "requested_by": row.requester.username,
        "requested_at": rfc3339(row.requested_at),
        "expires_at": rfc3339(row.expires_at),
        "state": row.state,
        "approval": {"id": str(row.approval.id), "digest": row.approval.digest} if row.approval else None,
        "ended_at": rfc3339(row.ended_at),
        "ended_by": row.ended_by_name,
        "end_reason": row.end_reason,
    }


def _use(use: ExceptionUse) -> dict[str, Any]:
    call = use.tool_call
    return {
        "id": str(use.id),
        "tool_call_id": str(call.id),
        "decision_id": str(use.decision_id),
        "outcome": use.decision.outcome,
        "agent": call.agent.slug,
        "tool": call.tool.name,
        "money": {"minor": call.money_minor, "currency": call.currency} if call.currency else None,
        "used_at": rfc3339(use.used_at),
    }
