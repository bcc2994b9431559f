"""How the outside world (loader, trickle, judge, mesh) reaches a business system. Agents never use it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

TIMEOUT_SECONDS = 30.0


class SystemFailure(Exception):
    """A business system refused or did not answer; the sentence says which and why."""


class SystemClient:
    """One business system with its own bearer token."""

    def __init__(self, base_url: str, token_file: Path) -> None:
        token = token_file.read_text(encoding="utf-8").strip()
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)

    def __enter__(self) -> SystemClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: str | int) -> Any:
        return self._send("GET", path, params=query)

    def post(self, path: str, body: Any, idempotency_key: str | None = None) -> Any:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._send("POST", path, json=body, headers=headers)

    def put(self, path: str, body: Any) -> Any:
        return self._send("PUT", path, json=body)

    def _send(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = self._client.request(method, path, **request)
        except httpx.HTTPError as problem:
            raise SystemFailure(
                f"{method} {self._client.base_url}{path}: {problem or type(problem).__name__}"
            ) from None
        if response.is_error:
            raise SystemFailure(f"{method} {response.url} answered {response.status_code}: {response.text[:500]}")
        return response.json()
