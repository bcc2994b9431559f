"""`POST /oauth/token`: client credentials for an access token (RFC 6749 §4.4)."""

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from apps.core.errors import Exhausted, NotAuthenticated
from apps.registry.services import sign_in_agent

# NUL cannot be asked for in PostgreSQL; no client id is this long
MAX_CLIENT_ID_LENGTH = 60


@csrf_exempt
@require_POST
@sensitive_post_parameters("client_secret")
def oauth_token(request: HttpRequest) -> JsonResponse:
    """Form-encoded `grant_type=client_credentials`, with `client_id` and `client_secret` in the body or HTTP Basic."""
    if request.content_type != "application/x-www-form-urlencoded":
        return _error(400, "invalid_request", "Send the parameters as application/x-www-form-urlencoded.")
    grant_type = request.POST.get("grant_type", "")
    if not grant_type:
        return _error(400, "invalid_request", "grant_type is missing.")
    if grant_type != "client_credentials":
        return _error(400, "unsupported_grant_type", "Only client_credentials is supported.")
    credentials = _credentials(request)
    if credentials is None:
        return _error(401, "invalid_client", "Send client_id and client_secret, either in the body or in HTTP Basic.")
    return _answer(*credentials, address=request.META.get("REMOTE_ADDR", ""))


def _answer(client_id: str, client_secret: str, *, address: str) -> JsonResponse:
    try:
        token, lifetime_seconds = sign_in_agent(client_id=client_id, client_secret=client_secret, address=address)
    except NotAuthenticated as error:
        return _error(401, "invalid_client", error.sentence)
    except Exhausted as error:
        response = _error(429, "invalid_client", error.sentence)
        response["Retry-After"] = str(error.retry_after_seconds)
        return response
    return _json(200, {"access_token": token, "token_type": "Bearer", "expires_in": lifetime_seconds})


def _credentials(request: HttpRequest) -> tuple[str, str] | None:
    """(client id, client secret), None when they are missing, unreadable or given twice (RFC 6749 §2.3)."""
    in_body = "client_secret" in request.POST
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    in_header = scheme.lower() == "basic"
    if in_body == in_header:
        return None
    found = _from_basic(encoded) if in_header else (request.POST.get("client_id", ""), request.POST["client_secret"])
    if found is None or not found[0] or "\0" in found[0] or len(found[0]) > MAX_CLIENT_ID_LENGTH:
        return None
    return found


def _from_basic(encoded: str) -> tuple[str, str] | None:
    try:
        client_id, colon, client_secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (unquote_plus(client_id), unquote_plus(client_secret)) if colon else None


def _error(status: int, code: str, sentence: str) -> JsonResponse:
    response = _json(status, {"error": code, "error_description": sentence})
    if status == 401:
        response["WWW-Authenticate"] = 'Basic realm="mesh-console"'
    return response


def _json(status: int, body: dict[str, Any]) -> JsonResponse:
    """RFC 6749 §5.1: nobody on the way keeps a token."""
    response = JsonResponse(body, status=status)
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response
