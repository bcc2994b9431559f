"""Runs that agents keep something with, through the API as agents do."""

import json
from typing import Any

from apps.core.canonical import canonical_bytes
from apps.gateway import services as gateway
from apps.halts import services as halts
from tests.conftest import Robot, actor


def open_run(robot: Robot, title: str = "Dispute INV-1042") -> str:
    return str(robot.api().post("/api/v1/runs", {"title": title}, format="json").json()["id"])


def save(robot: Robot, run: str, document: Any, *, etag: str = "", data_class: str = "internal") -> Any:
    """PUT …/state; without an ETag as the first one."""
    condition: Any = {"HTTP_IF_MATCH": etag} if etag else {"HTTP_IF_NONE_MATCH": "*"}
    path = f"/api/v1/runs/{run}/state?data_class={data_class}"
    body = json.dumps(document)
    return robot.api().generic("PUT", path, body, content_type="application/json", **condition)


def send_file(robot: Robot, run: str, content: Any = b"Price list", *, name: str = "prices.txt", **more: Any) -> Any:
    """POST …/artifacts with the file as the body."""
    query = f"name={name}&data_class={more.pop('data_class', 'internal')}"
    path = f"/api/v1/runs/{run}/artifacts?{query}"
    return robot.api().generic("POST", path, content, content_type=more.pop("media_type", "text/plain"), **more)


def content_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def same(document: Any) -> bytes:
    return canonical_bytes(document)


def halt(mode: str, scope: str, reference: str) -> None:
    """Placed, and carried out as far as the worker does that."""
    placed = halts.place_halt(
        actor=actor("omar"),
        scope_type=scope,
        scope_reference=reference,
        environment="production",
        mode=mode,
        reason_code="drill",
    )
    if mode == "stop":
        gateway.end_calls_under(placed.id)
