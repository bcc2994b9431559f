"""Releasing: all is checked before anything is written, and the same content is released once."""

from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Team
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.errors import Invalid
from apps.core.models import OutboxEvent
from apps.policies import releases as loading
from apps.policies.evaluation import decide, replay
from apps.policies.models import ActiveRelease, PolicyRelease, PolicySet
from apps.policies.queries import active_releases, releases_of, tool_facts
from apps.policies.services import publish_release, validate_policies
from apps.policies.verdicts import ReleaseRef
from apps.registry.models import Process, Tool
from tests.conftest import at_once
from tests.policies.builders import CREDIT_POLICIES, THRESHOLDS, call, permit, release, tool

pytestmark = pytest.mark.django_db
ACTOR = system_actor("tests")


SLUG = "credit-control"
POLICIES = CREDIT_POLICIES.replace("order-to-cash", SLUG)


@pytest.fixture(autouse=True)
def nothing_cached():
    loading._releases.clear()


@pytest.fixture
def process(world) -> Process:
    """A process without policies, beside those of the world; the global set is in force."""
    team = Team.objects.get(slug="o2c-oncall")
    return Process.objects.create(slug=SLUG, name="Credit control", owner_team=team, oncall_team=team)


def credit(amount: str = "600.00", **changes):
    return call(amount, process=SLUG, **changes)


def own(table):
    """The rows that the set under test has in this table."""
    if table is AuditEntry:
        return AuditEntry.objects.filter(code="policy.released", process=SLUG).order_by("seq")
    if table is OutboxEvent:
        return OutboxEvent.objects.filter(name="PolicyReleased", subject=f"policy_set:{SLUG}")
    return table.objects.filter(policy_set__slug=SLUG)


def publish(process: Process | None, text: str = POLICIES, parameters=None, environments=("production",), **more):
    return publish_release(
        policy_set=process.slug if process else "global",
        process=process,
        text=text,
        parameters=(THRESHOLDS if text is POLICIES else {}) if parameters is None else parameters,
        environments=list(environments),
        actor=ACTOR,
        **more,
    )


def active(environment: str = "production") -> dict[str, int]:
    rows = own(ActiveRelease).filter(environment=environment).select_related("policy_set", "release")
    return {row.policy_set.slug: row.release.version for row in rows}


def test_the_first_release_makes_its_set_and_decides(process):
    made = publish(process, message="Start")
    assert (made.version, made.message, made.released_by) == (1, "Start", ACTOR.key)
    assert made.policy_set.process == process
    assert active() == {SLUG: 1}
    verdict = decide(credit(), active_releases(process_id=process.id, environment="production"))
    assert [(ref.id, ref.set, ref.version) for ref in verdict.policies] == [("credit-finance", SLUG, 1)]
    assert verdict.releases[0] == ReleaseRef(SLUG, 1, made.content_hash)
    assert [ref.set for ref in verdict.releases] == [SLUG, "global"]


def test_a_release_is_audited_per_environment_and_told_once(process):
    made = publish(process, environments=["staging", "production"], message="Start")
    entries = own(AuditEntry)
    assert [(entry.environment, entry.process, entry.reason) for entry in entries] == [
        ("staging", SLUG, "Start"),
        ("production", SLUG, "Start"),
    ]
    assert entries[0].data["content_hash"] == made.content_hash
    (event,) = own(OutboxEvent)
    assert event.body["environments"] == ["staging", "production"]
    assert event.body["version"] == 1


def test_the_same_content_is_released_once(process):
    first = publish(process)
    again = publish(process)
    assert again == first
    assert own(PolicyRelease).count() == 1
    assert own(AuditEntry).count() == 1
    assert own(OutboxEvent).count() == 1


def test_the_same_content_moves_on_under_its_version(process):
    first = publish(process, environments=["staging"])
    assert publish(process, environments=["staging", "production"]) == first
    assert active("production") == active("staging") == {SLUG: 1}
    assert own(AuditEntry).count() == 2


@pytest.mark.parametrize("change", ["text", "parameters"])
def test_other_content_is_the_next_version(process, change):
    publish(process, environments=["staging", "production"])
    raised = THRESHOLDS | {"credit_alone": THRESHOLDS["credit_alone"] | {"value": "600.00"}}
    if change == "text":
        publish(process, POLICIES + "// a remark", THRESHOLDS)
    else:
        publish(process, POLICIES, raised)
    assert (active("production"), active("staging")) == ({SLUG: 2}, {SLUG: 1})
    entry = own(AuditEntry).latest("seq")
    assert (entry.data["version"], entry.data["version_before"]) == (2, 1)


def test_a_release_decides_from_the_next_call_on(process):
    publish(process)
    before = active_releases(process_id=process.id, environment="production")
    assert decide(credit("550.00"), before).outcome == "require_approval"
    publish(process, POLICIES, THRESHOLDS | {"credit_alone": THRESHOLDS["credit_alone"] | {"value": "600.00"}})
    after = active_releases(process_id=process.id, environment="production")
    assert decide(credit("550.00"), after).outcome == "allow"


def test_a_global_set_decides_in_every_process(process):
    publish(process)
    releases = active_releases(process_id=process.id, environment="production")
    assert [release.ref.set for release in releases] == [SLUG, "global"]
    assert decide(credit(tool=tool(data_classes=("customer_master",))), releases).outcome == "deny"


def test_only_the_own_set_in_the_own_environment_decides(process):
    other = Process.objects.get(slug="procure-to-pay")
    publish(process)
    assert [found.ref.set for found in active_releases(process_id=other.id, environment="production")] == ["global"]
    assert active_releases(process_id=process.id, environment="staging") == ()


def test_releases_known_already_cost_nothing_but_asking_whether_they_changed(process):
    publish(process)
    active_releases(process_id=process.id, environment="production")
    with CaptureQueriesContext(connection) as again:
        active_releases(process_id=process.id, environment="production")
    assert len(again) == 1
    assert "core_generation" in again[0]["sql"]


def test_a_malformed_release_in_the_database_denies(process):
    publish(process, permit())
    broken = PolicyRelease.objects.create(
        policy_set=PolicySet.objects.get(slug=SLUG),
        version=9,
        text="permit (principal",
        schema_hash="",
        content_hash=release("permit (principal").ref.content_hash,
        released_by="x",
        released_at=clock.now(),
    )
    own(ActiveRelease).update(release=broken)
    verdict = decide(credit(), active_releases(process_id=process.id, environment="production"))
    assert verdict.outcome == "deny"
    assert f"{SLUG}@9 cannot be read" in verdict.errors[0]


def test_a_verdict_finds_its_releases_again(process):
    publish(process)
    verdict = decide(credit(), active_releases(process_id=process.id, environment="production"))
    publish(process, permit())
    loading._releases.clear()
    assert replay(verdict.input, releases_of(verdict.releases)) == verdict
    assert releases_of([ReleaseRef(SLUG, 7, "")]) == ()
    assert releases_of([]) == ()


def test_a_mistake_is_refused_before_anything_is_written(process):
    with pytest.raises(Invalid) as refused:
        publish(process, POLICIES.replace("context.money.minor >", "context.money.minr >", 1), THRESHOLDS)
    assert refused.value.code == "policy.invalid"
    assert refused.value.details["errors"] == [
        {
            "line": 16,
            "column": 20,
            "policy": "credit-finance",
            "sentence": "A call of erp.issue_credit_memo has no “money.minr”.",
        }
    ]
    assert "line 16" in refused.value.sentence
    assert not PolicySet.objects.filter(slug=SLUG).exists()
    assert not own(AuditEntry).exists()


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
        "policy_set": SLUG,
        "process": process,
        "text": permit(),
        "parameters": {},
        "environments": ["production"],
    }
    with pytest.raises(Invalid) as refused:
        publish_release(**(values | changes), actor=ACTOR)
    assert refused.value.code == code
    assert not PolicySet.objects.filter(slug=SLUG).exists()


def test_a_set_stays_with_its_process_and_a_process_with_its_set(process):
    other = Process.objects.get(slug="procure-to-pay")
    publish(process)
    for slug, owner in ((SLUG, other), ("second", process)):
        with pytest.raises(Invalid, match=r"policy\.wrong_process"):
            publish_release(
                policy_set=slug, process=owner, text=permit(), parameters={}, environments=["production"], actor=ACTOR
            )


def test_policies_are_checked_with_what_their_file_declares():
    """Nothing of it is in the database yet."""
    text = permit('principal == Agent::"new"', annotations='@approval("new-team:1")')
    text += '@id("x") @says("y") '
    text += 'forbid (principal in Process::"p", action == Action::"new.act", resource in Connector::"bare");'
    with pytest.raises(Invalid):
        validate_policies(policy_set="p", text=text, parameters={})
    declared = {"teams": ["new-team"], "connectors": ["bare"], "processes": ["p"], "agents": ["new"]}
    validate_policies(policy_set="p", text=text, parameters={}, tools=[tool("new.act")], **declared)
    assert not PolicySet.objects.filter(slug=SLUG).exists()


def test_a_declared_tool_replaces_the_one_in_the_registry(process):
    text = permit('action != Action::"erp.issue_credit_memo" || context.arguments has brand_new')
    text += '@id("n") @says("n") permit (principal, action == Action::"erp.issue_credit_memo", resource) '
    text += 'when { context.arguments.brand_new == "x" };'
    schema = {"type": "object", "required": ["brand_new"], "properties": {"brand_new": {"type": "string"}}}
    with pytest.raises(Invalid):
        validate_policies(policy_set=SLUG, text=text, parameters={})
    validate_policies(policy_set=SLUG, text=text, parameters={}, tools=[tool(input_schema=schema)])


def test_a_tool_of_the_registry_is_what_policies_see(process):
    row = Tool.objects.select_related("connector").get(name="erp.issue_credit_memo")
    facts = tool_facts(row)
    assert (facts.connector, facts.effect, facts.has_money, facts.is_irreversible) == ("erp", "write", True, False)
    assert (facts.input_schema, facts.definition_digest) == (row.input_schema, row.definition_digest)


@pytest.mark.django_db(transaction=True)
def test_publishers_of_one_set_wait_for_each_other(process):
    texts = [permit(name=f"p{n}") for n in range(6)]
    made = at_once([partial(publish, process, text) for text in texts])
    assert sorted(release.version for release in made) == [1, 2, 3, 4, 5, 6]
    (pointer,) = own(ActiveRelease)
    assert pointer.release.version == own(AuditEntry).last().data["version"]
