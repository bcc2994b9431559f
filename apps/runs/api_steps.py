"""The API of a run's steps: what the mesh enforced and what agents reported, in one list."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of
from apps.core.clock import rfc3339
from apps.core.once import read_once
from apps.core.paging import page_size
from apps.runs.queries import run_for, span_for
from apps.runs.steps import Place, Row, opened_step, row_of, rows_of


class RunSteps(APIView):
    """The steps of a run in the order they began, a page at a time."""

    @extend_schema(
        operation_id="run_step_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    @read_once()
    def get(self, request: Request, run_id: UUID) -> Response:
        actor = actor_of(request)
        run = run_for(actor, run_id)
        cursor, size = request.query_params.get("cursor"), page_size(request.query_params.get("limit"))
        rows = rows_of(actor, run, after=Place.parse(cursor) if cursor else None, most=size + 1)
        more, rows = rows[size:], rows[:size]
        following = str(Place(rows[-1].started_at, rows[-1].id)) if more else None
        return Response({"items": [step_resource(row) for row in rows], "next": following})


class RunStep(APIView):
    """One step; of a reported one, what its agent said of it in the open."""

    @extend_schema(operation_id="run_step_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, run_id: UUID, step_id: UUID) -> Response:
        actor = actor_of(request)
        run = run_for(actor, run_id)
        opened = opened_step(actor, run, step_id)
        if opened is None:
            span = span_for(run, step_id)
            return Response({**step_resource(row_of(span)), "attributes": span.attributes})
        return Response({**step_resource(opened.row), "has_payload": opened.has_payload, "reported": opened.data})


def step_resource(row: Row) -> dict[str, Any]:
    """A step as programs see it."""
    return {
        "id": str(row.id),
        "parent_id": str(row.parent) if row.parent else None,
        "tool_call_id": str(row.call) if row.call else None,
        "kind": row.kind,
        "origin": row.origin,
        "status": row.status,
        "text": row.text,
        "note": row.note,
        "actor": row.actor,
        "policy": row.policy or None,
        "money": {"minor": row.minor, "currency": row.currency} if row.currency else None,
        "tokens": row.tokens,
        "started_at": rfc3339(row.started_at),
        "ended_at": rfc3339(row.ended_at),
    }
