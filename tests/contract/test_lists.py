"""What every list and resource of the API has in common: times, ids, and pages that lose no row."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from tests.access.table import ROWS
from tests.contract.test_urls import LISTS
from tests.fakes.erp import FakeErp
from tests.queries.crowd import Crowd

pytestmark = pytest.mark.django_db

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# Not ours to spell: what agents sent, what systems answered, and how a tool is defined.
FOREIGN = {"arguments", "result", "input_schema", "output_schema", "card", "trace_id"}
ROWS_EACH = 3
# What programs have none of.
OF_PEOPLE = {
    "/api/v1/data-class-rules",
    "/api/v1/halt-rules",
    "/api/v1/halt-drills",
    "/api/v1/unknown-outcomes",
    "/api/v1/ungoverned-actions",
    "/api/v1/model-prices",
    "/api/v1/tokens",
    "/api/v1/approval-views",
    "/api/v1/delegations",
    "/api/v1/second-looks",
    "/api/v1/policies",
    "/api/v1/policy-replays",
    "/api/v1/retention-rules",
    "/api/v1/legal-holds",
}
# Two sets of policies decide in one process, one replay of a set runs at a time, and nobody has said what models cost.
FEW = {"/api/v1/policies", "/api/v1/policy-replays", "/api/v1/model-prices"}


@pytest.fixture
def crowd(world: FakeErp) -> Crowd:
    crowd = Crowd()
    crowd.grow_to(ROWS_EACH)
    return crowd


def members(body: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every member of the document with its name, those of foreign documents left out."""
    if isinstance(body, dict):
        for key, value in body.items():
            if key not in FOREIGN:
                yield from members(value, key)
    elif isinstance(body, list):
        for value in body:
            yield from members(value, name)
    else:
        yield name, body


def test_every_time_is_rfc_3339_in_utc_and_every_id_a_uuid_of_version_7(crowd: Crowd) -> None:
    scene, seen = crowd.scene, set()
    for row in ROWS:
        # a file is what an agent sent
        if row.method == "GET" and row.path.startswith("/api/v1/") and not row.path.endswith("/content"):
            role = next(role for role, answer in row.answers.items() if answer.startswith("2"))
            for name, value in members(scene.ask(row, role).json()):
                seen.add(name)
                if name.endswith("_at") and value is not None:
                    assert MOMENT.fullmatch(value), (str(row), name, value)
                if name != "trace_id" and (as_id := _uuid(value)) is not None:
                    assert as_id.version == 7, (str(row), name, value)

    assert {"requested_at", "started_at", "expires_at", "id", "run_id", "tool_call_id"} <= seen


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


@pytest.mark.parametrize("role", ["dana", "writer"])
def test_pages_of_two_hold_every_row_once_and_in_order(crowd: Crowd, role: str) -> None:
    client = crowd.scene.client_of(role)
    readable = [path for path in LISTS if role != "writer" or path not in OF_PEOPLE]
    whole = {path: [item["id"] for item in client.get(path, {"limit": 200}).json()["items"]] for path in readable}

    assert {path: _walked(client, path) for path in readable} == whole
    for path, ids in whole.items():
        if (path, role) != ("/api/v1/approvals", "writer") and path not in FEW:
            assert len(ids) >= ROWS_EACH, path


def _walked(client: APIClient, path: str) -> list[str]:
    found: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = client.get(path, query).json()
        assert len(page["items"]) <= 2
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        query = {"limit": "2", "cursor": page["next"]}


def test_the_last_page_says_that_it_is_the_last(crowd: Crowd) -> None:
    """Also when it is exactly full, where a page too much would be asked for in vain."""
    client = crowd.scene.client_of("dana")
    count = len(client.get("/api/v1/tokens").json()["items"])

    assert client.get("/api/v1/tokens", {"limit": count}).json()["next"] is None
    assert client.get("/api/v1/tokens", {"limit": count - 1}).json()["next"] is not None
