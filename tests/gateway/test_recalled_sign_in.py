"""A call is signed in by what the process remembers. Nothing may come of what was true earlier and is not now."""

import pytest

from apps.core import clock
from apps.core.actor import system_actor
from apps.gateway.models import ToolCall
from apps.registry.models import AgentCredential, Grant
from apps.registry.services import revoke_credential
from tests.conftest import Robot
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")


def test_a_credential_revoked_since_ends_the_next_call(writer: Robot, erp: FakeErp) -> None:
    assert writer.call(key="before").status_code == 200
    revoke_credential(credential=writer.credential, reason="leaked", actor=SYSTEM)

    answer = writer.call(key="after")

    assert (answer.status_code, answer.json()["code"]) == (401, "token.revoked")
    assert len(erp.ledger) == 1
    assert not ToolCall.objects.filter(idempotency_key="after").exists()


def test_and_one_revoked_in_the_database_alone(writer: Robot, erp: FakeErp) -> None:
    assert writer.call(key="before").status_code == 200
    AgentCredential.objects.filter(agent=writer.agent).update(revoked_at=clock.now())

    assert writer.call(key="after").status_code == 401
    assert len(erp.ledger) == 1


def test_nor_does_it_learn_what_would_be_decided(writer: Robot) -> None:
    assert writer.call(key="before").status_code == 200
    revoke_credential(credential=writer.credential, reason="leaked", actor=SYSTEM)

    assert writer.call(key="after", dry_run=True).status_code == 401


def test_a_tool_granted_since_may_be_called_at_once(writer: Robot, erp: FakeErp) -> None:
    grant = Grant.objects.get(agent=writer.agent, tool__name="erp.issue_credit_memo")
    Grant.objects.filter(id=grant.id).update(revoked_at=grant.given_at)
    assert writer.call(key="before").status_code == 404
    Grant.objects.filter(id=grant.id).update(revoked_at=None)

    assert writer.call(key="after").status_code == 200


def test_a_grant_that_ended_since_ends_the_next_call(writer: Robot, erp: FakeErp) -> None:
    assert writer.call(key="before").status_code == 200
    grant = Grant.objects.get(agent=writer.agent, tool__name="erp.issue_credit_memo")
    Grant.objects.filter(id=grant.id).update(revoked_at=grant.given_at)

    assert writer.call(key="after").status_code == 404
    assert len(erp.ledger) == 1


def test_the_list_of_calls_asks_the_database(writer: Robot) -> None:
    assert writer.call(key="before").status_code == 200
    revoke_credential(credential=writer.credential, reason="leaked", actor=SYSTEM)

    assert writer.api().get("/api/v1/tool-calls").status_code == 401
