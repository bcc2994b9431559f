"""The demo's buttons: six people, one click, and nothing of it anywhere else."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.demo import LABELS
from apps.accounts.models import User
from apps.audit.models import AuditEntry
from tests.conftest import person

pytestmark = pytest.mark.usefixtures("world")
URL = "/accounts/demo/"


def test_the_sign_in_page_offers_the_six_by_their_labels(client: Client) -> None:
    page = client.get("/accounts/login/").content.decode()
    for label in LABELS.values():
        assert f"Sign in as {label}" in page
    assert "Felix" not in page


def test_a_click_signs_in_and_says_so_in_the_log(client: Client) -> None:
    answer = client.post(URL, {"username": "omar"})
    assert (answer.status_code, answer["Location"]) == (302, "/inbox/")
    assert client.get("/api/v1/tokens").status_code == 200
    entry = AuditEntry.objects.get(code="person.signed_in")
    assert (entry.subject_id, entry.data["method"]) == (str(person("omar").id), "demo")


def test_a_click_leads_to_where_one_was_going_but_never_elsewhere(client: Client) -> None:
    assert client.post(URL, {"username": "omar", "next": "/runs/"})["Location"] == "/runs/"
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        assert client.post(URL, {"username": "omar", "next": elsewhere})["Location"] == "/inbox/"


def test_outside_of_a_demo_there_is_no_such_page(client: Client, settings: Any) -> None:
    settings.DEMO = False
    assert client.post(URL, {"username": "omar"}).status_code == 404
    assert "Sign in as" not in client.get("/accounts/login/").content.decode()


@pytest.mark.parametrize("username", ["felix", "nobody", ""])
def test_nobody_but_the_six_comes_in_this_way(client: Client, username: str) -> None:
    assert client.post(URL, {"username": username}).status_code == 404
    assert client.get("/api/v1/tokens").status_code == 401


@pytest.mark.parametrize(
    "change",
    [{"email": "omar@company.example.org"}, {"is_active": False}, {"is_superuser": True}, {"is_staff": True}],
)
def test_a_real_person_an_administrator_and_who_is_deactivated_have_no_button(
    client: Client, change: dict[str, Any]
) -> None:
    User.objects.filter(username="omar").update(**change)
    assert client.post(URL, {"username": "omar"}).status_code == 404
    assert "Omar" not in client.get("/accounts/login/").content.decode()


def test_it_takes_a_post_with_the_csrf_token(client: Client) -> None:
    assert client.get(URL).status_code == 405
    careful = Client(enforce_csrf_checks=True, raise_request_exception=False)
    assert careful.post(URL, {"username": "omar"}).status_code == 403
