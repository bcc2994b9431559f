"""Reaching business systems over HTTP. One request, one answer, and for every failure what is known of its effect."""

import base64
import json
import os
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from apps.core.addresses import addresses_of, are_public
from apps.core.errors import ConnectorError
from apps.core.pointers import resolve
from apps.gateway.arguments import schema_errors
from apps.registry.models import ConnectorEndpoint, Tool
from apps.vault import secrets

MAX_ANSWER_BYTES = 1024 * 1024
DEFAULT_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One HTTP request, made from a tool's request template and a call's arguments."""

    method: str
    url: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


def timeout_seconds(tool: Tool, endpoint: ConnectorEndpoint | None) -> float:
    """The tool's own time-out, else its connector's."""
    return tool.timeout_seconds or (endpoint.timeout_seconds if endpoint else DEFAULT_TIMEOUT_SECONDS)


def call_connector(
    *, tool: Tool, endpoint: ConnectorEndpoint | None, arguments: dict[str, Any], idempotency_key: str
) -> Any:
    """Send the call and return the checked JSON result. Raises ConnectorError. Never called inside a transaction."""
    if endpoint is None:
        raise ConnectorError(
            "connector.not_configured",
            f"{tool.connector.name} is not set up in this environment.",
            effect="none",
            permanent=True,
        )
    outgoing = _outgoing(tool, endpoint, arguments, idempotency_key)
    _check_address(outgoing.url, endpoint, tool)
    return _checked_result(tool, _send(outgoing, timeout_seconds(tool, endpoint), tool))


def _outgoing(tool: Tool, endpoint: ConnectorEndpoint, arguments: dict[str, Any], idempotency_key: str) -> Outgoing:
    """`path` takes {names} from the arguments; `query` and `body` are JSON Pointers into them."""
    template = tool.request
    path = template["path"].format_map({key: quote(str(value), safe="") for key, value in arguments.items()})
    query = {name: resolve(arguments, pointer) for name, pointer in template.get("query", {}).items()}
    return Outgoing(
        method=template["method"],
        url=endpoint.base_url.rstrip("/") + path,
        query={name: str(value) for name, value in query.items() if value is not None},
        headers={"Idempotency-Key": idempotency_key, "Accept": "application/json", **_authorization(endpoint)},
        body=resolve(arguments, template["body"]) if "body" in template else None,
    )


def _authorization(endpoint: ConnectorEndpoint) -> dict[str, str]:
    if endpoint.auth_type == "none":
        return {}
    secret = secrets.reveal(endpoint.secret)
    if endpoint.auth_type == "bearer":
        return {"Authorization": f"Bearer {secret}"}
    if endpoint.auth_type == "basic":
        return {"Authorization": "Basic " + base64.b64encode(f"{endpoint.auth_name}:{secret}".encode()).decode()}
    return {endpoint.auth_name: secret}


def _check_address(url: str, endpoint: ConnectorEndpoint, tool: Tool) -> None:
    """Only public addresses, unless the connector says that its system lives on a private one."""
    if endpoint.allow_private_addresses:
        return
    host = urlsplit(url).hostname or ""
    try:
        addresses = addresses_of(host)
    except OSError:
        raise _unreachable(tool) from None
    if not are_public(addresses):
        raise ConnectorError(
            "connector.private_address",
            f"{tool.connector.name} resolves to a private address, which this connector does not allow.",
            effect="none",
            permanent=True,
        )


@lru_cache(maxsize=2)
def _client(process_id: int) -> httpx.Client:
    """One pool a process: a worker's children must not share their parent's sockets."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=20)
    return httpx.Client(limits=limits, follow_redirects=False, trust_env=False)


def _send(outgoing: Outgoing, timeout: float, tool: Tool) -> bytes:
    """The body of a 2xx answer. What is known of the effect goes with every other."""
    client = _client(os.getpid())
    end = time.monotonic() + timeout
    request = _request(client, outgoing, timeout, tool)
    try:
        response = client.send(request, stream=True)
        try:
            body = _read(response, end)
        finally:
            response.close()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        raise _unreachable(tool) from None
    except httpx.TimeoutException:
        raise _uncertain(
            "connector.timeout", f"{tool.connector.name} did not answer within {timeout:g} seconds."
        ) from None
    except httpx.HTTPError:
        raise _uncertain("connector.lost_answer", f"The answer of {tool.connector.name} was lost on the way.") from None
    if response.is_success:
        return body
    raise _refusal(tool, response.status_code, body)


def _request(client: httpx.Client, outgoing: Outgoing, timeout: float, tool: Tool) -> httpx.Request:
    try:
        return client.build_request(
            outgoing.method,
            outgoing.url,
            params=outgoing.query or None,
            headers=outgoing.headers,
            json=outgoing.body,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 3.0)),
        )
    except (httpx.InvalidURL, ValueError):
        raise ConnectorError(
            "connector.cannot_ask",
            f"These arguments cannot be put into a request to {tool.connector.name}.",
            effect="none",
            permanent=True,
        ) from None


def _read(response: httpx.Response, end: float) -> bytes:
    """The whole body by `end` (monotonic): httpx times each read alone, so a system that drips would go on for ever."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if time.monotonic() > end:
            raise httpx.ReadTimeout("the answer dripped in too slowly")
        if len(body) > MAX_ANSWER_BYTES:
            raise _uncertain("connector.answer_too_large", "The answer is larger than 1 MiB.")
    return bytes(body)


def _refusal(tool: Tool, status: int, body: bytes) -> ConnectorError:
    """A 4xx is a definite no. A 5xx or a redirect says nothing about what happened before it."""
    name = tool.connector.name
    if 400 <= status < 500:
        again = status in (408, 425, 429)
        return ConnectorError(
            "connector.refused",
            f"{name} refused ({status}).",
            effect="none",
            permanent=not again,
            words=_own_words(body),
        )
    return _uncertain("connector.server_error", f"{name} answered with an error ({status}).")


def _own_words(body: bytes) -> str:
    """The system's own short explanation, when it gave one. It is payload: it goes to the vault and never into a
    column or a log.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    words = (document.get(key) for key in ("detail", "message", "error", "title")) if isinstance(document, dict) else ()
    return next((word[:300] for word in words if isinstance(word, str)), "")


def _checked_result(tool: Tool, body: bytes) -> Any:
    try:
        result = json.loads(body, parse_constant=_no_constant) if body.strip() else {}
    except (ValueError, RecursionError):
        raise _uncertain(
            "connector.bad_answer", f"{tool.connector.name} answered something that is not JSON."
        ) from None
    if tool.output_schema is not None and (errors := schema_errors(tool.output_schema, result)):
        sentence = f"The answer of {tool.connector.name} does not have the agreed form."
        raise _uncertain("connector.bad_answer", sentence, words=errors[0]["sentence"][:300])
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unreachable(tool: Tool) -> ConnectorError:
    return ConnectorError("connector.unreachable", f"{tool.connector.name} cannot be reached.", effect="none")


def _uncertain(code: str, sentence: str, *, words: str = "") -> ConnectorError:
    return ConnectorError(code, sentence, effect="unknown", words=words)
