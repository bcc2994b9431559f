"""Agents, their credentials and their grants."""

import datetime as dt
from typing import Any

import pytest

from apps.accounts.models import Team
from apps.accounts.tokens import digest_of
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound
from apps.registry.models import Agent, AgentCredential, Grant, Process, Tool
from apps.registry.services import give_grant, make_credential, register_agent, revoke_credential, revoke_grant
from tests.conftest import Robot, actor

pytestmark = pytest.mark.usefixtures("world")
SYSTEM = system_actor("test")


def new_agent(**more: Any) -> dict[str, Any]:
    return {
        "slug": "dunning",
        "name": "Dunning",
        "process": Process.objects.get(slug="order-to-cash"),
        "environment": "production",
        "owner_team": Team.objects.get(slug="o2c-oncall"),
        "built_by": Team.objects.get(slug="o2c-builders"),
        "actor": actor("alex"),
        **more,
    }


def codes(subject: object) -> list[str]:
    return list(AuditEntry.objects.filter(subject_id=str(subject)).order_by("seq").values_list("code", flat=True))


def test_an_engineer_registers_and_changes_an_agent() -> None:
    agent = register_agent(**new_agent())
    assert register_agent(**new_agent()) == agent
    renamed = register_agent(**new_agent(name="Collections"))
    assert (renamed.id, renamed.name) == (agent.id, "Collections")
    assert codes(agent.id) == ["agent.registered", "agent.changed"]
    entry = AuditEntry.objects.get(code="agent.changed", subject_id=str(agent.id))
    assert (entry.process, entry.environment, entry.data["fields"]) == ("order-to-cash", "production", ["name"])


@pytest.mark.parametrize("place", [{"environment": "sandbox"}, {"process": "procure-to-pay"}])
def test_an_agent_stays_in_its_process_and_environment(place: dict[str, str]) -> None:
    agent = register_agent(**new_agent())
    moved: dict[str, Any] = dict(place)
    if "process" in place:
        moved["process"] = Process.objects.get(slug=place["process"])
    with pytest.raises(Conflict) as refusal:
        register_agent(**new_agent(**moved, actor=SYSTEM))
    assert refusal.value.code == "agent.bound"
    agent.refresh_from_db()
    assert (agent.process.slug, agent.environment) == ("order-to-cash", "production")


def test_an_agent_with_an_odd_slug_or_environment_is_refused() -> None:
    for more in ({"slug": "0198c0de-0000-7000-8000-000000000000"}, {"environment": "moon"}):
        with pytest.raises(Invalid):
            register_agent(**new_agent(**more))
    assert Agent.objects.count() == 3


@pytest.mark.parametrize(
    ("username", "error"), [("dana", NotAllowed), ("omar", NotAllowed), ("priya", NotAllowed), ("otto", NotFound)]
)
def test_nobody_but_an_engineer_of_the_process_changes_agents_credentials_and_grants(
    username: str, error: type[Exception], writer: Robot
) -> None:
    tool, grant = Tool.objects.get(name="erp.find"), Grant.objects.filter(agent=writer.agent).first()
    assert grant is not None
    who = actor(username)
    before = AuditEntry.objects.count()
    for act in (
        lambda: register_agent(**new_agent(actor=who)),
        lambda: make_credential(agent=writer.agent, actor=who),
        lambda: revoke_credential(credential=writer.credential, reason="-", actor=who),
        lambda: give_grant(agent=writer.agent, tool=tool, reason="-", actor=who),
        lambda: revoke_grant(grant=grant, reason="-", actor=who),
    ):
        with pytest.raises(error):
            act()
    assert AuditEntry.objects.count() == before


def test_an_agent_gives_itself_nothing(writer: Robot) -> None:
    tool = Tool.objects.create(
        name="erp.pay", connector_id=Tool.objects.all()[0].connector_id, request={}, input_schema={}
    )
    with pytest.raises(NotAllowed):
        give_grant(agent=writer.agent, tool=tool, reason="I want it", actor=writer.actor)
    with pytest.raises(NotAllowed):
        make_credential(agent=writer.agent, actor=writer.actor)


def test_a_credential_keeps_the_digest_and_who_made_it_and_tells_the_secret_once(writer: Robot) -> None:
    credential, secret = make_credential(agent=writer.agent, actor=actor("alex"))
    stored = AgentCredential.objects.get(pk=credential.pk)
    assert stored.secret_digest == digest_of(secret)
    assert stored.made_by == actor("alex").key
    assert len(secret.removeprefix("mcs_")) >= 43  # 256 bits in base64
    assert secret not in str(AuditEntry.objects.filter(subject_id=str(credential.id)).values())
    assert make_credential(agent=writer.agent, actor=actor("alex"))[1] != secret


def test_revoking_twice_is_one_end(writer: Robot) -> None:
    grant = Grant.objects.filter(agent=writer.agent).select_related("agent__process", "tool")[0]
    for _ in range(2):
        revoke_credential(credential=writer.credential, reason="leaked", actor=SYSTEM)
        revoke_grant(grant=grant, reason="no longer its job", actor=actor("alex"))
    assert codes(writer.credential.id).count("credential.revoked") == 1
    assert codes(grant.id).count("grant.revoked") == 1
    assert AuditEntry.objects.get(code="grant.revoked").reason == "no longer its job"
    assert Grant.objects.get(pk=grant.pk).revoked_by == actor("alex").key


def test_a_grant_says_who_gave_it_why_and_until_when(writer: Robot) -> None:
    tool = Tool.objects.get(name="erp.find")
    revoke_grant(grant=Grant.objects.get(agent=writer.agent, tool=tool), reason="-", actor=SYSTEM)
    until = clock.now() + dt.timedelta(days=30)
    grant = give_grant(agent=writer.agent, tool=tool, reason="Month end", expires_at=until, actor=actor("alex"))
    assert (grant.given_by, grant.reason, grant.expires_at) == (actor("alex").key, "Month end", until)
    assert give_grant(agent=writer.agent, tool=tool, reason="Month end", expires_at=until, actor=actor("alex")) == grant
    longer = give_grant(agent=writer.agent, tool=tool, reason="Quarter end", actor=actor("alex"))
    assert (longer.id, longer.reason, longer.expires_at) == (grant.id, "Quarter end", None)
    assert codes(grant.id) == ["grant.given", "grant.changed"]
