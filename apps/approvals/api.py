"""The API of approvals: the queue, one approval, the vote."""

from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of
from apps.approvals import services
from apps.approvals.models import Approval, Stage
from apps.approvals.queries import (
    QUEUE_ORDER,
    VIEWS,
    approval_for,
    approvals_in_view,
    cards_of,
    stages_of,
    summary_of,
    votes_of,
)
from apps.core.clock import rfc3339
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.core.paging import NEWEST_FIRST, page_of, page_size


class VoteSerializer(serializers.Serializer[Any]):
    verdict = serializers.CharField(max_length=20)
    digest = serializers.RegexField(r"^[0-9a-f]{64}$")
    reason_code = serializers.CharField(max_length=40, required=False, allow_blank=True, allow_null=True)
    comment = serializers.CharField(max_length=4000, required=False, allow_blank=True, allow_null=True)


class Approvals(APIView):
    """The approvals of a view: `mine` (the default), `team`, `decided` or `all`, with count and sums per currency."""

    @extend_schema(
        operation_id="approval_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("view", str, enum=VIEWS),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
        ],
    )
    def get(self, request: Request) -> Response:
        view = request.query_params.get("view", "mine")
        if view not in VIEWS:
            raise Invalid("approvals.bad_view", f"view is one of {', '.join(VIEWS)}.")
        approvals = approvals_in_view(actor_of(request), view)
        page = page_of(
            approvals,
            cursor=request.query_params.get("cursor"),
            size=page_size(request.query_params.get("limit")),
            order=QUEUE_ORDER if view in ("mine", "team") else NEWEST_FIRST,
        )
        summary = summary_of(approvals)
        cards = cards_of(page.items)
        return Response(
            {
                "items": [approval_resource(approval, cards[approval.id]) for approval in page.items],
                "next": page.next,
                "count": summary.count,
                "sums": [_money(money) for money in summary.sums],
            }
        )


class ApprovalDetail(APIView):
    """One approval with its chain and votes."""

    @extend_schema(operation_id="approval_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, approval_id: UUID) -> Response:
        approval = approval_for(actor_of(request), approval_id)
        return Response(approval_detail(approval))


class Votes(APIView):
    """Vote on exactly what was shown: `digest` is that of the approval as the voter read it."""

    @extend_schema(operation_id="approval_vote", request=VoteSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, approval_id: UUID) -> Response:
        actor = actor_of(request)
        approval_for(actor, approval_id)
        body = VoteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        vote = services.cast_vote(
            actor=actor,
            approval_id=approval_id,
            verdict=data["verdict"],
            digest=data["digest"],
            reason_code=data.get("reason_code") or "",
            comment=data.get("comment") or "",
        )
        approval = approval_for(actor, approval_id)
        return Response(
            {"id": str(vote.id), "verdict": vote.verdict, "approval": approval_detail(approval)}, status=201
        )


def approval_resource(approval: Approval, card: dict[str, Any]) -> dict[str, Any]:
    """One approval as programs see it. `card` is what people see and what the digest stands for."""
    return {
        "id": str(approval.id),
        "url": f"{settings.BASE_URL}/inbox/{approval.id}/",
        "subject": {"type": approval.subject_type, "id": str(approval.subject_id)},
        "state": approval.state,
        "digest": approval.digest,
        "sentence": card["sentence"],
        "risk": approval.risk,
        "money": _money(Money(approval.money_minor, approval.currency)) if approval.money_minor is not None else None,
        "policy": approval.policy_ref,
        "process": approval.process.slug,
        "environment": approval.environment,
        "agent": approval.agent.slug if approval.agent else None,
        "run_id": str(approval.run_id) if approval.run_id else None,
        "requested_at": rfc3339(approval.requested_at),
        "expires_at": rfc3339(approval.expires_at),
        "resolved_at": rfc3339(approval.resolved_at),
    }


def approval_detail(approval: Approval) -> dict[str, Any]:
    card = cards_of([approval])[approval.id]
    return {
        **approval_resource(approval, card),
        "card": card,
        "stages": [_stage(stage) for stage in stages_of(approval)],
        "votes": [
            {
                "id": str(vote.id),
                "voter": vote.voter.username,
                "verdict": vote.verdict,
                "reason_code": vote.reason_code,
                "stage": vote.stage.position,
                "via": vote.via,
                "cast_at": rfc3339(vote.cast_at),
            }
            for vote in votes_of(approval)
        ],
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "position": stage.position,
        "team": stage.team.slug,
        "quorum": stage.quorum,
        "votes": stage.approve_count,  # type: ignore[attr-defined]
        "passed_at": rfc3339(stage.passed_at),
    }


def _money(money: Money) -> dict[str, Any]:
    return {"minor": money.minor, "currency": money.currency}
