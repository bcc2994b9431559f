"""The API of a run's workflow state."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.artifacts import services
from apps.artifacts.models import StateVersion
from apps.artifacts.queries import SeenState, run_of, seen_state, version_for, versions_of
from apps.artifacts.services.reading import revealable_run
from apps.core.canonical import canonical_bytes
from apps.core.clock import rfc3339
from apps.core.errors import BadRequest
from apps.core.paging import page_of, page_size
from apps.gateway.api_reveal import RevealSerializer
from apps.registry.masking import PERSONAL
from apps.registry.models import Agent
from apps.registry.requests import agent_of
from apps.registry.tokens import SignedInAgent
from apps.runs.models import Run

DATA_CLASS = OpenApiParameter("data_class", str, description="Who sees it; `personal` unless told otherwise")
CONDITIONS = [
    OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The ETag of the state that was read"),
    OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="`*` for the first state of a run"),
]


class RunState(APIView):
    """The workflow state of a run: one JSON document."""

    @extend_schema(operation_id="run_state_read", responses={200: OpenApiTypes.ANY, 304: None})
    def get(self, request: Request, run_id: UUID) -> HttpResponse:
        run = visible_run(request, run_id)
        version = version_for(run)
        if version.etag in request.headers.get("If-None-Match", ""):
            return HttpResponse(status=304, headers={"ETag": version.etag})
        return _document(seen_state(actor_of(request), run, version))

    @extend_schema(
        operation_id="run_state_save",
        request=OpenApiTypes.ANY,
        parameters=[DATA_CLASS, *CONDITIONS],
        responses={200: OpenApiTypes.OBJECT, 201: OpenApiTypes.OBJECT},
    )
    def put(self, request: Request, run_id: UUID) -> Response:
        agent = agent_of(request).agent
        visible_run(request, run_id)
        if request.stream is None:
            raise BadRequest("state.empty", "Send the state as JSON, with its length.")
        version = services.save_state(
            agent=agent,
            actor=actor_of(request),
            run_id=run_id,
            document=request.data,
            data_class=request.query_params.get("data_class", PERSONAL),
            if_match=request.headers.get("If-Match", "").strip(),
            if_none_match=request.headers.get("If-None-Match", "").strip(),
        )
        status = 201 if version.number == 1 else 200
        return Response(version_resource(version), status=status, headers={"ETag": version.etag})


class RunStateVersions(APIView):
    """Every version there was, newest first: who saved it and when."""

    @extend_schema(
        operation_id="run_state_version_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request, run_id: UUID) -> Response:
        versions = versions_of(visible_run(request, run_id))
        query = request.query_params
        page = page_of(versions, cursor=query.get("cursor"), size=page_size(query.get("limit")), order=("-number",))
        return Response({"items": [version_resource(one) for one in page.items], "next": page.next})


class RunStateVersion(APIView):
    """The document as it was."""

    @extend_schema(operation_id="run_state_version_read", responses={200: OpenApiTypes.ANY})
    def get(self, request: Request, run_id: UUID, number: int) -> HttpResponse:
        run = visible_run(request, run_id)
        return _document(seen_state(actor_of(request), run, version_for(run, number)))


class RunStateReveal(APIView):
    """A state that is masked for this person, for this answer only."""

    @extend_schema(
        operation_id="run_state_reveal",
        request=RevealSerializer,
        parameters=[OpenApiParameter("version", int)],
        responses={200: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        person_of(request)
        actor = actor_of(request)
        revealable_run(actor, run_id)
        body = RevealSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        number = version_number(request.query_params.get("version", ""))
        version, document = services.reveal_state(actor=actor, run_id=run_id, number=number, **body.validated_data)
        return Response(
            {**version_resource(version), "document": document}, headers={"Cache-Control": "private, no-store"}
        )


def visible_run(request: Request, run_id: UUID) -> Run:
    """The run as this caller may see it."""
    return run_of(actor_of(request), run_id, agent_or_none(request))


def agent_or_none(request: Request) -> Agent | None:
    return request.user.agent if isinstance(request.user, SignedInAgent) else None


def version_number(text: str) -> int | None:
    """Which version an address asks for; None for the newest. What is none is a version that is not there."""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def version_resource(version: StateVersion) -> dict[str, Any]:
    """A version as programs see it, without its content."""
    return {
        "run_id": str(version.run_id),
        "version": version.number,
        "etag": version.etag,
        "digest": version.document.digest,
        "bytes": version.size_bytes,
        "data_class": version.data_class,
        "saved_by": version.saved_by_name,
        "saved_at": rfc3339(version.saved_at),
        "erased_at": rfc3339(version.document.erased_at),
    }


def _document(seen: SeenState) -> HttpResponse:
    """In canonical form: the same state is the same bytes."""
    response = HttpResponse(canonical_bytes(seen.document), content_type="application/json")
    response["ETag"] = seen.version.etag
    response["Cache-Control"] = "private, no-store"
    return response
