"""Who cannot say who they are gets 401 with the reason, before anything else is read."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.core.actor import system_actor
from apps.registry.services import revoke_credential
from tests.conftest import Robot, credit
from tests.contract.database import contents
from tests.contract.problems import problem_of
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

CALL = {"tool": "erp.issue_credit_memo", "arguments": credit(), "idempotency_key": "k-1"}

HEADERS = [
    ("no header", None, "token.missing"),
    ("another scheme", "Basic d3JpdGVyOnNlY3JldA==", "token.missing"),
    ("a scheme without a token", "Bearer", "token.invalid"),
    ("garbage", "Bearer nonsense", "token.invalid"),
    ("garbage like an agent's", "Bearer mca_eyJhIjoxfQ:abc", "token.invalid"),
    ("garbage like a person's", "Bearer mcp_abc", "token.invalid"),
    ("a null byte", "Bearer mcp_a\0b", "token.invalid"),
    ("letters outside ASCII", "Bearer mca_é", "token.invalid"),
    ("20,000 letters", "Bearer mca_" + "x" * 20_000, "token.invalid"),
]


def ask(header: str | None) -> Any:
    client = APIClient(raise_request_exception=False)
    if header is not None:
        client.credentials(HTTP_AUTHORIZATION=header)
    return client.post("/api/v1/tool-calls", CALL, format="json")


@pytest.mark.parametrize(("what", "header", "code"), HEADERS, ids=[row[0] for row in HEADERS])
def test_a_bad_token_is_401_and_nothing_is_written(
    writer: Robot, erp: FakeErp, what: str, header: str | None, code: str
) -> None:
    before = contents()
    answer = ask(header)

    assert problem_of(answer) == (401, code)
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert contents() == before
    assert erp.requests == []


def test_an_expired_token_is_401_and_says_where_to_get_another(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    time_passes(minutes=16)
    before = contents()
    answer = writer.call()

    assert problem_of(answer) == (401, "token.expired")
    assert "/oauth/token" in answer.json()["detail"]
    assert contents() == before
    assert erp.requests == []


def test_a_token_ends_with_the_credential_it_was_given_for(writer: Robot, erp: FakeErp) -> None:
    revoke_credential(credential=writer.credential, reason="leaked", actor=system_actor("tests"))
    before = contents()

    assert problem_of(writer.call()) == (401, "token.revoked")
    assert contents() == before
    assert erp.requests == []


def test_a_bad_token_is_refused_before_the_body_is_read(writer: Robot) -> None:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION="Bearer nonsense")

    assert problem_of(client.generic("POST", "/api/v1/tool-calls", "{not json", content_type="text/plain"))[0] == 401
