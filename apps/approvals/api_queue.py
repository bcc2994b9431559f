"""The API of the queue at work: snooze, saved views, selections and the votes on them."""

import datetime as dt
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, confirmed_at, person_of
from apps.approvals import services
from apps.approvals.bulk import BulkResult, outcomes_of
from apps.approvals.filters import QueueFilter
from apps.approvals.models import SavedView, Selection, Verdict
from apps.approvals.queries import approval_for
from apps.approvals.selection import picked_of, selection_for, views_of
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.paging import page_of, page_size

PAGING = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]
# More is not picked one by one; `ids: null` takes all that match.
MOST_IDS = 10_000


class MomentField(serializers.DateTimeField):
    """RFC 3339 with its offset: guessed, it would come back hours before or after the person meant it to."""

    def enforce_timezone(self, value: dt.datetime) -> dt.datetime:
        if value.tzinfo is None:
            raise serializers.ValidationError("A time needs its offset from UTC, such as Z or +02:00.")
        return super().enforce_timezone(value)


class SnoozeSerializer(serializers.Serializer[Any]):
    until = MomentField()


class SavedViewSerializer(serializers.Serializer[Any]):
    """`query` is a filter as the inbox has it in its address; `team` the slug of one's team to share it with."""

    name = serializers.CharField(max_length=60)
    query = serializers.CharField(max_length=1000, allow_blank=True)
    team = serializers.SlugField(required=False, allow_null=True)
    is_default = serializers.BooleanField(default=False)


class SelectionSerializer(serializers.Serializer[Any]):
    """`ids`: these rows, null for all that match. `versions`, in step with them, are those that were seen. `verdict`:
    what the selection is for.
    """

    query = serializers.CharField(max_length=1000, allow_blank=True, default="")
    ids = serializers.ListField(child=serializers.UUIDField(), allow_null=True, max_length=MOST_IDS)
    versions = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**31 - 1),
        required=False,
        allow_null=True,
        max_length=MOST_IDS,
    )
    verdict = serializers.ChoiceField(Verdict.choices, default=Verdict.APPROVE)


class SelectionChangeSerializer(serializers.Serializer[Any]):
    """`versions`, in step with `add`, are those that were seen."""

    add = serializers.ListField(child=serializers.UUIDField(), default=list, max_length=MOST_IDS)
    versions = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**31 - 1),
        required=False,
        allow_null=True,
        max_length=MOST_IDS,
    )
    remove = serializers.ListField(child=serializers.UUIDField(), default=list, max_length=MOST_IDS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["add"] and not attrs["remove"]:
            raise serializers.ValidationError("Name rows to add, or rows to remove.")
        return attrs


class BulkVoteSerializer(serializers.Serializer[Any]):
    """`undo_seconds`: how long the votes that can be taken back are held back."""

    verdict = serializers.CharField(max_length=20)
    reason_code = serializers.CharField(max_length=40, required=False, allow_blank=True, allow_null=True)
    comment = serializers.CharField(max_length=4000, required=False, allow_blank=True, allow_null=True)
    undo_seconds = serializers.IntegerField(required=False, min_value=0, max_value=60, default=0)


class SnoozeView(APIView):
    """Put an approval out of one's own sight for a while, or bring it back."""

    @extend_schema(operation_id="approval_snooze", request=SnoozeSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, approval_id: UUID) -> Response:
        person_of(request)
        approval_for(actor_of(request), approval_id)
        made = services.snooze(
            actor=actor_of(request), approval_id=approval_id, **_valid(SnoozeSerializer(data=request.data))
        )
        return Response({"approval_id": str(approval_id), "until": rfc3339(made.until)})

    @extend_schema(operation_id="approval_unsnooze", request=None, responses={204: None})
    def delete(self, request: Request, approval_id: UUID) -> Response:
        person_of(request)
        services.unsnooze(actor=actor_of(request), approval_id=approval_id)
        return Response(status=204)


class SavedViews(APIView):
    """The filters one keeps under a name, and those of one's teams."""

    @extend_schema(operation_id="approval_view_list", parameters=PAGING, responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        person_of(request)
        query = request.query_params
        page = page_of(views_of(actor_of(request)), cursor=query.get("cursor"), size=page_size(query.get("limit")))
        return Response({"items": [_view(view) for view in page.items], "next": page.next})

    @extend_schema(operation_id="approval_view_save", request=SavedViewSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        """Save one, in the place of one's own of that name."""
        person_of(request)
        view = services.save_view(actor=actor_of(request), **_valid(SavedViewSerializer(data=request.data)))
        return Response(_view(view), status=201)


class SavedViewDetail(APIView):
    @extend_schema(operation_id="approval_view_delete", request=None, responses={204: None})
    def delete(self, request: Request, view_id: UUID) -> Response:
        """Forget one of one's own."""
        person_of(request)
        services.delete_view(actor=actor_of(request), view_id=view_id)
        return Response(status=204)


class Selections(APIView):
    @extend_schema(
        operation_id="approval_selection_make", request=SelectionSerializer, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:
        """Freeze what is picked now: ids, versions, sums, and what is left out and why. It holds for an hour."""
        person_of(request)
        data = _valid(SelectionSerializer(data=request.data))
        query = QueueFilter.parse(data.pop("query"))
        return Response(_selection(services.select(actor=actor_of(request), query=query, **data)), status=201)


class SelectionDetail(APIView):
    """One's own selection."""

    @extend_schema(operation_id="approval_selection_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, selection_id: UUID) -> Response:
        person_of(request)
        return Response(_selection(selection_for(actor_of(request), selection_id)))

    @extend_schema(
        operation_id="approval_selection_change",
        request=SelectionChangeSerializer,
        responses={200: OpenApiTypes.OBJECT},
    )
    def patch(self, request: Request, selection_id: UUID) -> Response:
        """Pick some rows more, and others no more."""
        person_of(request)
        selection_for(actor_of(request), selection_id)
        data = _valid(SelectionChangeSerializer(data=request.data))
        changed = services.change_selection(actor=actor_of(request), selection_id=selection_id, **data)
        return Response(_selection(changed))


class SelectionVotes(APIView):
    @extend_schema(
        operation_id="approval_selection_vote",
        request=BulkVoteSerializer,
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, selection_id: UUID) -> Response:
        """Vote on all of it; each row answers for itself. 202 while there is more to do than one answer waits for."""
        person_of(request)
        actor = actor_of(request)
        selection_for(actor, selection_id)
        data = _valid(BulkVoteSerializer(data=request.data))
        bulk = services.bulk_vote(
            actor=actor,
            selection_id=selection_id,
            verdict=data["verdict"],
            reason_code=data.get("reason_code") or "",
            comment=data.get("comment") or "",
            undo_seconds=data["undo_seconds"],
            confirmed_at=confirmed_at(request),
        )
        return _answer(actor, bulk.id)


class BulkVotes(APIView):
    @extend_schema(
        operation_id="bulk_vote_read",
        parameters=PAGING,
        responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, bulk_id: UUID) -> Response:
        """How far it has come: rows by code, and a page of those that were not done."""
        person_of(request)
        query = request.query_params
        size = page_size(query.get("limit"))
        return _answer(actor_of(request), bulk_id, cursor=query.get("cursor"), size=size)


class BulkVoteCancel(APIView):
    @extend_schema(operation_id="bulk_vote_cancel", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, bulk_id: UUID) -> Response:
        """Vote on no more of it. What has been voted on stays."""
        person_of(request)
        services.cancel_bulk_vote(actor=actor_of(request), bulk_id=bulk_id)
        return _answer(actor_of(request), bulk_id)


class BulkVoteWithdraw(APIView):
    @extend_schema(operation_id="bulk_vote_withdraw", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, bulk_id: UUID) -> Response:
        """Take back every vote of it that is still held back, and vote on no more."""
        person_of(request)
        services.withdraw_bulk_vote(actor=actor_of(request), bulk_id=bulk_id)
        return _answer(actor_of(request), bulk_id)


def _valid(body: serializers.Serializer[Any]) -> dict[str, Any]:
    body.is_valid(raise_exception=True)
    data: dict[str, Any] = dict(body.validated_data)
    return data


def _view(view: SavedView) -> dict[str, Any]:
    return {
        "id": str(view.id),
        "name": view.name,
        "query": view.query,
        "owner": view.owner.username,
        "team": view.team.slug if view.team else None,
        "is_default": view.is_default,
        "saved_at": rfc3339(view.made_at),
    }


def _selection(selection: Selection) -> dict[str, Any]:
    picked = picked_of(selection)
    return {
        "id": str(selection.id),
        "query": selection.query,
        "count": picked.count,
        "sums": [{"minor": money.minor, "currency": money.currency} for money in picked.sums],
        "oldest": rfc3339(picked.oldest),
        "left_out": [{"why": row.why, "count": row.count, "words": row.words} for row in picked.left_out],
        "step_up_count": picked.step_up_count,
        "made_at": rfc3339(selection.made_at),
        "expires_at": rfc3339(selection.expires_at),
    }


def _answer(actor: Actor, bulk_id: UUID, **page: Any) -> Response:
    result = outcomes_of(actor, bulk_id, **page)
    return Response(_bulk_vote(result), status=202 if result.is_running else 200)


def _bulk_vote(result: BulkResult) -> dict[str, Any]:
    bulk = result.bulk
    return {
        "id": str(bulk.id),
        "selection_id": str(bulk.selection_id),
        "state": bulk.state,
        "verdict": bulk.verdict,
        "reason_code": bulk.reason_code,
        "count": result.count,
        "handled_count": result.handled_count,
        "done_count": result.done_count,
        "counts": result.counts,
        "not_done": [
            {
                "approval_id": str(row.approval_id),
                "what": row.what,
                "code": row.code,
                "sentence": row.sentence,
            }
            for row in result.not_done
        ],
        "next": result.next,
        "started_at": rfc3339(bulk.started_at),
        "finished_at": rfc3339(bulk.finished_at),
    }
