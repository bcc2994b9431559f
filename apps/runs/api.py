"""The API of runs."""

from dataclasses import fields
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of
from apps.core.clock import rfc3339
from apps.core.errors import Invalid, NotAllowed, NotFound
from apps.core.paging import page_of, page_size
from apps.core.tracing import read_traceparent
from apps.registry.requests import agent_of
from apps.runs import services
from apps.runs.filters import RunFilter
from apps.runs.listing import RunRow, rows_of
from apps.runs.models import Run, RunState, Span
from apps.runs.queries import run_for, spans_of
from apps.runs.story import Story, story_for


class RunSerializer(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200)
    business_key = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    process = serializers.SlugField(required=False, allow_null=True)
    time_budget_seconds = serializers.IntegerField(required=False, allow_null=True)


class RunEndSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=[(state.value, state.label) for state in services.ENDS_BY_AGENT])


class Runs(APIView):
    """Open a run; list the runs one may see."""

    @extend_schema(operation_id="run_open", request=RunSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        agent = agent_of(request).agent
        trace = read_traceparent(request.headers.get("traceparent"))
        body = RunSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if body.validated_data.get("process") not in (None, agent.process.slug):
            raise NotAllowed("run.other_process", "An agent opens runs in its own process alone.")
        run = services.open_run(
            agent=agent,
            actor=actor_of(request),
            title=body.validated_data["title"],
            business_key=body.validated_data["business_key"],
            idempotency_key=_idempotency_key(request),
            time_budget_seconds=body.validated_data.get("time_budget_seconds"),
            trace_id=trace.trace_id if trace else None,
        )
        return Response(run_resource(run), status=201)

    @extend_schema(
        operation_id="run_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
            OpenApiParameter("business_key", str),
            *(OpenApiParameter(field.name, str) for field in fields(RunFilter)),
        ],
    )
    def get(self, request: Request) -> Response:
        runs = RunFilter.parse(request.query_params).apply(actor_of(request))
        if business_key := request.query_params.get("business_key"):
            runs = runs.filter(business_key=business_key)
        page = page_of(
            runs, cursor=request.query_params.get("cursor"), size=page_size(request.query_params.get("limit"))
        )
        return Response({"items": [_row(row) for row in rows_of(page.items)], "next": page.next})


class RunDetail(APIView):
    """One run with its spans; an agent ends the runs of its process."""

    @extend_schema(operation_id="run_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, run_id: UUID) -> Response:
        run = run_for(actor_of(request), run_id)
        return Response({**run_resource(run), "spans": [_span(span) for span in spans_of(run)]})

    @extend_schema(operation_id="run_end", request=RunEndSerializer, responses={200: OpenApiTypes.OBJECT})
    def patch(self, request: Request, run_id: UUID) -> Response:
        body = RunEndSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        actor = actor_of(request)
        found = run_for(actor, run_id)
        if found.environment != agent_of(request).agent.environment:
            raise NotFound("run.not_found", "There is no such run.")
        run = services.end_run(run=found, state=RunState(body.validated_data["state"]), actor=actor)
        return Response(run_resource(run))


class RunStory(APIView):
    """One run as sentences."""

    @extend_schema(operation_id="run_story", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, run_id: UUID) -> Response:
        actor = actor_of(request)
        return Response(story_resource(story_for(actor, run_for(actor, run_id))))


def story_resource(story: Story) -> dict[str, Any]:
    """The story as programs see it, sentence by sentence and as one text."""
    return {
        "run_id": str(story.run.id),
        "sentences": [
            {
                "at": rfc3339(sentence.at),
                "kind": sentence.kind,
                "origin": sentence.origin,
                "actor": sentence.actor,
                "text": sentence.text,
                "detail": sentence.detail,
                "money": [{"minor": money.minor, "currency": money.currency} for money in sentence.moneys],
                "url": sentence.url or None,
            }
            for sentence in story.sentences
        ],
        "text": story.text,
    }


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > 200 or not key.isprintable() or not key.isascii():
        raise Invalid("run.bad_key", "An idempotency key has up to 200 printable ASCII characters.")
    return key


def run_resource(run: Run) -> dict[str, Any]:
    """A run as programs see it."""
    return {
        "id": str(run.id),
        "title": run.title,
        "business_key": run.business_key,
        "process": run.process.slug,
        "environment": run.environment,
        "state": run.state,
        "call_count": run.call_count,
        "started_at": rfc3339(run.started_at),
        "ended_at": rfc3339(run.ended_at),
        "deadline_at": None if run.is_implicit else rfc3339(run.deadline_at),
    }


def _row(row: RunRow) -> dict[str, Any]:
    """A run in a list: what it waits for and what it cost beside it; null where that is not known."""
    cost, wait = row.cost, row.wait
    return {
        **run_resource(row.run),
        "agent": row.run.opened_by.slug,
        "seconds": round(row.duration.total_seconds(), 3),
        "waiting_for": {"kind": wait.kind, "name": wait.name, "since": rfc3339(wait.since)} if wait else None,
        "cost": [{"minor": money.minor, "currency": money.currency} for money in cost.moneys] if cost else None,
        "cost_is_whole": cost.is_whole if cost else None,
    }


def _span(span: Span) -> dict[str, Any]:
    return {
        "id": str(span.id),
        "kind": span.kind,
        "origin": span.origin,
        "status": span.status,
        "name": span.name,
        "actor": span.actor_name,
        "note": span.note,
        "money": {"minor": span.money_minor, "currency": span.currency} if span.currency else None,
        "tool_call_id": str(span.tool_call_id) if span.tool_call_id else None,
        "started_at": rfc3339(span.started_at),
        "ended_at": rfc3339(span.ended_at),
        "attributes": span.attributes,
    }
