"""The API of files that agents keep with a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from uuid import UUID

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.artifacts import services
from apps.artifacts.api import DATA_CLASS, visible_run
from apps.artifacts.incoming import Readable, check_digest, received
from apps.artifacts.models import Artifact
from apps.artifacts.parsing import FileParser
from apps.artifacts.queries import artifact_for, artifacts_of
from apps.artifacts.services.reading import revealable_run
from apps.artifacts.services.storing import check_artifact
from apps.core.clock import rfc3339
from apps.core.errors import BadRequest, Invalid
from apps.core.paging import page_of, page_size
from apps.gateway.api_reveal import RevealSerializer
from apps.registry.masking import PERSONAL
from apps.registry.requests import agent_of

NAME = OpenApiParameter("name", str, description="What the file is called; required where the body is the file")
CONTENT = {
    (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The file, as an attachment")
}


class RunArtifacts(APIView):
    """The files of a run; keep one with it."""

    parser_classes = [MultiPartParser, FileParser]

    @extend_schema(
        operation_id="artifact_list",
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request, run_id: UUID) -> Response:
        artifacts = artifacts_of(visible_run(request, run_id))
        query = request.query_params
        page = page_of(artifacts, cursor=query.get("cursor"), size=page_size(query.get("limit")))
        return Response({"items": [artifact_resource(one) for one in page.items], "next": page.next})

    @extend_schema(
        operation_id="artifact_store",
        request={"application/octet-stream": OpenApiTypes.BINARY},
        parameters=[
            NAME,
            DATA_CLASS,
            OpenApiParameter("Content-Digest", str, OpenApiParameter.HEADER, description="sha-256=:…:, checked"),
        ],
        responses={200: OpenApiTypes.OBJECT, 201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        agent = agent_of(request).agent
        visible_run(request, run_id)
        with _body(request) as (stream, told), received(stream) as incoming:
            check_digest(
                incoming,
                content_digest=request.headers.get("Content-Digest", ""),
                digest=request.headers.get("Digest", ""),
            )
            artifact, is_new = services.store_artifact(
                agent=agent, actor=actor_of(request), run_id=run_id, incoming=incoming, **told
            )
        return Response(artifact_resource(artifact), status=201 if is_new else 200)


class RunArtifact(APIView):
    """What is known of one file."""

    @extend_schema(operation_id="artifact_read", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, run_id: UUID, artifact_id: UUID) -> Response:
        return Response(artifact_resource(artifact_for(visible_run(request, run_id), artifact_id)))


class RunArtifactContent(APIView):
    """The file itself."""

    @extend_schema(operation_id="artifact_download", responses=CONTENT)
    def get(self, request: Request, run_id: UUID, artifact_id: UUID) -> FileResponse:
        run = visible_run(request, run_id)
        return attachment(*services.open_artifact(actor=actor_of(request), run=run, artifact_id=artifact_id))


class RunArtifactReveal(APIView):
    """A file that is masked for this person, for this answer only."""

    @extend_schema(operation_id="artifact_reveal", request=RevealSerializer, responses=CONTENT)
    def post(self, request: Request, run_id: UUID, artifact_id: UUID) -> FileResponse:
        person_of(request)
        actor = actor_of(request)
        artifact_for(revealable_run(actor, run_id), artifact_id)
        body = RevealSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = services.reveal_artifact(
            actor=actor, run_id=run_id, artifact_id=artifact_id, reason=body.validated_data["reason"]
        )
        return attachment(*found)


@contextmanager
def _body(request: Request) -> Iterator[tuple[Readable, dict[str, str]]]:
    """What to read, and what is told of it: a form's file and fields, or the body itself and the address."""
    query = request.query_params
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if media_type == "multipart/form-data":
        [file, *more] = _files(request) or [None]
        if file is None or more:
            errors = [{"pointer": "/file", "sentence": "One file, in the field “file”."}]
            raise Invalid("artifact.one_file", "Send one file.", errors=errors)
        fields: Any = request.data
        told = {
            "name": str(fields.get("name") or file.name),
            "media_type": str(fields.get("media_type") or file.content_type or ""),
            "data_class": str(fields.get("data_class") or PERSONAL),
        }
        check_artifact(**told)
        yield file, told
        return
    told = {
        "name": query.get("name", ""),
        "media_type": media_type,
        "data_class": query.get("data_class", PERSONAL),
    }
    # nothing is read of what would be refused anyway
    check_artifact(**told)
    yield _stream(request), told


def _files(request: Request) -> list[Any]:
    try:
        return list(request.FILES.getlist("file"))
    except ParseError:
        raise BadRequest("request.bad", "This is not a form as its head says.") from None


def _stream(request: Request) -> Readable:
    """A body in chunks tells no length, which Django takes for none; the server has put the chunks together."""
    plain = request._request
    is_chunked = "chunked" in plain.headers.get("Transfer-Encoding", "").lower()
    stream: Readable = plain.META["wsgi.input"] if is_chunked else plain
    return stream


def attachment(artifact: Artifact, content: IO[bytes]) -> FileResponse:
    """To be saved and never shown: it is what an agent sent."""
    response = FileResponse(
        content, as_attachment=True, filename=artifact.name, content_type="application/octet-stream"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    response["Content-Length"] = str(artifact.size_bytes)
    return response


def artifact_resource(artifact: Artifact) -> dict[str, Any]:
    """A file as programs see it, without its content."""
    return {
        "id": str(artifact.id),
        "run_id": str(artifact.run_id),
        "name": artifact.name,
        "media_type": artifact.media_type,
        "data_class": artifact.data_class,
        "sha256": artifact.sha256,
        "bytes": artifact.size_bytes,
        "stored_by": artifact.stored_by_name,
        "stored_at": rfc3339(artifact.stored_at),
        "erased_at": rfc3339(artifact.erased_at),
    }
