"""`POST /v1/traces`: OTLP/HTTP for agents. A plain view: a request carries hundreds of spans, and everything that is
done to it is done here.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from threading import BoundedSemaphore

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core.errors import BadRequest, Exhausted, MeshError, Unavailable
from apps.core.rest import NO_DATABASE
from apps.registry.models import Agent
from apps.registry.requests import agent_of, agents_only
from apps.telemetry import answers
from apps.telemetry.otlp import JSON, PROTOBUF, UnsupportedMedia, inflated, protobuf_of, too_large
from apps.telemetry.storing import Stored, store_spans

log = structlog.get_logger(__name__)

MOST_BYTES = settings.TELEMETRY_MOST_BYTES
# A request that finds no slot waits this long for one: longer, and it would keep people's pages waiting.
SLOT_SECONDS = 0.25
FULL_RETRY_AFTER_SECONDS = 1
BLOCK_BYTES = 64 * 1024
_slots = BoundedSemaphore(settings.TELEMETRY_SLOTS)


@csrf_exempt
@require_POST
def traces(request: HttpRequest) -> HttpResponse:
    """Spans in protobuf or JSON. 200 says that they are committed; every other answer, that nothing of them is."""
    try:
        return _answer(request)
    finally:
        _let_go(request)


def _answer(request: HttpRequest) -> HttpResponse:
    content_type = request.headers.get("Content-Type", "").split(";")[0].strip().lower()
    try:
        agent = _agent(request)
        if content_type not in (PROTOBUF, JSON):
            raise UnsupportedMedia("telemetry.content_type", f"Send spans as {PROTOBUF} or {JSON}.")
        with _slot():
            stored = _take(request, agent, content_type)
    except Exhausted as error:
        _read_to_the_end(request)
        return answers.refused(content_type, error)
    except MeshError as error:
        return answers.refused(content_type, error)
    except NO_DATABASE:
        log.exception("telemetry.no_database")
        sentence = "The database does not answer. Nothing was stored; send the same again."
        return answers.refused(
            content_type, Unavailable("telemetry.unavailable", sentence, retry_after_seconds=FULL_RETRY_AFTER_SECONDS)
        )
    return answers.accepted(content_type, rejected_count=stored.rejected_count, message=stored.message)


def _agent(request: HttpRequest) -> Agent:
    """The same who may ask for tool calls, by the same proof."""
    try:
        return agent_of(Request(request, authenticators=APIView().get_authenticators())).agent
    except APIException:
        # a person's session without the form's token: no agent, whatever else
        raise agents_only() from None


def _take(request: HttpRequest, agent: Agent, content_type: str) -> Stored:
    body = inflated(_body(request), request.headers.get("Content-Encoding", "").strip().lower(), most=MOST_BYTES)
    return store_spans(agent=agent, body=protobuf_of(body, content_type))


def _body(request: HttpRequest) -> bytes:
    """The body, at most MOST_BYTES of it read. Some exporters send it in chunks and tell no length, which Django takes
    for none; the server has put the chunks together.
    """
    length = request.headers.get("Content-Length", "")
    is_chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if not is_chunked and length.isdigit() and int(length) > MOST_BYTES:
        raise too_large(MOST_BYTES)
    try:
        stream = request.META["wsgi.input"] if is_chunked else request
        body: bytes = stream.read(MOST_BYTES + 1)
    except OSError:
        raise BadRequest("telemetry.body_lost", "The body ended before it was whole.") from None
    if len(body) > MOST_BYTES:
        raise too_large(MOST_BYTES)
    return body


def _read_to_the_end(request: HttpRequest) -> None:
    """The server closes a connection whose request was not read, and who is to come again wants to use it."""
    left = MOST_BYTES
    with suppress(OSError):
        while left > 0 and (block := request.read(min(BLOCK_BYTES, left))):
            left -= len(block)


def _let_go(request: HttpRequest) -> None:
    """Of the body. The request stands in a circle with what middleware hung onto it, which the collector finds after
    hundreds of requests: so many bodies would have gathered by then.
    """
    nothing = BytesIO()
    request.META["wsgi.input"] = nothing
    request._stream = nothing


@contextmanager
def _slot() -> Iterator[None]:
    """A place among the few requests that are worked on at once; raises Exhausted when there is none."""
    if not _slots.acquire(timeout=SLOT_SECONDS):
        sentence = "More spans come than can be stored. Nothing was stored; send the same again."
        raise Exhausted("telemetry.busy", sentence, retry_after_seconds=FULL_RETRY_AFTER_SECONDS)
    try:
        yield
    finally:
        _slots.release()
