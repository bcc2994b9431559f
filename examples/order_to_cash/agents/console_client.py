"""The console as an agent sees it: tokens, tool calls and runs over public HTTP. Knows nothing of disputes.

Every answer becomes one of three things: a `ToolCall` in some state, `Later` (nothing was decided; ask again with the
same key) or `Refused` (the request itself is wrong and will stay so).
"""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0  # the console's own patience with a business system is 5 s; this allows for a queue before it
RENEW_AT = 0.8  # of a token's lifetime, so that it never runs out between two calls
PENDING_STATES = frozenset({"awaiting_approval", "queued", "executing"})

DECIDED_BY_STATUS = {403: "denied", 502: "failed"}
DEFAULT_RETRY_SECONDS = {423: 15.0, 429: 10.0, 503: 5.0}


class Later(Exception):
    """The console could not take the request now. Nothing of it was done."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Refused(Exception):
    """The console will not take this request, now or later."""


@dataclass(frozen=True)
class Credentials:
    """One agent's own key to the console."""

    client_id: str
    client_secret: str

    @classmethod
    def read(cls, path: Path, agent: str) -> Credentials:
        """Read `{"client_id": …, "client_secret": …}`, or this agent's part of what bootstrap printed."""
        document = json.loads(path.read_text(encoding="utf-8"))
        for own in document.get("credentials", [document]):
            if own.get("agent", agent) == agent:
                return cls(own["client_id"], own["client_secret"])
        raise ValueError(f"{path} has no credentials of {agent}")


@dataclass(frozen=True)
class ToolCall:
    """A requested action and how it stands."""

    id: str | None
    state: str
    result: Any = None
    error: dict[str, Any] | None = None
    decision: dict[str, Any] | None = None
    approval: dict[str, Any] | None = None
    money: dict[str, Any] | None = None
    version: int = 1
    replayed: bool = False
    retry_after: float | None = None

    @property
    def is_pending(self) -> bool:
        return self.state in PENDING_STATES

    @property
    def is_asked_to_change(self) -> bool:
        """Whether a person wants another version of it: it is the agent's turn."""
        return self.is_pending and (self.approval or {}).get("state") == "changes_requested"

    @property
    def feedback(self) -> dict[str, str]:
        """What a person said who did not approve: verdict, reason_code, comment, by; {} when nobody did."""
        return (self.approval or {}).get("feedback") or {}

    @property
    def sentence(self) -> str:
        """Why it ended as it did: what the approver said, else what went wrong, else the policies that decided."""
        feedback = self.feedback
        error = self.error or {}
        says = [policy["says"] for policy in (self.decision or {}).get("policies", []) if policy.get("says")]
        said = (feedback.get("comment"), feedback.get("reason_code"), error.get("sentence"), error.get("detail"))
        return next(filter(None, (*said, "; ".join(says))), self.state).replace("_", " ")


class Console:
    """The console's HTTP interface under one agent's identity. Safe to use from several threads."""

    def __init__(self, base_url: str, credentials: Credentials) -> None:
        self._credentials = credentials
        self._client = httpx.Client(
            base_url=base_url, timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS), trust_env=False
        )
        self._token_lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def request_call(
        self, tool: str, arguments: dict[str, Any], idempotency_key: str, run_id: str | None, **statement: Any
    ) -> ToolCall:
        """Ask for one action. `statement` may hold rationale, confidence and evidence."""
        body = {"tool": tool, "arguments": arguments, "idempotency_key": idempotency_key, "run_id": run_id, **statement}
        return self._tool_call(self._send("POST", "/api/v1/tool-calls", json=body))

    def read_call(self, call_id: str, wait_seconds: int) -> ToolCall:
        """How a call stands; waits up to `wait_seconds` for it to change."""
        query = {"wait": wait_seconds} if wait_seconds else {}
        timeout = httpx.Timeout(ANSWER_SECONDS + wait_seconds, connect=CONNECT_SECONDS)
        return self._tool_call(self._send("GET", f"/api/v1/tool-calls/{call_id}", params=query, timeout=timeout))

    def answer_changes(self, call_id: str, arguments: dict[str, Any], **statement: Any) -> ToolCall:
        """Give a person the version they asked for. When nobody waits for it any more, how the call stands."""
        body = {"arguments": arguments, **statement}
        return self._unless_too_late(call_id, self._send("POST", f"/api/v1/tool-calls/{call_id}/versions", json=body))

    def cancel_call(self, call_id: str) -> ToolCall:
        """Take a call back. When it is too late for that, how it stands."""
        return self._unless_too_late(call_id, self._send("POST", f"/api/v1/tool-calls/{call_id}/cancel"))

    def _unless_too_late(self, call_id: str, answer: httpx.Response) -> ToolCall:
        return self.read_call(call_id, 0) if answer.status_code == 409 else self._tool_call(answer)

    def open_run(self, *, title: str, business_key: str, process: str, idempotency_key: str) -> str:
        headers = {"Idempotency-Key": idempotency_key}
        body = {"title": title, "business_key": business_key, "process": process}
        answer = self._send("POST", "/api/v1/runs", json=body, headers=headers)
        if answer.is_error:
            raise _refusal(answer)
        return str(answer.json()["id"])

    def end_run(self, run_id: str, state: str) -> str:
        """Set a run's end and say it. One that has ended already stays as it is."""
        answer = self._send("PATCH", f"/api/v1/runs/{run_id}", json={"state": state})
        if answer.is_error and answer.status_code != 409:
            raise _refusal(answer)
        return state

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send with a valid token; one 401 is met with a new token. Raises Later when nobody could answer."""
        token = self._current_token(refused="")
        headers = request.pop("headers", {})
        for _ in range(2):
            answer = self._exchange(method, path, headers={**headers, "Authorization": f"Bearer {token}"}, **request)
            if answer.status_code != 401:
                return answer
            token = self._current_token(refused=token)
        raise Later(30, "the console refuses this agent's fresh token")

    def _current_token(self, refused: str) -> str:
        with self._token_lock:
            if self._token == refused or time.monotonic() >= self._renew_at:
                self._renew_token()
            return self._token

    def _renew_token(self) -> None:
        pair = f"{self._credentials.client_id}:{self._credentials.client_secret}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        answer = self._exchange("POST", "/oauth/token", headers=headers, data={"grant_type": "client_credentials"})
        if answer.is_error:
            raise Later(30, f"no token: {answer.status_code} {answer.text[:200]}")
        document = answer.json()
        self._token = document["access_token"]
        self._renew_at = time.monotonic() + RENEW_AT * float(document["expires_in"])

    def _exchange(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **request)
        except httpx.HTTPError as problem:
            raise Later(2, f"the console does not answer: {problem or type(problem).__name__}") from None
        if answer.status_code in (500, 504):
            raise Later(5, f"the console failed with {answer.status_code}")
        return answer

    def _tool_call(self, answer: httpx.Response) -> ToolCall:
        document = _document(answer)
        state = _state(answer, document)
        if state is None:
            raise _refusal(answer)
        error = document.get("error") or (document if answer.is_error else None)
        parts: dict[str, Any] = {name: document.get(name) for name in ("id", "result", "decision", "approval", "money")}
        parts["version"] = document.get("version") or 1
        replayed = bool(document.get("replayed"))
        return ToolCall(state=state, error=error, replayed=replayed, retry_after=_retry_after(answer), **parts)


def _state(answer: httpx.Response, document: dict[str, Any]) -> str | None:
    """The state of the call this answer tells of; None when it tells of none."""
    if answer.is_success:
        return str(document["state"])
    if answer.status_code in DECIDED_BY_STATUS and document:
        return str(document.get("state") or DECIDED_BY_STATUS[answer.status_code])
    # A halt at the door leaves the key free; only a call that was halted later has used it up.
    return "halted" if answer.status_code == 423 and document.get("replayed") else None


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds from Retry-After, where the console sends a number."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _refusal(answer: httpx.Response) -> Later | Refused:
    document = _document(answer)
    sentence = f"{answer.status_code} {document.get('code', '')}: {document.get('detail') or answer.text[:200]}"
    if answer.status_code in DEFAULT_RETRY_SECONDS or answer.is_server_error:
        return Later(_retry_after(answer) or DEFAULT_RETRY_SECONDS.get(answer.status_code, 5.0), sentence)
    return Refused(sentence)
