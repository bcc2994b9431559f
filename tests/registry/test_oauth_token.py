"""`POST /oauth/token`, as any OAuth client calls it."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.actor import system_actor
from apps.registry import tokens
from apps.registry.models import Agent
from apps.registry.services import make_credential, revoke_credential
from apps.registry.services.credentials import FAILURES_PER_WINDOW

pytestmark = pytest.mark.usefixtures("world")
SYSTEM = system_actor("test")
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture(autouse=True)
def no_failures_yet() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def pair() -> tuple[str, str]:
    """(client id, client secret) of the writer."""
    credential, secret = make_credential(agent=Agent.objects.get(slug="writer"), actor=SYSTEM)
    return credential.client_id, secret


def ask(body: Any = None, *, basic: str | None = None, **more: Any) -> Any:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    headers = {} if basic is None else {"Authorization": "Basic " + base64.b64encode(basic.encode()).decode()}
    if "content_type" not in more:
        body, more["content_type"] = urlencode(body or {}), "application/x-www-form-urlencoded"
    return client.post("/oauth/token", body, headers=headers, **more)


def in_body(client_id: str, secret: str) -> dict[str, str]:
    return {**GRANT, "client_id": client_id, "client_secret": secret}


def failures() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(code="agent.sign_in_failed").order_by("seq"))


def test_credentials_in_the_body_give_an_access_token(pair: tuple[str, str]) -> None:
    answer = ask(in_body(*pair))
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert tokens.agent_for_token(body["access_token"]).agent.slug == "writer"
    entry = AuditEntry.objects.get(code="agent.signed_in")
    assert (entry.actor_key, entry.process) == ("agent:writer", "order-to-cash")


def test_credentials_in_http_basic_give_an_access_token(pair: tuple[str, str]) -> None:
    answer = ask(GRANT, basic=":".join(pair))
    assert answer.status_code == 200
    assert tokens.agent_for_token(answer.json()["access_token"]).agent.slug == "writer"


def test_the_access_token_opens_the_api(pair: tuple[str, str], client: Client) -> None:
    token = ask(in_body(*pair)).json()["access_token"]
    assert client.get("/api/v1/agents/writer", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_wrong_secret_and_an_unknown_client_get_the_same_answer_and_are_logged(pair: tuple[str, str]) -> None:
    answers = [ask(in_body(pair[0], "wrong")), ask(in_body("nobody", pair[1])), ask(GRANT, basic=f"{pair[0]}:wrong")]
    for answer in answers:
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Basic")
        assert answer.json() == {
            "error": "invalid_client",
            "error_description": "These client credentials are not valid.",
        }
    assert [entry.data["why"] for entry in failures()] == ["wrong_secret", "unknown_client", "wrong_secret"]
    assert [entry.process for entry in failures()] == ["order-to-cash", "", "order-to-cash"]
    assert pair[1] not in json.dumps([entry.data for entry in failures()])


def test_a_revoked_credential_is_refused_and_logged(pair: tuple[str, str]) -> None:
    credential = Agent.objects.get(slug="writer").credentials.get(client_id=pair[0])
    revoke_credential(credential=credential, reason="leaked", actor=SYSTEM)
    assert ask(in_body(*pair)).status_code == 401
    assert [entry.data["why"] for entry in failures()] == ["revoked"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        (GRANT, 401, "invalid_client"),
        ({**GRANT, "client_id": "x"}, 401, "invalid_client"),
        ({**GRANT, "client_secret": "x"}, 401, "invalid_client"),
        ({**GRANT, "client_id": "a\0b", "client_secret": "x"}, 401, "invalid_client"),
        ({**GRANT, "client_id": "a" * 1000, "client_secret": "x"}, 401, "invalid_client"),
        ({**GRANT, "client_id": "ü", "client_secret": b"\xff\xfe"}, 401, "invalid_client"),
    ],
)
def test_an_incomplete_request_is_refused_by_the_book(body: dict[str, Any], status: int, error: str) -> None:
    answer = ask(body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]


def test_credentials_given_twice_are_refused(pair: tuple[str, str]) -> None:
    answer = ask(in_body(*pair), basic=":".join(pair))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("header", ["Basic", "Basic ***", "Basic bm9jb2xvbg==", "Basic /////w=="])
def test_an_unreadable_basic_header_is_refused(header: str) -> None:
    client = Client(raise_request_exception=False)
    kind = "application/x-www-form-urlencoded"
    answer = client.post("/oauth/token", "grant_type=client_credentials", kind, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_json_is_not_what_oauth_speaks(pair: tuple[str, str]) -> None:
    answer = ask(json.dumps(in_body(*pair)), content_type="application/json")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_only_post_is_answered(client: Client) -> None:
    assert client.get("/oauth/token").status_code == 405


def test_too_many_failures_are_refused_unlogged_and_the_right_secret_still_opens(pair: tuple[str, str]) -> None:
    answers = [ask(in_body(pair[0], f"guess {n}")).status_code for n in range(FAILURES_PER_WINDOW + 3)]
    assert answers == [401] * FAILURES_PER_WINDOW + [429] * 3
    assert len(failures()) == FAILURES_PER_WINDOW
    blocked = ask(in_body(pair[0], "guess"))
    assert int(blocked["Retry-After"]) > 0
    assert blocked.json()["error_description"] == "Too many failed sign-ins. Try again later."
    assert ask(in_body(*pair)).status_code == 200


def test_made_up_clients_share_one_limit_so_that_they_cannot_fill_the_log() -> None:
    for n in range(FAILURES_PER_WINDOW * 3):
        ask(in_body(f"made-up-{n}", "guess"))
    assert len(failures()) == FAILURES_PER_WINDOW
