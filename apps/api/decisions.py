"""The API of decisions: how a call was decided, and what a rule or a release decided."""

import datetime as dt
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.core.clock import rfc3339
from apps.core.errors import Invalid
from apps.core.paging import page_size
from apps.gateway.decided import Asked, decided
from apps.gateway.explained import explained
from apps.gateway.models import Decision
from apps.gateway.queries import call_for
from apps.policies.queries import release_for, set_for


class CallDecisions(APIView):
    """Each decision on one call, with the lines of the rules that determined it and what it was made from."""

    @extend_schema(operation_id="tool_call_decisions", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, call_id: UUID) -> Response:
        person_of(request)
        actor = actor_of(request)
        call = call_for(actor, call_id)
        found = explained(actor, call, list(call.decisions.order_by("id")))
        return Response({"items": [each.as_json() for each in found]})


class PolicyDecisions(APIView):
    """The decisions made under one version, of one rule with `rule`, newest first."""

    @extend_schema(
        operation_id="policy_decisions",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[
            OpenApiParameter(name, kind)
            for name, kind in (
                ("rule", str), ("outcome", str), ("since", dt.datetime), ("until", dt.datetime),
                ("cursor", str), ("limit", int),
            )
        ],
    )  # fmt: skip
    def get(self, request: Request, policy_set: str, version: int) -> Response:
        person_of(request)
        actor, given = actor_of(request), request.query_params
        asked = Asked(
            release_for(set_for(actor, policy_set), version),
            given.get("rule", ""),
            given.get("outcome", ""),
            _moment(given.get("since")),
            _moment(given.get("until")),
        )
        page = decided(actor, asked, cursor=given.get("cursor"), size=page_size(given.get("limit")))
        return Response({"items": [_resource(decision) for decision in page.items], "next": page.next})


def _moment(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid("decision.bad_filter", "A time is written with its zone, as in 2030-12-31T23:59:59Z.")
    return moment


def _resource(decision: Decision) -> dict[str, Any]:
    call = decision.tool_call
    return {
        "id": str(decision.id),
        "call_id": str(call.id),
        "agent": call.agent.slug,
        "tool": call.tool.name,
        "moment": decision.moment,
        "outcome": decision.outcome,
        "policies": decision.policies,
        "money": {"minor": call.money_minor, "currency": call.currency} if call.currency else None,
        "decided_at": rfc3339(decision.decided_at),
    }
