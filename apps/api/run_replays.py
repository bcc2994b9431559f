"""The API of replays of runs."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.core.paging import page_of, page_size
from apps.replays import services
from apps.replays.models import Under
from apps.replays.run_queries import run_replay_for, run_replays_visible_to, steps_to_show
from apps.replays.run_result import RunResult, shown_steps
from apps.runs.queries import run_for

PAGED = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]


class RunReplaySerializer(serializers.Serializer[Any]):
    """Under which policies; `draft_id` with `draft` alone."""

    under = serializers.ChoiceField(choices=Under.choices, required=False, default=Under.THEN.value)
    draft_id = serializers.UUIDField(required=False, allow_null=True, default=None)


class RunReplays(APIView):
    """The replays of a run, newest first; replay it: 202, for workers do it."""

    @extend_schema(operation_id="run_replay_list", responses={200: OpenApiTypes.OBJECT}, parameters=PAGED)
    def get(self, request: Request, run_id: UUID) -> Response:
        person_of(request)
        actor, given = actor_of(request), request.query_params
        found = run_replays_visible_to(actor, run_for(actor, run_id))
        page = page_of(found, cursor=given.get("cursor"), size=page_size(given.get("limit")))
        return Response({"items": [RunResult(replay).as_json() for replay in page.items], "next": page.next})

    @extend_schema(operation_id="run_replay", request=RunReplaySerializer, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, run_id: UUID) -> Response:
        person_of(request)
        body = RunReplaySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        replay = services.replay_run(actor=actor_of(request), run_id=run_id, **body.validated_data)
        return Response(RunResult(replay).as_json(), status=202)


class RunReplayDetail(APIView):
    """One of them, with a page of its steps."""

    @extend_schema(operation_id="run_replay_read", responses={200: OpenApiTypes.OBJECT}, parameters=PAGED)
    def get(self, request: Request, run_id: UUID, replay_id: UUID) -> Response:
        person_of(request)
        actor, given = actor_of(request), request.query_params
        replay = run_replay_for(actor, run_id, replay_id)
        size = page_size(given.get("limit"))
        page = page_of(steps_to_show(replay), cursor=given.get("cursor"), size=size, order=("position",))
        steps = [shown.as_json() for shown in shown_steps(page.items, actor)]
        return Response({**RunResult(replay).as_json(), "steps": steps, "next": page.next})


class RunReplayCancel(APIView):
    """Call it off. What was done stays."""

    @extend_schema(operation_id="run_replay_cancel", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, run_id: UUID, replay_id: UUID) -> Response:
        person_of(request)
        replay = services.cancel_run_replay(actor=actor_of(request), run_id=run_id, replay_id=replay_id)
        return Response(RunResult(replay).as_json())
