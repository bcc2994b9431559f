"""The DRF face of the error family: every error is RFC 9457 `application/problem+json` with a stable code."""

from http import HTTPStatus
from typing import Any

import psycopg
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from apps.core.errors import (
    BadRequest,
    Invalid,
    MeshError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooLarge,
    Unavailable,
)
from apps.core.middleware import current_request_id

PROBLEM_TYPE = "application/problem+json"
# Django's errors, and the pool's own when no connection could be had in time.
NO_DATABASE = (OperationalError, InterfaceError, psycopg.OperationalError)


def problem(error: MeshError) -> dict[str, Any]:
    """The problem document of a refusal. `type` is a stable URN: it names the code and resolves nowhere."""
    return {
        "type": f"urn:meshconsole:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.sentence,
        "code": error.code,
        "request_id": current_request_id(),
        **error.details,
    }


def problem_response(exception: Exception, context: dict[str, Any]) -> JsonResponse | None:
    """DRF's EXCEPTION_HANDLER. None lets what is not a refusal rise as the bug it is."""
    error = _as_mesh_error(exception)
    if error is None:
        return None
    set_rollback()
    # always JSON, also where the view would render something else
    response = problem_json(error)
    if error.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="mesh-console"'
    if error.retry_after_seconds is not None:
        response["Retry-After"] = str(error.retry_after_seconds)
    return response


def problem_json(error: MeshError) -> JsonResponse:
    """The same document from a plain Django view."""
    return JsonResponse(problem(error), status=error.status, content_type=PROBLEM_TYPE)


def _as_mesh_error(exception: Exception) -> MeshError | None:
    if isinstance(exception, MeshError):
        return exception
    if isinstance(exception, RequestDataTooBig):
        return TooLarge("request.too_large", "The body is larger than 1 MiB.")
    if isinstance(exception, NO_DATABASE):
        sentence = "The database does not answer. Ask again; under the same key a call is the same call."
        return Unavailable("database.unavailable", sentence, retry_after_seconds=1)
    if isinstance(exception, Http404):
        return NotFound("not_found")
    if isinstance(exception, PermissionDenied):
        return NotAllowed("not_allowed", "You may not do this.")
    if isinstance(exception, exceptions.ValidationError):
        return Invalid("input.invalid", "Some fields are missing or wrong.", errors=_pointers(exception.detail))
    if isinstance(exception, exceptions.ParseError):
        return BadRequest("request.invalid_json", "The body is not valid JSON.")
    if isinstance(exception, exceptions.NotAuthenticated):
        return NotAuthenticated("token.missing", "Sign in, or send a bearer token.")
    if isinstance(exception, exceptions.APIException):
        sentence = str(exception.detail)
        title = HTTPStatus(exception.status_code).phrase
        return _error(exception.status_code, title, str(exception.default_code), sentence)
    return None


def _error(status: int, title: str, code: str, sentence: str) -> MeshError:
    """A refusal of the framework's, with its own status and title, in our family."""
    error = MeshError(code, sentence)
    error.status = status  # type: ignore[misc]
    error.title = title  # type: ignore[misc]
    return error


def _pointers(detail: Any, at: str = "") -> list[dict[str, str]]:
    """DRF's nested error detail as a flat list of JSON pointers with sentences."""
    if isinstance(detail, dict):
        return [
            found
            for key, value in detail.items()
            # what is wrong with the whole is no field of it
            for found in _pointers(value, at if key == api_settings.NON_FIELD_ERRORS_KEY else f"{at}/{key}")
        ]
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        return [found for index, value in enumerate(detail) for found in _pointers(value, f"{at}/{index}")]
    sentences = detail if isinstance(detail, list) else [detail]
    return [{"pointer": at, "sentence": str(sentence)} for sentence in sentences]
