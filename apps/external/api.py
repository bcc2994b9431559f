"""The face of the inbox for gateways outside: parse, call the service, show."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of
from apps.approvals.api import Approvals
from apps.approvals.models import ApprovalState
from apps.external import services
from apps.external.queries import external_request_for, waits_for_people
from apps.external.requests import ExternalAsk
from apps.external.serializers import ClaimSerializer, ExternalAskSerializer, WaitSerializer
from apps.external.shown import request_resource
from apps.gateway.longpoll import MAX_WAIT_SECONDS, slot, wait_until
from apps.registry.requests import agent_of

FULL_RETRY_AFTER_SECONDS = 2
KEY_HEADER = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)


class ApprovalsWithRequests(Approvals):
    """The queue, as people read it; and where a gateway outside asks for consent."""

    @extend_schema(
        operation_id="external_approval_request",
        request=ExternalAskSerializer,
        responses={200: OpenApiTypes.OBJECT, 201: OpenApiTypes.OBJECT},
        parameters=[KEY_HEADER],
    )
    def post(self, request: Request) -> Response:
        signed_in = agent_of(request)
        return _asked(
            services.request_external_approval(
                agent=signed_in.agent, credential=signed_in.credential, actor=actor_of(request), ask=_ask(request)
            )
        )


class ExternalApprovalDetail(APIView):
    """One request, at once or as soon as its agent can act on it."""

    @extend_schema(
        operation_id="external_approval_read",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("wait", int, description=f"Seconds to wait for people, at most {MAX_WAIT_SECONDS}")
        ],
    )
    def get(self, request: Request, request_id: UUID) -> Response:
        actor = actor_of(request)
        query = WaitSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = external_request_for(actor, request_id)
        headers = {}
        if found.state == ApprovalState.PENDING and (seconds := query.validated_data["wait"]):
            with slot() as has_slot:
                if has_slot:
                    wait_until(lambda: not waits_for_people(request_id), seconds=seconds)
                    found = external_request_for(actor, request_id)
                else:
                    headers["Retry-After"] = str(FULL_RETRY_AFTER_SECONDS)
        return Response(request_resource(found), headers=headers)


class ExternalApprovalVersions(APIView):
    """Answer a wish for changes with a new version."""

    @extend_schema(
        operation_id="external_approval_revise",
        request=ExternalAskSerializer,
        responses={200: OpenApiTypes.OBJECT, 201: OpenApiTypes.OBJECT},
        parameters=[KEY_HEADER],
    )
    def post(self, request: Request, request_id: UUID) -> Response:
        signed_in, actor = agent_of(request), actor_of(request)
        external_request_for(actor, request_id)
        return _asked(
            services.revise_external_approval(
                credential=signed_in.credential, actor=actor, request_id=request_id, ask=_ask(request)
            )
        )


class ExternalApprovalClaim(APIView):
    """Say that it is carried out now. Accepted once."""

    @extend_schema(
        operation_id="external_approval_claim", request=ClaimSerializer, responses={200: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, request_id: UUID) -> Response:
        agent_of(request)
        actor = actor_of(request)
        external_request_for(actor, request_id)
        body = ClaimSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        claimed = services.claim_external_approval(actor=actor, request_id=request_id, **body.validated_data)
        return Response(request_resource(claimed))


class ExternalApprovalCancellation(APIView):
    """Take back a request that was not claimed."""

    @extend_schema(operation_id="external_approval_cancel", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, request_id: UUID) -> Response:
        agent_of(request)
        return Response(
            request_resource(services.cancel_external_approval(actor=actor_of(request), request_id=request_id))
        )


def _ask(request: Request) -> ExternalAsk:
    body = ExternalAskSerializer(data=request.data, context={"idempotency_key": request.headers.get("Idempotency-Key")})
    body.is_valid(raise_exception=True)
    return body.ask()


def _asked(asked: services.Asked) -> Response:
    resource: dict[str, Any] = {**request_resource(asked.request), "replayed": asked.replayed}
    if asked.webhook_secret:
        resource["webhook_secret"] = asked.webhook_secret
    return Response(resource, status=200 if asked.replayed else 201)
