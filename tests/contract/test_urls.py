"""URLs that lead nowhere, and queries that no list understands."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.access.table import ROWS
from tests.contract.problems import problem_of
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]

NOWHERE = [
    "/api/",
    "/api/v1/",
    "/api/v1/nothing",
    "/api/v2/runs",
    "/api/v1/runs/",
    "/api/v1/runs/seven",
    "/oauth/nothing",
]


@pytest.mark.parametrize("path", NOWHERE)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_url_of_the_api_is_a_problem_and_no_page(world: FakeErp, path: str, method: str) -> None:
    assert problem_of(getattr(APIClient(), method)(path)) == (404, "page.not_found")


LISTS = sorted(
    row.path for row in ROWS if row.method == "GET" and row.path.startswith("/api/v1/") and "{" not in row.path
)
LISTS = [path for path in LISTS if "/agents/" not in path and "/preview" not in path]
LIMITS = ["0", "-1", "201", "0002009", "1e1", "٣", "ten", "9" * 30, "1.0", " 1"]


@pytest.mark.parametrize("path", LISTS)
def test_a_limit_is_a_whole_number_up_to_200(api: Api, path: str) -> None:
    dana = api("dana")
    answers = {limit: problem_of(dana.get(path, {"limit": limit})) for limit in LIMITS}

    assert answers == dict.fromkeys(LIMITS, (422, "page.bad_limit"))
    assert dana.get(path, {"limit": "200"}).status_code == 200


# Base64 of JSON, as ours are, and each not one of ours; `{id}` is a UUID, `{time}` a moment with its zone.
CURSORS = {
    "no base64": "x",
    "letters outside ASCII": "é",
    "a null byte": "\0",
    "no JSON": "bm9wZQ",
    "nothing": "W10",
    "a number": "Nw",
    "a list of a number": "WzFd",
    "a list of a list": "W1tdXQ",
    "a list of null": "W251bGxd",
    "an object": "eyJhIjoxfQ",
    "another list's, by number": "WyIxMjMiXQ",
    "another list's, by time": "WyIyMDI2LTExLTIwVDAwOjAwOjAwKzAwOjAwIl0",
    "a time without its zone": "WyIyMDI2LTExLTIwVDAwOjAwOjAwIiwgIjAxOThjMGRlLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMCJd",
    "three keys": "WyIxIiwiMiIsIjMiXQ",
    "a number beyond the database's": "WyI5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OSJd",
    "deep": "W1tb" * 20_000,
}


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_that_was_not_made_for_this_list_is_refused(api: Api, path: str) -> None:
    dana = api("dana")
    answers = {what: problem_of(dana.get(path, {"cursor": cursor})) for what, cursor in CURSORS.items()}

    assert answers == dict.fromkeys(CURSORS, (422, "page.bad_cursor")) | {"a null byte": (400, "request.bad")}


@pytest.mark.parametrize("path", ["/inbox/", "/runs/", "/halts/", "/audit/"])
def test_pages_refuse_the_same_cursors(world: FakeErp, sign_in: Callable[[str], Client], path: str) -> None:
    dana = sign_in("dana")
    own = {"another list's, by number", "a number beyond the database's"} if path == "/audit/" else set()
    answers = {what: dana.get(path, {"after": cursor}) for what, cursor in CURSORS.items() if what not in own}

    assert {what: answer.status_code for what, answer in answers.items()} == {
        what: 400 if what == "a null byte" else 422 for what in answers
    }


def test_the_log_has_nothing_beyond_the_largest_number(world: FakeErp, sign_in: Callable[[str], Client]) -> None:
    answer = sign_in("chen").get("/audit/", {"after": CURSORS["a number beyond the database's"]})

    assert answer.status_code in (200, 422)


QUERIES = [
    "/inbox/?view=%00",
    "/runs/?q=a%00b",
    "/runs/?state=%00",
    "/audit/?subject=%00",
    "/audit/?actor=%00",
    "/audit/?code=%00",
    "/audit/?run=%00",
    "/halts/new/?scope=agent:%00",
    "/accounts/login/?next=%00",
    "/api/v1/runs?business_key=%00",
    "/api/v1/approvals?view=%00",
    "/api/v1/halts?in_force=%00",
]


@pytest.mark.parametrize("url", QUERIES)
def test_a_null_byte_in_a_query_is_refused_and_breaks_nothing(
    world: FakeErp, sign_in: Callable[[str], Client], url: str
) -> None:
    answer = sign_in("omar").get(url)

    assert answer.status_code == 400
    if url.startswith("/api/"):
        assert problem_of(answer) == (400, "request.bad")


@pytest.mark.parametrize(
    "query", ["wait=-1", "wait=nan", "wait=inf", "wait=soon", "wait=%D9%A3%D9%A3x"], ids=lambda query: query[5:]
)
def test_a_wait_is_a_number_of_seconds(writer: Any, query: str) -> None:
    call = writer.call("1280.00").json()

    assert problem_of(writer.api().get(f"/api/v1/tool-calls/{call['id']}?{query}")) == (422, "wait.invalid")
