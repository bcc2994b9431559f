"""Reaching business systems over HTTP. One request, one answer, and for every failure what is known of its effect."""

import base64
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from apps.core import observing
from apps.core.errors import ConnectorError
from apps.core.outward import (
    AnswerLost,
    AnswerTooLarge,
    CannotBeAsked,
    Outward,
    PrivateAddress,
    TookTooLong,
    Unreachable,
    Untrusted,
)
from apps.core.pointers import resolve
from apps.gateway.arguments import schema_errors
from apps.gateway.limits import Withheld, most_result_bytes, result_or_withheld, too_large
from apps.registry.models import ConnectorEndpoint, Tool
from apps.vault import secrets

DEFAULT_TIMEOUT_SECONDS = 10.0
# Not compressed: a small answer can unpack to a very large one.
OWN_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "mesh-console"}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One HTTP request, made from a tool's request template and a call's arguments."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


def timeout_seconds(tool: Tool, endpoint: ConnectorEndpoint | None) -> float:
    """The tool's own time-out, else its connector's."""
    return tool.timeout_seconds or (endpoint.timeout_seconds if endpoint else DEFAULT_TIMEOUT_SECONDS)


def call_connector(
    *,
    tool: Tool,
    endpoint: ConnectorEndpoint | None,
    arguments: dict[str, Any],
    idempotency_key: str,
    seconds: float | None = None,
) -> Any:
    """Send the call and return the checked JSON result, or Withheld for a write's that is too much. Raises
    ConnectorError. Never called inside a transaction. `seconds` is its time-out where that is not the tool's own.
    """
    if endpoint is None:
        sentence = f"{tool.connector.name} is not set up in this environment."
        raise _not_sent("connector.not_configured", sentence, permanent=True)
    outgoing = _outgoing(tool, endpoint, arguments, idempotency_key)
    try:
        body = _send(outgoing, endpoint, seconds or timeout_seconds(tool, endpoint), tool)
    except AnswerTooLarge as answer:
        if 200 <= answer.status < 300:
            return too_large(tool)
        raise _refusal(tool, answer.status, b"") from None
    return _checked_result(tool, body)


def _outgoing(tool: Tool, endpoint: ConnectorEndpoint, arguments: dict[str, Any], idempotency_key: str) -> Outgoing:
    """`path` takes {names} from the arguments; `query` and `body` are JSON Pointers into them."""
    template = tool.request
    values = {name: resolve(arguments, pointer) for name, pointer in template.get("query", {}).items()}
    query = urlencode({name: str(value) for name, value in values.items() if value is not None})
    try:
        path = template["path"].format_map({key: quote(str(value), safe="") for key, value in arguments.items()})
        body = _json(resolve(arguments, template["body"])) if "body" in template else None
    except ValueError:
        raise _cannot_ask(tool) from None
    url = endpoint.base_url.rstrip("/") + path + (f"?{query}" if query else "")
    # how a tool is registered keeps its host already; a request to another one must not hang on that alone
    if not url.isascii() or urlsplit(url)[:2] != urlsplit(endpoint.base_url)[:2]:
        raise _cannot_ask(tool)
    own = {"Content-Type": "application/json"} if body is not None else {}
    return Outgoing(
        method=template["method"],
        url=url,
        headers={
            **OWN_HEADERS,
            **own,
            "Idempotency-Key": idempotency_key,
            **_authorization(endpoint),
            **observing.headers(),
        },
        body=body,
    )


def _json(document: Any) -> bytes:
    """Raises ValueError for what JSON does not have."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _authorization(endpoint: ConnectorEndpoint) -> dict[str, str]:
    if endpoint.auth_type == "none":
        return {}
    secret = secrets.reveal(endpoint.secret)
    if endpoint.auth_type == "bearer":
        return {"Authorization": f"Bearer {secret}"}
    if endpoint.auth_type == "basic":
        return {"Authorization": "Basic " + base64.b64encode(f"{endpoint.auth_name}:{secret}".encode()).decode()}
    return {endpoint.auth_name: secret}


@lru_cache(maxsize=4)
def _outward(process_id: int, may_be_private: bool) -> Outward:
    """One pool a process, because a worker's children must not share their parent's sockets; and one for the systems
    that live on private addresses: a connection that was let through there is no way for others.
    """
    return Outward(may_be_private=lambda: may_be_private, most_connections=64, most_kept=32)


def _send(outgoing: Outgoing, endpoint: ConnectorEndpoint, timeout: float, tool: Tool) -> bytes:
    """The body of a 2xx answer. What is known of the effect goes with every other."""
    name = tool.connector.name
    try:
        answer = _outward(os.getpid(), endpoint.allow_private_addresses).send(
            outgoing.method,
            outgoing.url,
            headers=outgoing.headers,
            body=outgoing.body,
            seconds=timeout,
            most_bytes=most_result_bytes(tool),
        )
    except PrivateAddress:
        raise _not_sent(
            "connector.private_address",
            f"{name} resolves to a private address, which this connector does not allow.",
            permanent=True,
        ) from None
    except Untrusted:
        raise _not_sent("connector.untrusted", f"The certificate of {name} cannot be trusted.") from None
    except Unreachable:
        raise _not_sent("connector.unreachable", f"{name} cannot be reached.") from None
    except CannotBeAsked:
        raise _cannot_ask(tool) from None
    except TookTooLong:
        raise _uncertain("connector.timeout", f"{name} did not answer within {timeout:g} seconds.") from None
    except AnswerLost:
        raise _uncertain("connector.lost_answer", f"The answer of {name} was lost on the way.") from None
    if 200 <= answer.status < 300:
        return answer.body
    raise _refusal(tool, answer.status, answer.body)


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
    result = result_or_withheld(tool, result)
    if isinstance(result, Withheld):
        return result
    if errors := schema_errors(tool, "output_schema", result):
        sentence = f"The answer of {tool.connector.name} does not have the agreed form."
        raise _uncertain("connector.bad_answer", sentence, words=errors[0]["sentence"][:300])
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _not_sent(code: str, sentence: str, *, permanent: bool = False) -> ConnectorError:
    return ConnectorError(code, sentence, effect="none", permanent=permanent)


def _cannot_ask(tool: Tool) -> ConnectorError:
    sentence = f"These arguments cannot be put into a request to {tool.connector.name}."
    return _not_sent("connector.cannot_ask", sentence, permanent=True)


def _uncertain(code: str, sentence: str, *, words: str = "") -> ConnectorError:
    return ConnectorError(code, sentence, effect="unknown", words=words)
