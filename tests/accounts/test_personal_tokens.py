"""Personal tokens: made in a session, told once, the person they belong to, and no more."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from apps.accounts.models import PersonalToken, User
from apps.accounts.services import make_token, revoke_token
from apps.accounts.tokens import digest_of
from apps.audit.models import AuditEntry
from apps.core.actor import system_actor
from apps.core.errors import Invalid, NotAllowed, NotFound
from tests.conftest import Robot, actor, person

pytestmark = pytest.mark.usefixtures("world")
URL = "/api/v1/tokens"


def bearer(secret: str) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def made(username: str = "dana", days: int = 30) -> tuple[PersonalToken, str]:
    return make_token(user=person(username), name="Script", days=days, actor=actor(username))


def test_a_person_makes_lists_and_revokes_a_token(api: Any) -> None:
    client = api("dana")
    answer = client.post(URL, {"name": "Month-end script", "days": 7}, format="json")
    assert answer.status_code == 201
    body = answer.json()
    assert body.keys() == {"id", "name", "created_at", "expires_at", "revoked_at", "secret"}
    assert body["secret"].startswith("mcp_")

    listed = client.get(URL).json()
    assert [token["name"] for token in listed["items"]] == ["Month-end script"]
    assert "secret" not in listed["items"][0]
    assert bearer(body["secret"]).get("/api/v1/agents").status_code == 200

    assert client.delete(f"{URL}/{body['id']}").status_code == 204
    assert bearer(body["secret"]).get("/api/v1/agents").json()["code"] == "token.revoked"
    log = AuditEntry.objects.filter(subject_id=body["id"]).order_by("seq")
    assert [(entry.code, entry.actor_key) for entry in log] == [
        ("token.made", actor("dana").key),
        ("token.revoked", actor("dana").key),
    ]


def test_the_database_keeps_the_digest_alone() -> None:
    token, secret = made()
    assert token.digest == digest_of(secret)
    assert len(secret.removeprefix("mcp_")) >= 43  # 256 bits in base64
    assert secret not in str(list(PersonalToken.objects.values()))
    assert secret not in str(list(AuditEntry.objects.values()))


def refusal_of(client: APIClient) -> tuple[int, str]:
    answer = client.get("/api/v1/agents")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    return answer.status_code, answer.json()["code"]


def test_a_token_ends_with_its_time(time_passes: Any) -> None:
    _, secret = made(days=1)
    time_passes(hours=23, minutes=59)
    assert bearer(secret).get("/api/v1/agents").status_code == 200
    time_passes(hours=24)
    assert refusal_of(bearer(secret)) == (401, "token.expired")


def test_a_token_ends_with_its_person() -> None:
    _, secret = made()
    User.objects.filter(username="dana").update(is_active=False)
    assert refusal_of(bearer(secret)) == (401, "token.revoked")


@pytest.mark.parametrize("secret", ["mcp_unknown", "unknown", "mcp_", "", "a b c"])
def test_an_unknown_token_is_refused(secret: str) -> None:
    assert refusal_of(bearer(secret)) == (401, "token.invalid")


def test_another_scheme_is_no_token() -> None:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION="Basic ZGFuYTpwdw==")
    assert refusal_of(client)[0] == 401


def test_a_bad_token_is_not_rescued_by_a_session(api: Any) -> None:
    client = api("dana")
    client.credentials(HTTP_AUTHORIZATION="Bearer mcp_unknown")
    assert refusal_of(client) == (401, "token.invalid")


def test_a_token_cannot_make_or_revoke_tokens() -> None:
    token, secret = made()
    answer = bearer(secret).post(URL, {"name": "Another"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "token.session_only")
    answer = bearer(secret).delete(f"{URL}/{token.id}")
    assert (answer.status_code, answer.json()["code"]) == (403, "token.session_only")
    assert PersonalToken.objects.get() == token
    assert bearer(secret).get(URL).status_code == 200


def test_nobody_sees_or_revokes_anothers_tokens(api: Any) -> None:
    token, secret = made("omar")
    assert api("dana").get(URL).json()["items"] == []
    answer = api("dana").delete(f"{URL}/{token.id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "token.not_found")
    with pytest.raises(NotFound):
        revoke_token(token=token, actor=actor("dana"))
    with pytest.raises(NotFound):
        make_token(user=person("omar"), name="-", days=1, actor=actor("dana"))
    assert bearer(secret).get("/api/v1/agents").status_code == 200


def test_an_agent_has_no_personal_tokens(writer: Robot) -> None:
    for answer in (writer.api().get(URL), writer.api().post(URL, {"name": "-"}, format="json")):
        assert (answer.status_code, answer.json()["code"]) == (403, "people.only")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/name"), ({"name": ""}, "/name"), ({"name": "a\0b"}, "/name"), ({"name": "x", "days": 0}, "/days")],
)
def test_a_bad_request_is_refused_with_pointers(api: Any, body: dict[str, Any], pointer: str) -> None:
    answer = api("dana").post(URL, body, format="json")
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert not PersonalToken.objects.exists()


def test_a_session_without_the_csrf_token_changes_nothing() -> None:
    client = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(URL, {"name": "x"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf.failed")
    assert client.get(URL).status_code == 200


def test_the_service_refuses_what_the_api_refuses() -> None:
    with pytest.raises(NotAllowed) as refusal:
        make_token(user=person("dana"), name="-", days=1, actor=actor("dana", via="token"))
    assert refusal.value.code == "token.session_only"
    for days in (0, 366):
        with pytest.raises(Invalid):
            made(days=days)


def test_make_token_prints_a_secret_that_works(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("make_token", "dana", "--name", "Month end", "--days", "3")
    secret = capsys.readouterr().out.strip()
    assert bearer(secret).get("/api/v1/agents").status_code == 200
    assert AuditEntry.objects.get(code="token.made").actor_key == "system:command-line"
    for arguments in (["nobody", "--name", "x"], ["dana", "--name", "x", "--days", "9999"]):
        with pytest.raises(CommandError):
            call_command("make_token", *arguments)
    User.objects.filter(username="dana").update(is_active=False)
    with pytest.raises(CommandError):
        call_command("make_token", "dana", "--name", "x")
    assert make_token(user=person("omar"), name="x", days=1, actor=system_actor("test"))[0].user == person("omar")
