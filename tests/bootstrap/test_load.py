"""What a bootstrap file makes, and that making it again changes nothing."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Team, User
from apps.approvals.models import AuthorityLimit, ConsentRules
from apps.audit.models import AuditEntry
from apps.console.bootstrap.load import Made, load
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.models import OutboxEvent
from apps.policies.models import ActiveRelease, PolicyRelease, ReleaseRequest, RequestKind, RequestState
from apps.policies.services import publish_release
from apps.registry.models import Agent, AgentCredential, Connector, Grant, Process, RoleAssignment, Tool
from apps.registry.permissions import APPROVE, AUDIT
from apps.registry.queries import holds, holds_mesh_wide
from apps.registry.services import revoke_credential, revoke_grant, sign_in_agent
from apps.registry.tokens import agent_for_token
from apps.vault.secrets import reveal
from tests.bootstrap.documents import changed, small
from tests.conftest import actor, at_once, person

pytestmark = pytest.mark.usefixtures("world")
BOOTSTRAP = system_actor("bootstrap")
MESH = (User, Team, Process, RoleAssignment, Connector, Tool, Agent, AgentCredential, Grant, PolicyRelease)
TABLES = (*MESH, ConsentRules, AuthorityLimit)


def apply(document: Any = None) -> Made:
    return load(small() if document is None else document, actor=BOOTSTRAP)


def everything() -> list[Any]:
    """Every row of every table that a file can touch, the log and the outbox."""
    return [list(model._default_manager.order_by("pk").values()) for model in (*TABLES, AuditEntry, OutboxEvent)]


def test_everything_of_the_file_is_there() -> None:
    made = apply()
    tess, theo = person("tess"), person("theo")
    process = Process.objects.get(slug="payouts")
    assert (process.owner_team.slug, process.time_zone, process.currencies) == ("treasury", "Europe/Madrid", ["EUR"])
    assert process.run_time_budget_seconds == 8 * 3600
    assert (tess.name, tess.time_zone) == ("Tess Treasurer", "Europe/Madrid")
    assert holds(actor("tess"), APPROVE, process)
    assert holds_mesh_wide(actor("tess"), AUDIT)
    assert not holds(actor("theo"), AUDIT, process)
    endpoint = Connector.objects.get(slug="bank").endpoints.get()
    assert (endpoint.auth_type, endpoint.auth_name, reveal(endpoint.secret)) == ("header", "X-Key", "a literal secret")
    assert endpoint.breaker["min_calls"] == 10
    assert not endpoint.allow_private_addresses
    agent = Agent.objects.get(slug="paymaster")
    assert (agent.built_by.slug, agent.environment) == ("o2c-builders", "production")
    until = Grant.objects.get(agent=agent, tool__name="bank.pay").expires_at
    assert until == dt.datetime(2999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    assert ActiveRelease.objects.get(policy_set__slug="payouts").release.version == 1

    assert [(entry["username"], tess.check_password(entry["password"])) for entry in made.people] == [("tess", True)]
    assert theo.check_password("a literal password")
    assert made.notes == []


def test_the_credentials_it_tells_sign_the_agent_in() -> None:
    (pair,) = apply().credentials
    assert pair["agent"] == "paymaster"
    token, _ = sign_in_agent(client_id=pair["client_id"], client_secret=pair["client_secret"], address="")
    assert agent_for_token(token).agent.slug == "paymaster"


def test_a_second_run_changes_nothing_tells_nothing_and_logs_nothing() -> None:
    apply()
    before = everything()
    made = apply()
    assert everything() == before
    assert (made.credentials, made.people, made.notes) == ([], [], [])


def test_the_log_names_each_thing_made_and_no_secret() -> None:
    before = AuditEntry.objects.latest("seq").seq
    made = apply()
    log = AuditEntry.objects.filter(seq__gt=before)
    codes = list(log.values_list("code", flat=True))
    for code, count in {
        "team.made": 1,
        "process.registered": 1,
        "person.created": 2,
        "team.member_added": 1,
        "role.assigned": 2,
        "connector.registered": 1,
        "tool.registered": 2,
        "agent.registered": 1,
        "credential.made": 1,
        "grant.given": 2,
        "policy.released": 1,
        "approval_rules.changed": 1,
        "authority.limit_set": 2,
    }.items():
        assert codes.count(code) == count, code
    assert set(log.values_list("actor_key", flat=True)) == {"system:bootstrap"}
    text = str(list(log.values()))
    for secret in ("a literal secret", "a literal password", made.people[0]["password"]):
        assert secret not in text
    assert made.credentials[0]["client_secret"] not in text


@pytest.mark.parametrize(
    ("pointer", "value", "code"),
    [
        ("/teams/0/name", "The treasury", "team.renamed"),
        ("/processes/0/currencies", ["EUR", "USD"], "process.changed"),
        ("/people/0/email", "tess@example.net", "person.changed"),
        ("/connectors/0/environments/production/timeout_seconds", 3, "connector.changed"),
        ("/tools/0/says", "Transfer {money} to {payee}", "tool.changed"),
        ("/agents/0/owner_team", "o2c-oncall", "agent.changed"),
        ("/grants/0/reason", "Pays suppliers", "grant.changed"),
        ("/policies/0/parameters/alone/value", "50.00", "policy.released"),
        ("/processes/0/approvals/sla", None, "approval_rules.changed"),
        ("/processes/0/approvals/step_up", {}, "approval_rules.changed"),
        ("/processes/0/approvals/second_look_team", None, "approval_rules.changed"),
        ("/processes/0/approvals/limits/0/amount", "4000.00", "authority.limit_set"),
        ("/processes/0/approvals/limits/1/reason", "Deputy", "authority.limit_set"),
    ],
)
def test_a_changed_file_changes_just_that(pointer: str, value: Any, code: str) -> None:
    apply()
    before = AuditEntry.objects.latest("seq").seq
    made = apply(changed(pointer, value))
    assert list(AuditEntry.objects.filter(seq__gt=before).values_list("code", flat=True)) == [code]
    assert (made.credentials, made.people) == ([], [])


def test_a_part_of_a_mesh_may_refer_to_what_is_there_already() -> None:
    apply()
    load({"grants": [{"agent": "writer", "tool": "bank.find", "reason": "Checks"}]}, actor=BOOTSTRAP)
    assert Grant.objects.filter(agent__slug="writer", tool__name="bank.find").exists()
    load({}, actor=BOOTSTRAP)


def test_a_password_is_never_reset() -> None:
    apply()
    tess = person("tess")
    tess.set_password("her own choice")
    tess.save()
    assert apply(changed("/people/0/password", "another")).people == []
    assert person("tess").check_password("her own choice")


def test_a_grant_that_someone_revoked_is_not_given_again() -> None:
    apply()
    grant = Grant.objects.select_related("agent__process", "tool").get(tool__name="bank.pay")
    revoke_grant(grant=grant, reason="access review", actor=BOOTSTRAP)
    made = apply()
    assert not Grant.objects.filter(tool__name="bank.pay", revoked_at=None).exists()
    assert made.notes == ["paymaster's grant of bank.pay was revoked. It was not given again."]


def test_an_agent_whose_credentials_were_all_revoked_gets_no_new_one() -> None:
    apply()
    credential = AgentCredential.objects.select_related("agent__process").get(agent__slug="paymaster")
    revoke_credential(credential=credential, reason="leaked", actor=BOOTSTRAP)
    made = apply()
    assert made.credentials == []
    assert made.notes == ["All credentials of paymaster were revoked. No new one was made."]


def test_a_threshold_that_a_person_changed_survives_the_next_run_of_the_same_file() -> None:
    apply()
    parameters = {"alone": {"type": "money", "value": "10.00", "currency": "EUR", "label": "Alone"}}
    publish_release(
        policy_set="payouts",
        process=Process.objects.get(slug="payouts"),
        text=small()["policies"][0]["text"],
        parameters=parameters,
        environments=["production"],
        actor=actor("priya"),
    )
    made = apply()
    assert ActiveRelease.objects.get(policy_set__slug="payouts").release.parameters == parameters
    assert made.notes == ["The policies of “payouts” in production were changed since. They stay as they are."]
    apply(changed("/policies/0/parameters/alone/value", "70.00"))
    assert ActiveRelease.objects.get(policy_set__slug="payouts").release.version == 3


def test_what_is_released_by_review_no_file_changes() -> None:
    apply()
    active = ActiveRelease.objects.get(policy_set__slug="payouts")
    publish_release(
        policy_set="payouts",
        process=Process.objects.get(slug="payouts"),
        text=small()["policies"][0]["text"] + "// reviewed",
        parameters=active.release.parameters,
        environments=["production"],
        actor=actor("priya"),
    )
    ReleaseRequest.objects.create(
        policy_set=active.policy_set,
        kind=RequestKind.RELEASE,
        environment="production",
        schema_hash="0" * 64,
        requester=person("priya"),
        requested_at=clock.now(),
        state=RequestState.DONE,
    )
    made = apply(changed("/policies/0/parameters/alone/value", "70.00"))
    assert made.notes == ["The policies of “payouts” in production are released by review. They stay as they are."]
    assert ActiveRelease.objects.get(policy_set__slug="payouts").release.version == 2


def test_a_file_may_go_back_to_what_an_earlier_file_said() -> None:
    apply()
    apply(changed("/policies/0/parameters/alone/value", "50.00"))
    apply()
    active = ActiveRelease.objects.get(policy_set__slug="payouts").release
    assert active.parameters["alone"]["value"] == "100.00"


def test_a_second_run_costs_a_bounded_number_of_queries() -> None:
    apply()
    with CaptureQueriesContext(connection) as queries:
        apply()
    assert len(queries) < 120


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_make_one_of_each() -> None:
    first, second = at_once([apply, apply])
    assert len(first.credentials + second.credentials) == 1
    assert len(first.people + second.people) == 1
    assert AgentCredential.objects.filter(agent__slug="paymaster").count() == 1
    assert AuditEntry.objects.filter(code="tool.registered", subject_name="bank.pay").count() == 1
