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

from apps.accounts.requests import actor_of, confirmed_at
from apps.approvals import services
from apps.approvals.cards import cards_of
from apps.approvals.filters import QueueFilter, beside
from apps.approvals.models import Approval, Stage, Urgency
from apps.approvals.queries import (
    VIEWS,
    approval_for,
    counted,
    stages_of,
    summary_of,
    votes_of,
)
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.money import Money
from apps.core.paging import page_of, page_size


class VoteSerializer(serializers.Serializer[Any]):
    """`undo_seconds`: how long a program wants to be able to take the vote back; people get the time of the process."""

    verdict = serializers.CharField(max_length=20)
    digest = serializers.RegexField(r"^[0-9a-f]{64}$")
    reason_code = serializers.CharField(max_length=40, required=False, allow_blank=True, allow_null=True)
    comment = serializers.CharField(max_length=4000, required=False, allow_blank=True, allow_null=True)
    on_behalf_of = serializers.CharField(max_length=150, required=False, allow_blank=True, allow_null=True)
    undo_seconds = serializers.IntegerField(required=False, min_value=0, max_value=60, default=0)


class Approvals(APIView):
    """The approvals of a view, `mine` by default, with the inbox's own filters. Count and sums per currency come with
    it up to 1,000 rows, and beyond with `count=exact`.
    """

    @extend_schema(
        operation_id="approval_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("view", str, enum=VIEWS),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
            OpenApiParameter("count", str, enum=["exact"]),
        ],
    )
    def get(self, request: Request) -> Response:
        shown = QueueFilter.parse(beside(request.query_params, "cursor", "limit", "count"))
        approvals = shown.apply(actor_of(request))
        page = page_of(
            approvals,
            cursor=request.query_params.get("cursor"),
            size=page_size(request.query_params.get("limit")),
            order=shown.order(),
        )
        is_exact = request.query_params.get("count") == "exact"
        summary = summary_of(approvals, count=None if is_exact else counted(approvals))
        cards = cards_of(page.items, actor_of(request))
        return Response(
            {
                "items": [approval_resource(approval, cards[approval.id]) for approval in page.items],
                "next": page.next,
                "count": summary.count if summary.is_exact else summary.count - 1,
                "count_is_exact": summary.is_exact,
                "sums": [_money(money) for money in summary.sums] if summary.is_exact else None,
            }
        )


class ApprovalDetail(APIView):
    """One approval with its chain and votes."""

    @extend_schema(operation_id="approval_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, approval_id: UUID) -> Response:
        actor = actor_of(request)
        return Response(approval_detail(approval_for(actor, approval_id), actor))


class Votes(APIView):
    """Vote on exactly what was shown: `digest` is that of the approval as the voter read it. DELETE takes the last vote
    back while it settles.
    """

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
            on_behalf_of=data.get("on_behalf_of") or None,
            undo_seconds=data["undo_seconds"],
            confirmed_at=confirmed_at(request),
        )
        approval = approval_for(actor, approval_id)
        return Response(
            {"id": str(vote.id), "verdict": vote.verdict, "approval": approval_detail(approval, actor)}, status=201
        )

    @extend_schema(operation_id="approval_vote_withdraw", request=None, responses={200: OpenApiTypes.OBJECT})
    def delete(self, request: Request, approval_id: UUID) -> Response:
        actor = actor_of(request)
        services.withdraw_vote(actor=actor, approval_id=approval_id)
        return Response(approval_detail(approval_for(actor, approval_id), actor))


def approval_resource(approval: Approval, card: dict[str, Any]) -> dict[str, Any]:
    """One approval as programs see it. `card` is what people see and what the digest stands for."""
    return {
        "id": str(approval.id),
        "url": f"{settings.BASE_URL}/inbox/{approval.id}/",
        "subject": {"type": approval.subject_type, "id": str(approval.subject_id)},
        "state": approval.state,
        "version": approval.version,
        "digest": approval.digest,
        "sentence": card["sentence"],
        "risk": approval.risk,
        "money": _money(Money(approval.money_minor, approval.currency)) if approval.money_minor is not None else None,
        "policy": approval.policy_ref,
        "process": approval.process.slug,
        "environment": approval.environment,
        "agent": approval.agent.slug if approval.agent else None,
        "run_id": str(approval.run_id) if approval.run_id else None,
        "replaces": str(approval.previous_id) if approval.previous_id else None,
        "urgency": Urgency(approval.urgency).name.lower(),
        "requested_at": rfc3339(approval.requested_at),
        "due_at": rfc3339(approval.due_at),
        "expires_at": rfc3339(approval.expires_at),
        "paused_at": rfc3339(approval.paused_at),
        "settles_at": rfc3339(approval.settles_at),
        "resolved_at": rfc3339(approval.resolved_at),
    }


def approval_detail(approval: Approval, actor: Actor) -> dict[str, Any]:
    card = cards_of([approval], actor)[approval.id]
    return {
        **approval_resource(approval, card),
        "card": card,
        "stages": [_stage(stage) for stage in stages_of(approval)],
        "votes": [
            {
                "id": str(vote.id),
                "voter": vote.voter.username,
                "on_behalf_of": vote.on_behalf_of.username if vote.on_behalf_of else None,
                "verdict": vote.verdict,
                "reason_code": vote.reason_code,
                "stage": vote.stage.position,
                "via": vote.via,
                "cast_at": rfc3339(vote.cast_at),
                "withdrawn_at": rfc3339(vote.withdrawal.withdrawn_at) if hasattr(vote, "withdrawal") else None,
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
