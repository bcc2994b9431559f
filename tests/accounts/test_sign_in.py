"""Signing in and out with a password, through the real page."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from tests.conftest import person
from tests.world import PASSWORD

pytestmark = pytest.mark.usefixtures("world")
URL = "/accounts/login/"


@pytest.fixture(autouse=True)
def no_failures_yet() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def attempt(client: Client, login: str = "dana", password: str = PASSWORD, **more: str) -> Any:
    return client.post(URL, {"login": login, "password": password, **more})


def log() -> list[tuple[str, str, str]]:
    entries = AuditEntry.objects.filter(code__startswith="person.sign").order_by("seq")
    return [(entry.code, entry.actor_key, entry.subject_id) for entry in entries]


def is_signed_in(client: Client) -> bool:
    return client.get("/api/v1/tokens").status_code == 200


@pytest.mark.parametrize("login", ["dana", "dana@example.com", "Dana@Example.com", " dana "])
def test_a_person_signs_in_by_username_or_email(client: Client, login: str) -> None:
    answer = attempt(client, login)
    assert (answer.status_code, answer["Location"]) == (302, "/inbox/")
    assert is_signed_in(client)
    dana = person("dana")
    assert log() == [("person.signed_in", f"person:{dana.id}", str(dana.id))]
    assert AuditEntry.objects.get(code="person.signed_in").data == {"via": "session", "method": "password"}


def test_the_page_has_its_fields_and_no_way_to_sign_up(client: Client) -> None:
    page = client.get(URL).content.decode()
    assert 'name="login"' in page
    assert 'name="password"' in page
    assert "Username or email" in page
    assert "remember" not in page
    assert "signup" not in page.lower()
    for path in ("signup", "password/reset", "email", "password/change", "inactive", "3rdparty"):
        assert client.get(f"/accounts/{path}/").status_code == 404


def test_a_person_comes_back_to_where_they_were_going_but_never_elsewhere(client: Client) -> None:
    assert attempt(client, next="/runs/")["Location"] == "/runs/"
    client.post("/accounts/logout/")
    assert attempt(client, next="https://evil.example/")["Location"] == "/inbox/"


@pytest.mark.parametrize(
    ("login", "password"), [("dana", "wrong"), ("nobody", PASSWORD), ("dana@example.com", "wrong")]
)
def test_wrong_credentials_are_refused_and_logged(client: Client, login: str, password: str) -> None:
    answer = attempt(client, login, password)
    assert answer.status_code == 200
    assert "not correct" in answer.content.decode()
    assert not is_signed_in(client)
    subject = "unknown" if login == "nobody" else str(person("dana").id)
    assert log() == [("person.sign_in_failed", "system:sign-in", subject)]


def test_what_was_typed_is_not_in_the_log(client: Client) -> None:
    attempt(client, "my secret password", "dana")
    entry = AuditEntry.objects.get(code="person.sign_in_failed")
    assert "my secret password" not in str(entry.__dict__)


def test_a_deactivated_person_gets_the_answer_to_a_wrong_password(client: Client) -> None:
    User.objects.filter(username="dana").update(is_active=False)
    answer = attempt(client)
    assert answer.status_code == 200
    assert "not correct" in answer.content.decode()
    assert not is_signed_in(client)


def test_deactivating_a_person_ends_their_sessions(client: Client) -> None:
    attempt(client)
    User.objects.filter(username="dana").update(is_active=False)
    assert not is_signed_in(client)


def test_guessing_is_stopped_even_for_the_right_password(client: Client, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {}
    for _ in range(5):
        attempt(client, password="guess")
    answer = attempt(client)
    assert "Too many failed login attempts" in answer.content.decode()
    assert not is_signed_in(client)
    assert len(log()) == 5


def test_signing_out_takes_a_post_and_is_logged(client: Client) -> None:
    attempt(client)
    assert client.get("/accounts/logout/").status_code == 405
    assert is_signed_in(client)
    answer = client.post("/accounts/logout/")
    assert (answer.status_code, answer["Location"]) == (302, URL)
    assert not is_signed_in(client)
    assert [code for code, _, _ in log()] == ["person.signed_in", "person.signed_out"]


def test_signing_out_needs_the_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    assert client.post("/accounts/logout/").status_code == 403
    assert is_signed_in(client)


def test_who_is_signed_in_is_sent_on_from_the_sign_in_page(client: Client) -> None:
    attempt(client)
    assert client.get(URL)["Location"] == "/inbox/"


def test_the_session_ends_with_the_browser(client: Client) -> None:
    answer = attempt(client)
    assert not answer.cookies["meshconsole_session"]["max-age"]
    assert answer.cookies["meshconsole_session"]["httponly"]
