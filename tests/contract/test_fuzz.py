"""Whatever a program sends, it gets an answer the schema knows: never a 5xx, and every refusal a problem document.

Schemathesis makes the requests from the schema, half of them valid and half not; they run in this process. Always the same
ones, so that a failure of this commit is a fault of this commit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
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

from apps.gateway import longpoll
from meshconsole.wsgi import application
from tests.access.scene import Scene, undone
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

EXAMPLES = 40
KNOWN_TO = {"an agent": "writer", "a person": "script"}
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def scene(world: FakeErp, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(longpoll, "MAX_WAIT_SECONDS", 0.01)
    return Scene()


@contextmanager
def connection_kept() -> Iterator[None]:
    """The raw WSGI application ends each request by closing the connection, with our transaction on it. Django's own test
    client takes the same hooks away, and hangs them up again after each request of its own.
    """
    hooks = (signals.request_started, signals.request_finished)
    for hook in hooks:
        hook.disconnect(close_old_connections)
    yield
    for hook in hooks:
        hook.connect(close_old_connections)


def operations() -> list[Any]:
    schema = schemathesis.openapi.from_wsgi("/api/schema/", application)
    return [result.ok() for result in schema.get_all_operations()]


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_every_answer_is_one_the_schema_knows(scene: Scene, operation: Any) -> None:
    real_ids = ids_of(scene)
    tokens = {who: scene.client_of(role)._credentials["HTTP_AUTHORIZATION"] for who, role in KNOWN_TO.items()}
    cases = st.one_of(
        operation.as_strategy(GenerationMode.POSITIVE),
        operation.as_strategy(GenerationMode.NEGATIVE),
    )

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, who=st.sampled_from(sorted(tokens)), is_aimed=st.booleans())
    def answer(case: Any, who: str, is_aimed: bool) -> None:
        if is_aimed:
            aim(case, real_ids)
        response = undone(lambda: case.call(headers={"Authorization": tokens[who]}))
        case.validate_response(response, checks=CHECKS)
        check_refusal(response)

    with connection_kept():
        answer()


def ids_of(scene: Scene) -> dict[str, str]:
    return {
        "approval_id": str(scene.approval),
        "call_id": str(scene.call),
        "run_id": str(scene.run),
        "token_id": str(scene.token),
        "halt_id": str(scene._halt("agent", "triage")),
        "agent": "writer",
    }


def aim(case: Any, real_ids: dict[str, str]) -> None:
    """Let the request hit something: an unknown id or tool would be refused before the rest of it is read."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = real_ids[name]
    if isinstance(case.body, dict) and "tool" in case.body:
        case.body["tool"] = "erp.issue_credit_memo"


def check_refusal(response: Any) -> None:
    assert response.status_code < 500
    if response.status_code < 400:
        return
    body = response.json()
    assert response.headers["content-type"] == ["application/problem+json"]
    assert body["status"] == response.status_code
    assert body["code"]
    assert len(body["detail"]) > 10
