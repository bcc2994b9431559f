"""The API of who may decide how much, by which rules, and for whom."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import Team
from apps.accounts.requests import actor_of
from apps.approvals import services
from apps.approvals.api_queue import MomentField
from apps.approvals.authority import delegations_visible_to, limits_of, process_rules
from apps.approvals.models import AuthorityLimit, ConsentRules, Delegation
from apps.core.clock import rfc3339
from apps.core.errors import Invalid
from apps.core.paging import page_of, page_size

CURRENCY = r"^[A-Z]{3}$"
PAGING = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]


class MinorField(serializers.IntegerField):
    """Whole minor units, as a JSON integer alone: the framework would read "5000.00", which people write for €5,000.00,
    as 5000 cents.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(min_value=0, max_value=2**53, **more)

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class DelegationSerializer(serializers.Serializer[Any]):
    receiver = serializers.CharField(max_length=150)
    starts_at = MomentField()
    ends_at = MomentField()
    process = serializers.SlugField(required=False, allow_null=True)
    approval_id = serializers.UUIDField(required=False, allow_null=True)
    caps = serializers.DictField(child=MinorField(), required=False, default=dict)
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class LimitSerializer(serializers.Serializer[Any]):
    team = serializers.SlugField(required=False, allow_null=True)
    person = serializers.CharField(max_length=150, required=False, allow_null=True)
    currency = serializers.RegexField(CURRENCY)
    limit_minor = MinorField()
    reason = serializers.CharField(max_length=300)


class RulesSerializer(serializers.Serializer[Any]):
    """What is named is changed."""

    sla_seconds = serializers.IntegerField(required=False, allow_null=True, min_value=60, max_value=366 * 86400)
    work_days = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), required=False, min_length=1, max_length=7
    )
    work_starts = serializers.TimeField(required=False)
    work_ends = serializers.TimeField(required=False)
    holidays = serializers.CharField(required=False, allow_blank=True, max_length=12)
    counts_twice = serializers.BooleanField(required=False)
    undo_seconds = serializers.IntegerField(required=False, min_value=0, max_value=60)
    step_up = serializers.DictField(child=MinorField(), required=False)
    votes_per_hour = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=100_000)
    second_look_percent = serializers.DecimalField(
        required=False, max_digits=5, decimal_places=2, min_value=0, max_value=100
    )
    second_look_team = serializers.SlugField(required=False, allow_null=True)

    def validate_work_days(self, days: list[int]) -> list[int]:
        return sorted(set(days))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Name at least one rule that is to change.")
        return attrs


class Delegations(APIView):
    """Those one gave and those one holds."""

    @extend_schema(operation_id="delegation_list", parameters=PAGING, responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        query = request.query_params
        found = delegations_visible_to(actor_of(request))
        page = page_of(found, cursor=query.get("cursor"), size=page_size(query.get("limit")))
        return Response({"items": [delegation_resource(each) for each in page.items], "next": page.next})

    @extend_schema(operation_id="delegation_make", request=DelegationSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        body = DelegationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        delegation = services.delegate(actor=actor_of(request), **body.validated_data)
        return Response(delegation_resource(delegation), status=201)


class DelegationEnd(APIView):
    @extend_schema(operation_id="delegation_end", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, delegation_id: UUID) -> Response:
        return Response(
            delegation_resource(services.end_delegation(actor=actor_of(request), delegation_id=delegation_id))
        )


class Limits(APIView):
    """A process's table of who may approve how much."""

    @extend_schema(operation_id="authority_limit_list", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, process: str) -> Response:
        return Response({"items": [limit_resource(limit) for limit in limits_of(actor_of(request), process)]})

    @extend_schema(operation_id="authority_limit_set", request=LimitSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, process: str) -> Response:
        actor = actor_of(request)
        limits_of(actor, process)
        body = LimitSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        limit = services.set_limit(actor=actor, process=process, **body.validated_data)
        return Response(limit_resource(limit), status=201)


class LimitEnd(APIView):
    @extend_schema(operation_id="authority_limit_end", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, limit_id: UUID) -> Response:
        return Response(limit_resource(services.end_limit(actor=actor_of(request), limit_id=limit_id)))


class Rules(APIView):
    """How the process wants to be asked."""

    @extend_schema(operation_id="approval_rules_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, process: str) -> Response:
        return Response(rules_resource(process_rules(actor_of(request), process)))

    @extend_schema(operation_id="approval_rules_change", request=RulesSerializer, responses={200: OpenApiTypes.OBJECT})
    def patch(self, request: Request, process: str) -> Response:
        actor = actor_of(request)
        process_rules(actor, process)
        body = RulesSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        changes = {**body.validated_data}
        if "second_look_team" in changes:
            changes["second_look_team"] = _team(changes["second_look_team"])
        return Response(rules_resource(services.change_rules(actor=actor, process=process, **changes)))


def _team(slug: str | None) -> Team | None:
    team = Team.objects.filter(slug=slug).first() if slug else None
    if slug and team is None:
        errors = [{"pointer": "/second_look_team", "sentence": "Not known here."}]
        raise Invalid("team.unknown", f"There is no team {slug!r}.", errors=errors)
    return team


def delegation_resource(delegation: Delegation) -> dict[str, Any]:
    return {
        "id": str(delegation.id),
        "giver": delegation.giver.username,
        "receiver": delegation.receiver.username,
        "process": delegation.process.slug if delegation.process else None,
        "approval_id": str(delegation.approval_id) if delegation.approval_id else None,
        "caps": delegation.caps,
        "reason": delegation.reason,
        "starts_at": rfc3339(delegation.starts_at),
        "ends_at": rfc3339(delegation.ends_at),
        "ended_at": rfc3339(delegation.ended_at),
    }


def limit_resource(limit: AuthorityLimit) -> dict[str, Any]:
    return {
        "id": str(limit.id),
        "process": limit.process.slug,
        "team": limit.team.slug if limit.team else None,
        "person": limit.person.username if limit.person else None,
        "currency": limit.currency,
        "limit_minor": limit.limit_minor,
        "reason": limit.reason,
        "set_at": rfc3339(limit.set_at),
        "ended_at": rfc3339(limit.ended_at),
    }


def rules_resource(rules: ConsentRules) -> dict[str, Any]:
    return {
        "process": rules.process.slug,
        "sla_seconds": rules.sla_seconds,
        "work_days": rules.work_days,
        "work_starts": rules.work_starts.isoformat("minutes"),
        "work_ends": rules.work_ends.isoformat("minutes"),
        "holidays": rules.holidays,
        "counts_twice": rules.counts_twice,
        "undo_seconds": rules.undo_seconds,
        "step_up": rules.step_up,
        "votes_per_hour": rules.votes_per_hour,
        "second_look_percent": str(rules.second_look_percent),
        "second_look_team": rules.second_look_team.slug if rules.second_look_team else None,
        "changed_at": rfc3339(rules.changed_at),
    }
