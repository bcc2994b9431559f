"""Access tokens of agents: fifteen minutes, one query, and dead with their credential."""

from typing import Any

import pytest
from django.core.signing import Signer
from pytest_django import DjangoAssertNumQueries

from apps.core.actor import ActorKind, system_actor
from apps.core.errors import NotAuthenticated
from apps.registry import tokens
from apps.registry.models import AgentCredential
from apps.registry.services import make_credential, revoke_credential
from tests.conftest import Robot

pytestmark = pytest.mark.usefixtures("world")
SYSTEM = system_actor("test")


def code_of(token: str) -> str:
    with pytest.raises(NotAuthenticated) as refusal:
        tokens.agent_for_token(token)
    return refusal.value.code


def test_a_token_says_who_the_agent_is_in_one_query_once_it_is_known(
    writer: Robot, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token, lifetime_seconds = tokens.issue(writer.credential)
    assert lifetime_seconds == 900
    tokens.agent_for_token(token)
    with django_assert_num_queries(1):
        signed_in = tokens.agent_for_token(token)
        names = (signed_in.agent.process.slug, signed_in.agent.owner_team.slug, signed_in.agent.built_by.slug)
    assert names == ("order-to-cash", "o2c-oncall", "o2c-builders")
    assert signed_in.agent == writer.agent
    assert signed_in.credential == writer.credential
    assert (signed_in.actor.kind, signed_in.actor.key) == (ActorKind.AGENT, "agent:writer")


def test_a_token_holds_for_fifteen_minutes_and_no_longer(writer: Robot, time_passes: Any) -> None:
    token, _ = tokens.issue(writer.credential)
    time_passes(minutes=14, seconds=58)
    assert tokens.agent_for_token(token).agent == writer.agent
    time_passes(minutes=15)
    assert code_of(token) == "token.expired"


def test_a_revoked_credential_ends_its_tokens_and_no_others(writer: Robot) -> None:
    other, _ = make_credential(agent=writer.agent, actor=SYSTEM)
    token, token_of_other = tokens.issue(writer.credential)[0], tokens.issue(other)[0]
    revoke_credential(credential=writer.credential, reason="leaked", actor=SYSTEM)
    assert code_of(token) == "token.revoked"
    assert tokens.agent_for_token(token_of_other).credential == other


def test_a_deleted_credential_ends_its_tokens(writer: Robot) -> None:
    token, _ = tokens.issue(writer.credential)
    AgentCredential.objects.filter(agent=writer.agent).delete()
    assert code_of(token) == "token.revoked"


def test_a_token_that_was_changed_or_signed_elsewhere_is_invalid(writer: Robot) -> None:
    token, _ = tokens.issue(writer.credential)
    claims = {"credential": str(writer.credential.id), "until": 99999999999}
    for forged in (
        token[:-1],
        token.replace("mca_e", "mca_f"),
        tokens.PREFIX,
        tokens.PREFIX + Signer(salt="another").sign_object(claims),
        tokens.PREFIX + Signer(key="another", salt="registry.agent-access-token").sign_object(claims),
    ):
        assert code_of(forged) == "token.invalid"


def refusal_of(client: Any) -> tuple[int, str]:
    answer = client.get("/api/v1/tools")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["detail"]
    return answer.status_code, answer.json()["code"]


def test_the_api_answers_401_with_the_reason(writer: Robot, time_passes: Any) -> None:
    client = writer.api()
    assert client.get("/api/v1/tools").status_code == 200
    time_passes(minutes=16)
    assert refusal_of(client) == (401, "token.expired")
    time_passes()
    revoke_credential(credential=writer.credential, reason="leaked", actor=SYSTEM)
    assert refusal_of(client) == (401, "token.revoked")
    client.credentials(HTTP_AUTHORIZATION="Bearer mca_nonsense")
    assert refusal_of(client) == (401, "token.invalid")


def test_a_token_decides_over_a_session_in_the_same_request(writer: Robot, api: Any) -> None:
    client = api("dana")
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {writer.token}")
    assert client.get("/api/v1/tokens").json()["code"] == "people.only"
