"""Who gets what, on every URL: the table equals the resolver, and the product equals the table."""

from typing import Any
from uuid import UUID

import pytest
from django.urls import resolve

from tests.access.routes import all_routes
from tests.access.scene import Scene, answer_of, send, undone
from tests.access.table import AGENTS, ROLES, ROWS, TO_SIGN_IN, Row
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NOBODYS_ID = UUID(int=0)
# Anyone may ask these: they say nothing of what is inside, or are the way in.
OPEN = {
    "/healthz",
    "/readyz",
    "/",
    "/accounts/login/",
    "/accounts/logout/",
    "/accounts/demo/",
    "/api/schema/",
    "/oauth/token",
}


class _AnyId(dict[str, Any]):
    def __missing__(self, name: str) -> UUID:
        return NOBODYS_ID


def path_without_query(row: Row) -> str:
    return row.path.format_map(_AnyId()).partition("?")[0]


def route_of(row: Row) -> str:
    """The route a line is about. Raises Resolver404 when there is none any more."""
    return resolve(path_without_query(row)).route


@pytest.fixture
def scene(world: FakeErp) -> Scene:
    return Scene()


def test_every_url_has_its_lines_and_every_line_its_url() -> None:
    assert {route_of(row) for row in ROWS} == all_routes()


def test_no_line_stands_twice() -> None:
    lines = [str(row) for row in ROWS]
    assert sorted(set(lines)) == sorted(lines)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_role_gets_what_the_table_says(scene: Scene, row: Row) -> None:
    scene.path_of(row), scene.body_of(row)
    got = {role: undone(lambda role=role: scene.ask(row, role)) for role in ROLES}  # type: ignore[misc]

    assert {role: answer_of(response) for role, response in got.items()} == row.answers
    for response in got.values():
        _check_form(row, response)


def _check_form(row: Row, response: Any) -> None:
    """A refusal comes in the form that this URL's callers read."""
    if response.status_code < 400 or row.path == "/readyz":
        return
    if row.path == "/v1/traces":
        # OTLP's clients read google.rpc.Status
        assert set(response.json()) == {"code", "message"}
        return
    if not row.path.startswith("/api/"):
        assert response["Content-Type"].startswith("text/html")
        return
    body = response.json()
    assert response["Content-Type"] == "application/problem+json"
    assert (body["status"], body["type"]) == (response.status_code, f"urn:meshconsole:problem:{body['code']}")
    assert len(body["detail"]) > 10
    assert body["detail"][-1] in ".!?"
    assert "{" not in body["title"]
    assert body["request_id"] == response["X-Request-Id"]
    assert response.has_header("WWW-Authenticate") == (response.status_code == 401)


@pytest.mark.parametrize("row", [row for row in ROWS if row.path not in OPEN], ids=str)
def test_a_stranger_and_a_program_at_a_page_learn_nothing(row: Row) -> None:
    """The rule behind the columns, so that a new line cannot be written wrong."""
    if row.path.startswith(("/api/", "/v1/")):
        assert row.answers["stranger"] == "401"
        return
    assert {row.answers[role] for role in ("stranger", "script", *AGENTS)} == {TO_SIGN_IN}


OF_THE_WRITER = [row for row in ROWS if "{" in row.path and "{mesh_" not in row.path]
PEOPLE = set(ROLES) - {"stranger", *AGENTS}


@pytest.mark.parametrize("row", OF_THE_WRITER, ids=str)
def test_what_an_outsider_does_not_see_is_404_for_them(row: Row) -> None:
    """Unless it is an act for which it does not matter on what: none of their kind may do it on anything."""
    for outsider, kind in (("otto", PEOPLE), ("payer", set(AGENTS))):
        others = {row.answers[role] for role in kind - {outsider}}
        if others not in ({"403"}, {TO_SIGN_IN}):
            assert row.answers[outsider] == "404"


@pytest.mark.parametrize("route", sorted(all_routes()))
def test_a_method_without_a_line_is_405(scene: Scene, route: str) -> None:
    rows = [row for row in ROWS if route_of(row) == route]
    path = path_without_query(rows[0])
    client = scene.client_of("stranger" if path in OPEN else "dana")
    missing = set(METHODS) - {row.method for row in rows}
    got = {method: undone(lambda method=method: send(client, method, path, {})) for method in missing}  # type: ignore[misc]

    assert {method: response.status_code for method, response in got.items()} == dict.fromkeys(missing, 405)
    for response in got.values():
        assert response.has_header("Allow")
        if path.startswith("/api/"):
            _check_form(rows[0], response)


SESSION_ACTS = [row for row in ROWS if row.is_act and row.path != "/oauth/token"]


@pytest.mark.parametrize("row", SESSION_ACTS, ids=str)
def test_no_act_of_a_session_goes_without_the_csrf_token(scene: Scene, row: Row) -> None:
    scene.path_of(row)
    response = scene.ask(row, "omar", checks_csrf=True)

    assert response.status_code == 403
    words = response.json()["code"] if row.path.startswith("/api/") else response.content.decode()
    assert "csrf.failed" in words
