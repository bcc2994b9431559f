"""The API of comparing two runs."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of
from apps.core.clock import rfc3339
from apps.runs.api import run_resource
from apps.runs.comparing import Step, comparison_for
from apps.runs.views_compare import run_id_in


class RunComparison(APIView):
    """Two runs beside each other."""

    @extend_schema(
        operation_id="run_compare",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("a", str, required=True), OpenApiParameter("b", str, required=True)],
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        found = comparison_for(actor_of(request), run_id_in(query.get("a")), run_id_in(query.get("b")))
        return Response(
            {
                "a": run_resource(found.a),
                "b": run_resource(found.b),
                "facts": {fact.name: {"a": fact.a, "b": fact.b, "is_same": fact.is_same} for fact in found.facts},
                "counts": found.counts,
                "steps": [
                    {"difference": line.difference, "a": _step(line.a), "b": _step(line.b)} for line in found.lines
                ],
                "is_cut": found.is_cut,
            }
        )


def _step(step: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    return {
        "kind": step.kind,
        "origin": step.origin,
        "name": step.key[1],
        "text": step.text,
        "state": step.state,
        "money": {"minor": step.money.minor, "currency": step.money.currency} if step.money else None,
        "tokens": step.tokens,
        "at": rfc3339(step.at),
        "url": step.url,
    }
