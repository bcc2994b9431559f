"""Whatever a program sends, it gets an answer the schema knows: never a 5xx, and every refusal a problem document.

Schemathesis makes the requests from the schema, valid and not; they run in this process. Always the same ones, so that
a failure of this commit is a fault of this commit.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.conf import settings as product
from django.core import signals
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.accounts import services as accounts
from apps.core import clock
from apps.gateway import longpoll
from meshconsole.wsgi import application
from tests.access.scene import Scene, undone
from tests.conftest import actor, credit, person
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

# For each of three callers on each operation; all of it takes some ten seconds.
EXAMPLES = 10
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
CSRF_TOKEN = "a" * 32


@pytest.fixture
def scene(world: FakeErp, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(longpoll, "MAX_WAIT_SECONDS", 0.01)
    return Scene()


def operations() -> list[Any]:
    schema = schemathesis.openapi.from_wsgi("/api/schema/", application)
    schema.config.generation.update(with_security_parameters=False)
    return [result.ok() for result in schema.get_all_operations()]


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_every_answer_is_one_the_schema_knows(scene: Scene, operation: Any) -> None:
    ids, words = ids_of(scene), words_of(scene)
    callers = [{"headers": bearer(scene.writer.token)}, session_of(scene, "dana"), {"headers": token_of("omar")}]
    cases = operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE)
    with connection_kept():
        for credentials in callers:
            answer_all(cases, ids, words, credentials)


def answer_all(cases: Any, ids: dict[str, str], words: dict[str, Any], credentials: dict[str, Any]) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, has_real_id=st.booleans(), real_words=st.sets(st.sampled_from(sorted(words))))
    def answer(case: Any, has_real_id: bool, real_words: set[str]) -> None:
        if has_real_id:
            case.path_parameters.update({name: ids[name] for name in case.path_parameters or {}})
        if isinstance(case.body, dict):
            case.body.update({name: words[name] for name in real_words & case.body.keys()})
        response = undone(lambda: case.call(**credentials))
        case.validate_response(response, checks=CHECKS)
        check_refusal(response)

    answer()


def check_refusal(response: Any) -> None:
    assert response.status_code < 500
    if response.status_code < 400:
        return
    body = response.json()
    assert response.headers["content-type"] == ["application/problem+json"]
    assert body["status"] == response.status_code
    assert body["code"]
    assert len(body["detail"]) > 10


def ids_of(scene: Scene) -> dict[str, str]:
    """Ids there are, by the name of the path parameter: with made-up ones alone, all would end at a 404."""
    return {
        "approval_id": str(scene.approval),
        "call_id": str(scene.call),
        "run_id": str(scene.run),
        "step_id": str(scene.step),
        "token_id": str(scene.token),
        "rule_id": str(scene.data_class_rule),
        "view_id": str(scene.saved_view),
        "selection_id": str(scene.selection),
        "bulk_id": str(scene.bulk),
        "request_id": str(scene.returned),
        "look_id": str(scene.look),
        "limit_id": str(scene.limit),
        "delegation_id": str(scene.delegation),
        "budget_id": str(scene.budget),
        "rate_id": str(scene.rate),
        "hold_id": str(scene.run_hold),
        "endpoint_id": str(scene.endpoint),
        "drill_id": str(scene.drill),
        "slug": scene.rule,
        "policy_set": scene.process,
        "version": "1",
        "number": "1",
        "artifact_id": str(scene.artifact),
        "draft_id": str(scene.policy_draft),
        "review_id": str(scene.policy_review),
        "exception_id": str(scene.policy_exception),
        "replay_id": str(scene.policy_replay),
        "action_id": str(scene.ungoverned),
        "process": "order-to-cash",
        "halt_id": str(scene.place_halt("agent", "triage")),
        "agent": "writer",
    }


def words_of(scene: Scene) -> dict[str, Any]:
    """Words that mean something, by the name of the body's member."""
    return {
        "tool": "erp.issue_credit_memo",
        "arguments": credit(),
        "run_id": str(scene.run),
        "scope": {"type": "agent", "id": "triage"},
        "environment": "production",
        "mode": "hold",
        "reason_code": "drill",
        "expires_at": None,
        "verdict": "approve",
        "digest": scene.waiting[1].digest,
        "state": "succeeded",
        "ids": [str(scene.approval)],
        "query": "view=all",
        "until": (clock.now() + dt.timedelta(hours=1)).isoformat(),
        "stages": [{"team": "finance-approvers"}],
        "payload_sha256": "b" * 64,
        "idempotency_key": "returned",
    }


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token_of(username: str) -> dict[str, str]:
    return bearer(accounts.make_token(user=person(username), name="fuzz", days=1, actor=actor(username))[1])


def session_of(scene: Scene, username: str) -> dict[str, Any]:
    session = scene.client_of(username).cookies[product.SESSION_COOKIE_NAME].value
    cookies = {product.SESSION_COOKIE_NAME: session, product.CSRF_COOKIE_NAME: CSRF_TOKEN}
    return {"cookies": cookies, "headers": {"X-CSRFToken": CSRF_TOKEN}}


@contextmanager
def connection_kept() -> Iterator[None]:
    """The raw WSGI application ends each request by closing the connection, with our transaction on it. Django's own
    test client takes the same hooks away, and hangs them up again after each request of its own.
    """
    hooks = (signals.request_started, signals.request_finished)
    for hook in hooks:
        hook.disconnect(close_old_connections)
    yield
    for hook in hooks:
        hook.connect(close_old_connections)
