"""Releasing: all is checked before anything is written, and the same content is released once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Team
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.errors import Invalid
from apps.core.models import OutboxEvent
from apps.policies import evaluation
from apps.policies.evaluation import decide
from apps.policies.models import ActiveRelease, PolicyRelease, PolicySet
from apps.policies.queries import active_releases, releases_of, tool_facts
from apps.policies.services import publish_release, validate_policies
from apps.policies.verdicts import ReleaseRef
from apps.registry.models import Agent, Connector, Process, Tool
from tests.policies.builders import (
    CREDIT_POLICIES,
    CREDIT_SCHEMA,
    NO_MASTER_DATA,
    THRESHOLDS,
    call,
    permit,
    release,
    tool,
)

pytestmark = pytest.mark.django_db
ACTOR = system_actor("tests")


@pytest.fixture(autouse=True)
def nothing_cached():
    evaluation._releases.clear()


@pytest.fixture
def process() -> Process:
    """Order to cash with its teams, one agent and the credit tool."""
    teams = {
        slug: Team.objects.create(slug=slug, name=slug) for slug in ("o2c-oncall", "finance-approvers", "cfo-office")
    }
    oncall = teams["o2c-oncall"]
    process = Process.objects.create(slug="order-to-cash", name="Order to cash", owner_team=oncall, oncall_team=oncall)
    Agent.objects.create(
        slug="o2c-writer", name="Writer", process=process, environment="production", owner_team=oncall, built_by=oncall
    )
    erp = Connector.objects.create(slug="erp", name="ERP")
    for facts in (tool(), tool("erp.find_credit_memo", effect="read", has_money=False)):
        Tool.objects.create(
            name=facts.name,
            connector=erp,
            definition_digest=facts.definition_digest,
            title=facts.name,
            says=facts.name,
            effect=facts.effect,
            is_reversible=not facts.is_irreversible,
            data_classes=list(facts.data_classes),
            money_amount="/amount" if facts.has_money else "",
            money_currency="/currency" if facts.has_money else "",
            request={},
            input_schema=CREDIT_SCHEMA,
        )
    return process


def publish(
    process: Process | None, text: str = CREDIT_POLICIES, parameters=None, environments=("production",), **more
):
    return publish_release(
        policy_set=process.slug if process else "global",
        process=process,
        text=text,
        parameters=(THRESHOLDS if text is CREDIT_POLICIES else {}) if parameters is None else parameters,
        environments=list(environments),
        actor=ACTOR,
        **more,
    )


def active(environment: str = "production") -> dict[str, int]:
    rows = ActiveRelease.objects.filter(environment=environment).select_related("policy_set", "release")
    return {row.policy_set.slug: row.release.version for row in rows}


def test_the_first_release_makes_its_set_and_decides(process):
    made = publish(process, message="Start")
    assert (made.version, made.message, made.released_by) == (1, "Start", ACTOR.key)
    assert made.policy_set.process == process
    assert active() == {"order-to-cash": 1}
    verdict = decide(call("600.00"), active_releases(process_id=process.id, environment="production"))
    assert [(ref.id, ref.set, ref.version) for ref in verdict.policies] == [("credit-finance", "order-to-cash", 1)]
    assert verdict.releases == (ReleaseRef("order-to-cash", 1, made.content_hash),)


def test_a_release_is_audited_per_environment_and_told_once(process):
    made = publish(process, environments=["staging", "production"], message="Start")
    entries = AuditEntry.objects.filter(code="policy.released").order_by("seq")
    assert [(entry.environment, entry.process, entry.reason) for entry in entries] == [
        ("staging", "order-to-cash", "Start"),
        ("production", "order-to-cash", "Start"),
    ]
    assert entries[0].data["content_hash"] == made.content_hash
    (event,) = OutboxEvent.objects.filter(name="PolicyReleased")
    assert event.body["environments"] == ["staging", "production"]
    assert event.subject == "policy_set:order-to-cash"


def test_the_same_content_is_released_once(process):
    first = publish(process)
    again = publish(process)
    assert again == first
    assert PolicyRelease.objects.count() == 1
    assert AuditEntry.objects.filter(code="policy.released").count() == 1
    assert OutboxEvent.objects.filter(name="PolicyReleased").count() == 1


def test_the_same_content_moves_on_under_its_version(process):
    first = publish(process, environments=["staging"])
    assert publish(process, environments=["staging", "production"]) == first
    assert active("production") == active("staging") == {"order-to-cash": 1}
    assert AuditEntry.objects.filter(code="policy.released").count() == 2


@pytest.mark.parametrize("change", ["text", "parameters"])
def test_other_content_is_the_next_version(process, change):
    publish(process, environments=["staging", "production"])
    raised = THRESHOLDS | {"credit_alone": THRESHOLDS["credit_alone"] | {"value": "600.00"}}
    if change == "text":
        publish(process, CREDIT_POLICIES + "// a remark", THRESHOLDS)
    else:
        publish(process, CREDIT_POLICIES, raised)
    assert (active("production"), active("staging")) == ({"order-to-cash": 2}, {"order-to-cash": 1})
    entry = AuditEntry.objects.filter(code="policy.released").latest("seq")
    assert (entry.data["version"], entry.data["version_before"]) == (2, 1)


def test_a_release_decides_from_the_next_call_on(process):
    publish(process)
    before = active_releases(process_id=process.id, environment="production")
    assert decide(call("550.00"), before).outcome == "require_approval"
    publish(process, CREDIT_POLICIES, THRESHOLDS | {"credit_alone": THRESHOLDS["credit_alone"] | {"value": "600.00"}})
    after = active_releases(process_id=process.id, environment="production")
    assert decide(call("550.00"), after).outcome == "allow"


def test_a_global_set_decides_in_every_process(process):
    publish(process)
    publish(None, NO_MASTER_DATA)
    releases = active_releases(process_id=process.id, environment="production")
    assert [release.ref.set for release in releases] == ["global", "order-to-cash"]
    assert decide(call(tool=tool(data_classes=("customer_master",))), releases).outcome == "deny"


def test_only_the_own_set_in_the_own_environment_decides(process):
    other = Process.objects.create(
        slug="other", name="Other", owner_team=process.owner_team, oncall_team=process.owner_team
    )
    publish(process)
    assert active_releases(process_id=other.id, environment="production") == ()
    assert active_releases(process_id=process.id, environment="staging") == ()


def test_releases_known_already_cost_one_query_without_their_text(process):
    publish(process)
    publish(None, NO_MASTER_DATA)
    with CaptureQueriesContext(
        connection,
    ) as first:
        active_releases(process_id=process.id, environment="production")
    assert len(first) == 2
    with CaptureQueriesContext(connection) as second:
        active_releases(process_id=process.id, environment="production")
    assert len(second) == 1
    assert '"text"' not in second[0]["sql"]


def test_a_malformed_release_in_the_database_denies(process):
    broken = PolicyRelease.objects.create(
        policy_set=PolicySet.objects.create(slug="global"),
        version=9,
        text="permit (principal",
        schema_hash="",
        content_hash=release("permit (principal").ref.content_hash,
        released_by="x",
        released_at=clock.now(),
    )
    ActiveRelease.objects.create(
        policy_set=broken.policy_set, environment="production", release=broken, since=clock.now(), activated_by="x"
    )
    publish(process)
    verdict = decide(call(), active_releases(process_id=process.id, environment="production"))
    assert verdict.outcome == "deny"
    assert "global@9 cannot be read" in verdict.errors[0]


def test_a_verdict_finds_its_releases_again(process):
    publish(process)
    verdict = decide(call("600.00"), active_releases(process_id=process.id, environment="production"))
    publish(process, permit())
    evaluation._releases.clear()
    assert evaluation.replay(verdict.input, releases_of(verdict.releases)) == verdict
    assert releases_of([ReleaseRef("order-to-cash", 7, "")]) == ()
    assert releases_of([]) == ()


def test_a_mistake_is_refused_before_anything_is_written(process):
    with pytest.raises(Invalid) as refused:
        publish(process, CREDIT_POLICIES.replace("context.money.minor >", "context.money.minr >", 1), THRESHOLDS)
    assert refused.value.code == "policy.invalid"
    assert refused.value.details["errors"] == [
        {
            "line": 14,
            "column": 20,
            "policy": "credit-finance",
            "sentence": "A call of erp.issue_credit_memo has no “money.minr”.",
        }
    ]
    assert "line 14" in refused.value.sentence
    assert not PolicySet.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"policy_set": "global"}, "policy.wrong_process"),
        ({"process": None}, "policy.wrong_process"),
        ({"environments": ["prod"]}, "policy.unknown_environment"),
        ({"parameters": {"x": 1}}, "policy.invalid"),
        ({"text": permit(annotations='@approval("nobody:1")')}, "policy.invalid"),
    ],
)
def test_what_cannot_be_released(process, changes, code):
    values = {
        "policy_set": "order-to-cash",
        "process": process,
        "text": permit(),
        "parameters": {},
        "environments": ["production"],
    }
    with pytest.raises(Invalid) as refused:
        publish_release(**(values | changes), actor=ACTOR)
    assert refused.value.code == code
    assert not PolicySet.objects.exists()


def test_a_set_stays_with_its_process_and_a_process_with_its_set(process):
    other = Process.objects.create(
        slug="other", name="Other", owner_team=process.owner_team, oncall_team=process.owner_team
    )
    publish(process)
    for slug, owner in (("order-to-cash", other), ("second", process)):
        with pytest.raises(Invalid, match=r"policy\.wrong_process"):
            publish_release(
                policy_set=slug, process=owner, text=permit(), parameters={}, environments=["production"], actor=ACTOR
            )


def test_policies_are_checked_with_what_their_file_declares():
    """Nothing of it is in the database yet."""
    text = permit('principal == Agent::"new"', annotations='@approval("new-team:1")')
    text += '@id("x") @says("y") forbid (principal in Process::"p", action == Action::"new.act", resource in Connector::"bare");'
    with pytest.raises(Invalid):
        validate_policies(policy_set="p", text=text, parameters={})
    declared = {"teams": ["new-team"], "connectors": ["bare"], "processes": ["p"], "agents": ["new"]}
    validate_policies(policy_set="p", text=text, parameters={}, tools=[tool("new.act")], **declared)
    assert not PolicySet.objects.exists()


def test_a_declared_tool_replaces_the_one_in_the_registry(process):
    text = permit('action != Action::"erp.issue_credit_memo" || context.arguments has brand_new')
    text += '@id("n") @says("n") permit (principal, action == Action::"erp.issue_credit_memo", resource) '
    text += 'when { context.arguments.brand_new == "x" };'
    schema = {"type": "object", "required": ["brand_new"], "properties": {"brand_new": {"type": "string"}}}
    with pytest.raises(Invalid):
        validate_policies(policy_set="order-to-cash", text=text, parameters={})
    validate_policies(policy_set="order-to-cash", text=text, parameters={}, tools=[tool(input_schema=schema)])


def test_a_tool_of_the_registry_is_the_same_facts(process):
    row = Tool.objects.select_related("connector").get(name="erp.issue_credit_memo")
    assert tool_facts(row) == tool()
