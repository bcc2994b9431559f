"""The API of budgets: setting and ending them, how they stand, what agents report, and runs that were held."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.api.halts import ScopeSerializer
from apps.budgets import services
from apps.budgets.models import Budget, BudgetPeriod, Rate, RunHold, Scope
from apps.budgets.queries import (
    Standing,
    budget_for,
    budgets_visible_to,
    holds_visible_to,
    periods_of,
    rates_visible_to,
    standings_of,
)
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.errors import Invalid
from apps.core.money import MAX_MINOR, Money
from apps.core.paging import page_of, page_size
from apps.registry.requests import agent_of
from apps.runs.queries import run_for

PAGING = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]
PERIODS_SHOWN = 50


class BudgetSerializer(serializers.Serializer[Any]):
    scope = ScopeSerializer()
    environment = serializers.CharField(max_length=20)
    measure = serializers.CharField(max_length=20)
    currency = serializers.CharField(max_length=3, required=False, allow_blank=True, allow_null=True)
    window = serializers.CharField(max_length=10)
    cap = serializers.IntegerField()
    estimate = serializers.IntegerField(required=False, allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, allow_null=True)


class RateSerializer(serializers.Serializer[Any]):
    scope = ScopeSerializer()
    environment = serializers.CharField(max_length=20)
    capacity = serializers.IntegerField()
    refill_per_second = serializers.FloatField()
    instead_of = serializers.UUIDField(required=False, allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, allow_null=True)


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500)


class CostSerializer(serializers.Serializer[Any]):
    minor = serializers.IntegerField(min_value=0, max_value=MAX_MINOR)
    currency = serializers.CharField(max_length=3)


class UsageSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=200)
    run_id = serializers.UUIDField(required=False, allow_null=True)
    model = serializers.CharField(max_length=120, required=False, allow_blank=True, allow_null=True)
    tokens = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=MAX_MINOR)
    cost = CostSerializer(required=False, allow_null=True)


class Budgets(APIView):
    """Set a budget, or another cap; list the budgets one may see, those in force with `?in_force=true`."""

    @extend_schema(operation_id="budget_set", request=BudgetSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        person_of(request)
        body = BudgetSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        wanted = services.Wanted(
            scope_type=data["scope"]["type"],
            scope_reference=data["scope"].get("id") or "",
            environment=data["environment"],
            measure=data["measure"],
            window=data["window"],
            cap=data["cap"],
            currency=data.get("currency") or "",
            estimate=data.get("estimate"),
            reason=data.get("reason") or "",
        )
        actor = actor_of(request)
        budget = services.set_budget(actor=actor, wanted=wanted)
        return Response(budget_resource(standings_of([budget])[0], actor), status=201)

    @extend_schema(
        operation_id="budget_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("in_force", bool), *PAGING],
    )
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        budgets = budgets_visible_to(actor)
        in_force = request.query_params.get("in_force", "false")
        if in_force not in ("true", "false"):
            raise Invalid("budgets.bad_filter", "in_force is true or false.")
        if in_force == "true":
            budgets = budgets.filter(ended_at=None)
        params = request.query_params
        page = page_of(budgets, cursor=params.get("cursor"), size=page_size(params.get("limit")))
        items = [budget_resource(standing, actor) for standing in standings_of(page.items)]
        return Response({"items": items, "next": page.next})


class BudgetDetail(APIView):
    """One budget with its latest periods."""

    @extend_schema(operation_id="budget_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, budget_id: UUID) -> Response:
        actor = actor_of(request)
        budget = budget_for(actor, budget_id)
        shown = budget_resource(standings_of([budget])[0], actor)
        if _may_know_amounts(budget, actor):
            shown["periods"] = [
                period_resource(period) | {"alerts": [alert.percent for alert in period.alerts.all()]}
                for period in periods_of(budget)[:PERIODS_SHOWN]
            ]
        return Response(shown)


class BudgetEnd(APIView):
    """End a budget, with a reason."""

    @extend_schema(operation_id="budget_end", request=ReasonSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, budget_id: UUID) -> Response:
        person_of(request)
        body = ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        actor = actor_of(request)
        budget = services.end_budget(actor=actor, budget_id=budget_id, reason=body.validated_data["reason"])
        return Response(budget_resource(standings_of([budget])[0], actor))


class Rates(APIView):
    """Set how often calls may come; list the rates in force that one may see."""

    @extend_schema(operation_id="rate_set", request=RateSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        person_of(request)
        body = RateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        wanted = services.WantedRate(
            scope_type=data["scope"]["type"],
            scope_reference=data["scope"].get("id") or "",
            environment=data["environment"],
            capacity=data["capacity"],
            refill_per_second=data["refill_per_second"],
            reason=data.get("reason") or "",
        )
        rate = services.set_rate(actor=actor_of(request), wanted=wanted, instead_of=data.get("instead_of", ...))
        return Response(rate_resource(rate), status=201)

    @extend_schema(operation_id="rate_list", responses={200: OpenApiTypes.OBJECT}, parameters=PAGING)
    def get(self, request: Request) -> Response:
        params = request.query_params
        rates = rates_visible_to(actor_of(request)).filter(ended_at=None)
        page = page_of(rates, cursor=params.get("cursor"), size=page_size(params.get("limit")))
        return Response({"items": [rate_resource(rate) for rate in page.items], "next": page.next})


class RateEnd(APIView):
    """End a rate, with a reason."""

    @extend_schema(operation_id="rate_end", request=ReasonSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, rate_id: UUID) -> Response:
        person_of(request)
        body = ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        rate = services.end_rate(actor=actor_of(request), rate_id=rate_id, reason=body.validated_data["reason"])
        return Response(rate_resource(rate))


class UsageReports(APIView):
    """An agent reports a model call: its tokens and cost, null where they are not known."""

    @extend_schema(operation_id="usage_report", request=UsageSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        signed_in = agent_of(request)
        body = UsageSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        if data.get("run_id"):
            run_for(actor_of(request), data["run_id"])
        usage = services.record_usage(
            actor=actor_of(request),
            agent=signed_in.agent,
            key=data["key"],
            run_id=data.get("run_id"),
            model=data.get("model") or "",
            tokens=data.get("tokens"),
            cost=_money(data.get("cost")),
        )
        return Response({"id": str(usage.id), "key": usage.key}, status=201)


class RunHolds(APIView):
    """Runs that were held for going in circles, newest first."""

    @extend_schema(operation_id="run_hold_list", responses={200: OpenApiTypes.OBJECT}, parameters=PAGING)
    def get(self, request: Request) -> Response:
        params = request.query_params
        holds = holds_visible_to(actor_of(request))
        page = page_of(holds, cursor=params.get("cursor"), size=page_size(params.get("limit")))
        return Response({"items": [hold_resource(hold) for hold in page.items], "next": page.next})


class RunHoldRelease(APIView):
    """Let a held run go on."""

    @extend_schema(operation_id="run_hold_release", request=ReasonSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, hold_id: UUID) -> Response:
        person_of(request)
        body = ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        hold = services.release_run(actor=actor_of(request), hold_id=hold_id, reason=body.validated_data["reason"])
        return Response(hold_resource(hold))


def _money(cost: dict[str, Any] | None) -> Money | None:
    """Raises Invalid for a currency there is none of."""
    if cost is None:
        return None
    Money.parse(0, cost["currency"])
    return Money(cost["minor"], cost["currency"])


def _may_know_amounts(budget: Budget, actor: Actor) -> bool:
    """People know how much is used and left; an agent of its own budgets alone, for others share the wider ones."""
    return not actor.is_agent or (budget.scope_type == Scope.AGENT and budget.scope_id == str(actor.id))


def budget_resource(standing: Standing, actor: Actor) -> dict[str, Any]:
    """A budget as this actor may know it."""
    budget, counter = standing.budget, standing.counter
    shown: dict[str, Any] = {
        "id": str(budget.id),
        "scope": {"type": budget.scope_type, "id": budget.scope_id or None, "name": budget.scope_name},
        "environment": budget.environment,
        "measure": budget.measure,
        "currency": budget.currency or None,
        "window": budget.window,
        "time_zone": budget.time_zone,
        "ended_at": rfc3339(budget.ended_at),
    }
    if not _may_know_amounts(budget, actor):
        return shown
    shown |= {
        "cap": budget.cap,
        "estimate": budget.estimate,
        "present": period_resource(counter) | {"alerts": list(standing.alerts)} if counter else None,
    }
    people_only = {
        "set_by": budget.set_by_name,
        "set_at": rfc3339(budget.set_at),
        "reason": budget.reason,
        "ended_by": budget.ended_by_name or None,
        "end_reason": budget.end_reason,
    }
    return shown | ({} if actor.is_agent else people_only)


def period_resource(period: BudgetPeriod) -> dict[str, Any]:
    """A period's counters."""
    return {
        "starts_at": rfc3339(period.starts_at),
        "ends_at": rfc3339(period.ends_at),
        "run_id": str(period.run_id) if period.run_id else None,
        "cap": period.cap,
        "settled": period.settled,
        "reserved": period.reserved,
        "overrun": period.overrun,
        "left": period.left,
    }


def rate_resource(rate: Rate) -> dict[str, Any]:
    """A rate, and how many calls it has turned away."""
    return {
        "id": str(rate.id),
        "scope": {"type": rate.scope_type, "id": str(rate.scope_id), "name": rate.scope_name},
        "environment": rate.environment,
        "capacity": rate.capacity,
        "refill_per_second": rate.refill_per_second,
        "refused_count": rate.refused_count,
        "refused_at": rfc3339(rate.refused_at),
        "set_at": rfc3339(rate.set_at),
        "ended_at": rfc3339(rate.ended_at),
    }


def hold_resource(hold: RunHold) -> dict[str, Any]:
    """A held run."""
    return {
        "id": str(hold.id),
        "run_id": str(hold.run_id),
        "budget_id": str(hold.budget_id),
        "tool": hold.tool_name,
        "agent": hold.agent_name,
        "count": hold.count,
        "held_at": rfc3339(hold.held_at),
        "released_at": rfc3339(hold.released_at),
        "released_by": hold.released_by_name or None,
        "release_reason": hold.release_reason,
    }
