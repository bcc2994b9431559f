"""The API of replays: what policies would have made of the decisions there are, and of those that are made."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.core.clock import rfc3339
from apps.core.paging import page_of, page_size
from apps.gateway.stored import sentences_of
from apps.registry.models import Environment
from apps.replays import services
from apps.replays.impact import impact_of, window_start
from apps.replays.kinds import kind_named
from apps.replays.queries import replay_for, replays_visible_to, rows_visible_to

LONGEST_WINDOW_DAYS = 36_500


class ReplaySerializer(serializers.Serializer[Any]):
    """`days` back from now, or from `since` until `until`; without any of them all decisions there are."""

    environment = serializers.CharField(max_length=20, required=False, default=Environment.PRODUCTION.value)
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_WINDOW_DAYS, required=False, allow_null=True)
    since = serializers.DateTimeField(required=False, allow_null=True, default=None)
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)

    @property
    def wanted(self) -> dict[str, Any]:
        given = dict(self.validated_data)
        days = given.pop("days", None)
        return given if days is None else given | {"since": window_start(days)}


class ShadowSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField(max_length=20, required=False, default=Environment.PRODUCTION.value)
    days = serializers.IntegerField(required=False, default=7)


class PolicyDraftReplays(APIView):
    """Decide the decisions of a window again under a draft: 202, for workers do it."""

    @extend_schema(operation_id="policy_draft_replay", request=ReplaySerializer, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, draft_id: UUID) -> Response:
        person_of(request)
        body = ReplaySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        replay = services.replay_draft(actor=actor_of(request), draft_id=draft_id, **body.wanted)
        return Response(impact_of(replay).as_json(), status=202)


class PolicyDraftShadows(APIView):
    """Let a draft follow what is decided from now on, beside the calls."""

    @extend_schema(operation_id="policy_draft_shadow", request=ShadowSerializer, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, draft_id: UUID) -> Response:
        person_of(request)
        body = ShadowSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        replay = services.shadow_draft(actor=actor_of(request), draft_id=draft_id, **body.validated_data)
        return Response(impact_of(replay).as_json(), status=202)


class PolicyVersionReplays(APIView):
    """Decide the decisions of a window again under a release."""

    @extend_schema(operation_id="policy_version_replay", request=ReplaySerializer, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, policy_set: str, version: int) -> Response:
        person_of(request)
        body = ReplaySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        replay = services.replay_release(actor=actor_of(request), policy_set=policy_set, version=version, **body.wanted)
        return Response(impact_of(replay).as_json(), status=202)


class PolicyReplays(APIView):
    """Replays and shadows of the sets one may see, newest first."""

    @extend_schema(
        operation_id="policy_replay_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        given = request.query_params
        found = replays_visible_to(actor_of(request))
        page = page_of(found, cursor=given.get("cursor"), size=page_size(given.get("limit")))
        return Response({"items": [impact_of(replay).as_json() for replay in page.items], "next": page.next})


class PolicyReplay(APIView):
    """One replay: how far it is, and what it came to."""

    @extend_schema(operation_id="policy_replay_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, replay_id: UUID) -> Response:
        person_of(request)
        return Response(impact_of(replay_for(actor_of(request), replay_id)).as_json())


class PolicyReplayDecisions(APIView):
    """The decisions behind one number of it."""

    @extend_schema(
        operation_id="policy_replay_decisions",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("kind", str, required=True),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
        ],
    )
    def get(self, request: Request, replay_id: UUID) -> Response:
        person_of(request)
        given, actor = request.query_params, actor_of(request)
        found = replay_for(actor, replay_id)
        rows = rows_visible_to(actor, found, kind_named(given.get("kind", "")))
        size = page_size(given.get("limit"))
        page = page_of(rows, cursor=given.get("cursor"), size=size, order=("-decision_id",))
        said = sentences_of([row.tool_call for row in page.items], actor)
        items = [
            {
                "decision_id": str(row.decision_id),
                "tool_call_id": str(row.tool_call_id),
                "run_id": str(row.tool_call.run_id),
                "process": row.tool_call.process.slug,
                "agent": row.tool_call.agent.slug,
                "tool": row.tool_call.tool.name,
                "sentence": said[row.tool_call_id],
                "decided_at": rfc3339(row.decision.decided_at),
                "money": {"minor": row.money_minor, "currency": row.currency} if row.currency else None,
                "before": {"outcome": row.outcome_before, "policies": row.decision.policies},
                "after": {"outcome": row.outcome_after, **row.after} if row.outcome_after else None,
            }
            for row in page.items
        ]
        return Response({"items": items, "next": page.next})


class PolicyReplayCancel(APIView):
    """Call a replay off, or stop a shadow. What was counted stays."""

    @extend_schema(operation_id="policy_replay_cancel", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, replay_id: UUID) -> Response:
        person_of(request)
        return Response(impact_of(services.cancel_replay(actor=actor_of(request), replay_id=replay_id)).as_json())
