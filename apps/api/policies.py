"""The API of policies: sets and their versions, differences, drafts, reviews."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.api.halts import ZonedDateTimeField
from apps.core.clock import rfc3339
from apps.core.errors import Invalid
from apps.core.paging import page_of, page_size
from apps.policies import services
from apps.policies.cases import boundary_cases
from apps.policies.checking import check
from apps.policies.differences import Content, difference
from apps.policies.history import names_of, rows_of, setting_of, side_of, spoken
from apps.policies.models import EmergencyRelease, InFlight, PolicyDraft, PolicyRelease, ReleaseRequest
from apps.policies.queries import (
    content_of,
    draft_for,
    ground_of,
    release_for,
    request_for,
    set_for,
    sets_visible_to,
    version_of,
)

MOST_VERSION = 2**31 - 1


class StartSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=MOST_VERSION)
    message = serializers.CharField(max_length=300, allow_blank=True)


class SaveSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=1, max_value=MOST_VERSION)
    text = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    parameters = serializers.DictField(required=False)
    cases = serializers.ListField(required=False)
    message = serializers.CharField(max_length=300, required=False, allow_blank=True)


class SeenSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=1, max_value=MOST_VERSION)


class RebaseSerializer(SeenSerializer):
    prefer = serializers.ChoiceField(["mine", "theirs"], required=False, allow_blank=True)


class AskSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField(max_length=20)
    message = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
    in_flight = serializers.CharField(max_length=10, required=False, default=InFlight.RECHECK)
    release_at = ZonedDateTimeField(required=False, allow_null=True, default=None)
    team = serializers.CharField(max_length=50, required=False, allow_blank=True, default="")


class RecoverSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField(max_length=20)
    reason = serializers.CharField(max_length=300)


class SendSerializer(AskSerializer, SeenSerializer):
    pass


class PolicySets(APIView):
    """The sets one may see, with what of each decides where."""

    @extend_schema(
        operation_id="policy_set_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request) -> Response:
        person_of(request)
        given = request.query_params
        sets = sets_visible_to(actor_of(request))
        page = page_of(sets, cursor=given.get("cursor"), size=page_size(given.get("limit")))
        items = [
            {
                "id": str(row.policy_set.id),
                "set": row.policy_set.slug,
                "process": row.policy_set.process.slug if row.policy_set.process else None,
                "live": {active.environment: active.release.version for active in row.live},
                "drafts": row.draft_count,
                "in_review": row.review_count,
                "scheduled": {each.environment: rfc3339(each.release_at) for each in row.scheduled},
            }
            for row in rows_of(page.items)
        ]
        return Response({"items": items, "next": page.next})


class PolicyVersions(APIView):
    """The versions of a set, newest first."""

    @extend_schema(
        operation_id="policy_version_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request, policy_set: str) -> Response:
        person_of(request)
        given = request.query_params
        releases = set_for(actor_of(request), policy_set).releases.select_related("policy_set", "source")
        size = page_size(given.get("limit"))
        page = page_of(releases, cursor=given.get("cursor"), size=size, order=("-version",))
        names = names_of({release.released_by for release in page.items})
        items = [_release(release, names[release.released_by]) for release in page.items]
        return Response({"items": items, "next": page.next})


class PolicyVersion(APIView):
    """One version, whole, with the sentence of each rule."""

    @extend_schema(operation_id="policy_version_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, policy_set: str, version: int) -> Response:
        person_of(request)
        found = set_for(actor_of(request), policy_set)
        release = release_for(found, version)
        content = content_of(release)
        return Response(
            {
                **_release(release, names_of([release.released_by])[release.released_by]),
                "text": release.text,
                "parameters": release.parameters,
                "cases": release.cases,
                "sentences": _sentences(spoken(content, setting_of(found))),
            }
        )


class PolicyDiff(APIView):
    """Any two versions compared in three levels; 0 is nothing, `draft:ID` a draft."""

    @extend_schema(
        operation_id="policy_diff",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("from", str), OpenApiParameter("to", str)],
    )
    def get(self, request: Request, policy_set: str) -> Response:
        person_of(request)
        actor = actor_of(request)
        found = set_for(actor, policy_set)
        names = [request.query_params.get(name, "") for name in ("from", "to")]
        if not all(names):
            raise Invalid("policy.bad_diff", "Name both versions: from and to.")
        before, after = (side_of(actor, found, name) for name in names)
        change = difference(
            Content(before.text, before.parameters), Content(after.text, after.parameters), setting_of(found)
        )
        return Response({"set": found.slug, "from": names[0], "to": names[1], **change.as_json()})


class PolicyDrafts(APIView):
    """Begin a draft from a version, or from what decides in production."""

    @extend_schema(operation_id="policy_draft_start", request=StartSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, policy_set: str) -> Response:
        person_of(request)
        body = StartSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        draft = services.start_draft(actor=actor_of(request), policy_set=policy_set, **body.validated_data)
        return Response(draft_resource(draft), status=201)


class PolicyDraftDetail(APIView):
    """One draft with everything that is wrong with it; save it under the version one saw."""

    @extend_schema(operation_id="policy_draft_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, draft_id: UUID) -> Response:
        person_of(request)
        return Response(draft_resource(draft_for(actor_of(request), draft_id)))

    @extend_schema(operation_id="policy_draft_save", request=SaveSerializer, responses={200: OpenApiTypes.OBJECT})
    def put(self, request: Request, draft_id: UUID) -> Response:
        person_of(request)
        body = SaveSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        actor = actor_of(request)
        draft = services.save_draft(actor=actor, draft_id=draft_id, **body.validated_data)
        return Response(draft_resource(draft_for(actor, draft.id)))


class PolicyDraftBoundaries(APIView):
    """Test cases at, below and above each threshold of a draft, with what it answers now. Saves nothing."""

    @extend_schema(operation_id="policy_draft_boundaries", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, draft_id: UUID) -> Response:
        person_of(request)
        draft = draft_for(actor_of(request), draft_id)
        content = content_of(version_of(draft))
        cases = boundary_cases(content.text, content.parameters, ground_of(draft.policy_set).bench)
        return Response({"cases": cases})


class PolicyDraftRebase(APIView):
    """Bring a draft up to what decides now."""

    @extend_schema(operation_id="policy_draft_rebase", request=RebaseSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, draft_id: UUID) -> Response:
        person_of(request)
        body = RebaseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        actor = actor_of(request)
        draft = services.rebase_draft(actor=actor, draft_id=draft_id, **body.validated_data)
        return Response(draft_resource(draft_for(actor, draft.id)))


class PolicyDraftDiscard(APIView):
    """Lay a draft aside."""

    @extend_schema(operation_id="policy_draft_discard", request=SeenSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, draft_id: UUID) -> Response:
        person_of(request)
        body = SeenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        draft = services.discard_draft(actor=actor_of(request), draft_id=draft_id, **body.validated_data)
        return Response(draft_resource(draft))


class PolicyDraftSend(APIView):
    """Send a draft for review: 202, for a second person decides."""

    @extend_schema(operation_id="policy_draft_send", request=SendSerializer, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, draft_id: UUID) -> Response:
        person_of(request)
        body = SendSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = services.request_release(actor=actor_of(request), draft_id=draft_id, **body.validated_data)
        return Response(review_resource(asked), status=202)


class PolicyPromote(APIView):
    """Ask that a version decides in a further environment."""

    @extend_schema(operation_id="policy_promote", request=AskSerializer, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, policy_set: str, version: int) -> Response:
        return _ask(request, policy_set, version, services.request_promotion)


class PolicyRollBack(APIView):
    """Ask that an earlier version is released again."""

    @extend_schema(operation_id="policy_roll_back", request=AskSerializer, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, policy_set: str, version: int) -> Response:
        return _ask(request, policy_set, version, services.request_rollback)


class PolicyRecover(APIView):
    """Go back at once to what can be read, where what decides cannot."""

    @extend_schema(operation_id="policy_recover", request=RecoverSerializer, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, policy_set: str) -> Response:
        person_of(request)
        given = RecoverSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        release = services.recover_release(actor=actor_of(request), policy_set=policy_set, **given.validated_data)
        return Response(_release(release, names_of([release.released_by])[release.released_by]))


class PolicyReview(APIView):
    """One review: what was asked for, and what became of it."""

    @extend_schema(operation_id="policy_review_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, review_id: UUID) -> Response:
        person_of(request)
        return Response(review_resource(request_for(actor_of(request), review_id)))


class PolicyReviewWithdraw(APIView):
    """Take a review back."""

    @extend_schema(operation_id="policy_review_withdraw", request=None, responses={200: OpenApiTypes.OBJECT})
    def post(self, request: Request, review_id: UUID) -> Response:
        person_of(request)
        return Response(review_resource(services.withdraw_request(actor=actor_of(request), request_id=review_id)))


def _ask(request: Request, policy_set: str, version: int, act: Any) -> Response:
    person_of(request)
    body = AskSerializer(data=request.data)
    body.is_valid(raise_exception=True)
    asked = act(actor=actor_of(request), policy_set=policy_set, version=version, **body.validated_data)
    return Response(review_resource(asked), status=202)


def draft_resource(draft: PolicyDraft) -> dict[str, Any]:
    """The draft as it is now, checked."""
    stored = version_of(draft)
    content, ground = content_of(stored), ground_of(draft.policy_set)
    return {
        "id": str(draft.id),
        "set": draft.policy_set.slug,
        "state": draft.state,
        "version": draft.version,
        "base": draft.base.version if draft.base else None,
        "author": draft.author.username,
        "message": draft.message,
        "text": stored.text,
        "parameters": stored.parameters,
        "cases": stored.cases,
        "changed_at": rfc3339(draft.changed_at),
        "check": check(content, ground).as_json(),
        "sentences": _sentences(spoken(content, ground.setting)),
    }


def review_resource(asked: ReleaseRequest) -> dict[str, Any]:
    return {
        "id": str(asked.id),
        "set": asked.policy_set.slug,
        "kind": asked.kind,
        "environment": asked.environment,
        "state": asked.state,
        "refusal": asked.refusal,
        "message": asked.message,
        "in_flight": asked.in_flight,
        "requested_by": asked.requester.username,
        "requested_at": rfc3339(asked.requested_at),
        "release_at": rfc3339(asked.release_at),
        "draft_id": str(asked.draft_version.draft_id) if asked.draft_version else None,
        "source": asked.source.version if asked.source else None,
        "replaces": asked.replaces.version if asked.replaces else None,
        "version": asked.release.version if asked.release else None,
        "approval": {"id": str(asked.approval_id), "digest": asked.approval.digest} if asked.approval else None,
        "ended_at": rfc3339(asked.ended_at),
        "emergency": _emergency(getattr(asked, "emergency", None)),
    }


def _emergency(made: EmergencyRelease | None) -> dict[str, Any] | None:
    if made is None:
        return None
    return {"state": made.state, "due_at": rfc3339(made.due_at), "answered_at": rfc3339(made.answered_at)}


def _release(release: PolicyRelease, author: str) -> dict[str, Any]:
    return {
        "id": str(release.id),
        "set": release.policy_set.slug,
        "version": release.version,
        "message": release.message,
        "author": author,
        "released_at": rfc3339(release.released_at),
        "content_hash": release.content_hash,
        "schema_hash": release.schema_hash,
        "source": release.source.version if release.source else None,
    }


def _sentences(said: list[tuple[str, str, int]]) -> list[dict[str, Any]]:
    return [{"id": name, "sentence": sentence, "line": line} for name, sentence, line in said]
