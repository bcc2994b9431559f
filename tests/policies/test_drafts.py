"""Drafts: begun from what decides, saved by version, brought up to date, discarded; by those who may, seen by those who
may see.
"""

from functools import partial

import pytest

from apps.audit.models import AuditEntry
from apps.core.actor import system_actor
from apps.core.errors import Conflict, Invalid, MeshError, NotAllowed, NotFound
from apps.core.models import OutboxEvent
from apps.policies import services
from apps.policies.models import DraftVersion, PolicyDraft, PolicySet
from apps.policies.queries import version_of
from apps.policies.services import publish_release
from apps.registry.models import Process
from apps.registry.services import assign_role
from tests.conftest import actor, at_once, person
from tests.world import PARAMETERS, POLICY

pytestmark = pytest.mark.django_db
SET = "order-to-cash"


def limit(value: str):
    return {**PARAMETERS, "credit_alone": {**PARAMETERS["credit_alone"], "value": value}}


def begin(who: str = "priya", **more) -> PolicyDraft:
    return services.start_draft(actor=actor(who), policy_set=SET, **more)


def save(draft: PolicyDraft, who: str = "priya", *, version: int | None = None, **content) -> PolicyDraft:
    return services.save_draft(actor=actor(who), draft_id=draft.id, version=version or draft.version, **content)


def refused(act, *args, **kwargs) -> MeshError:
    with pytest.raises(MeshError) as refusal:
        act(*args, **kwargs)
    return refusal.value


def test_a_draft_begins_with_what_decides_in_production(world):
    draft = begin(message="Raise the limit")
    found = version_of(draft)
    assert (draft.base.version, draft.version, found.text, found.parameters) == (1, 1, POLICY, PARAMETERS)
    assert (draft.author.username, draft.message) == ("priya", "Raise the limit")
    [entry] = AuditEntry.objects.filter(code="policy.draft_started", subject_id=str(draft.id))
    assert entry.data["base"] == 1
    assert OutboxEvent.objects.filter(name="PolicyDraftChanged", subject=f"policy_draft:{draft.id}").count() == 1


def test_owner_and_engineer_edit_one_draft_and_both_stand_on_it(world):
    draft = begin("priya")
    save(draft, parameters=limit("750.00"))
    draft.refresh_from_db()
    saved = save(draft, "alex", text=POLICY + "// a remark\n")
    assert saved.version == 3
    found = version_of(saved)
    assert (found.parameters, found.text[-11:]) == (limit("750.00"), "// a remark\n"[-11:])
    assert [each.edited_by.username for each in saved.versions.all()] == ["priya", "priya", "alex"]


def test_saving_nothing_new_makes_no_version(world):
    draft = begin()
    assert save(draft, parameters=PARAMETERS).version == 1
    assert save(draft, message="Why").version == 2


@pytest.mark.parametrize("who", ["dana", "omar", "chen"])
def test_others_see_it_and_may_not_change_it(world, who):
    draft = begin()
    for act in (
        lambda: begin(who),
        lambda: save(draft, who, text=""),
        lambda: services.discard_draft(actor=actor(who), draft_id=draft.id, version=1),
        lambda: services.rebase_draft(actor=actor(who), draft_id=draft.id, version=1),
    ):
        error = refused(act)
        assert (type(error), error.code) == (NotAllowed, "permission.missing")


def test_who_sees_no_process_sees_no_draft(world):
    draft = begin()
    assert type(refused(save, draft, "otto", text="")) is NotFound
    assert type(refused(begin, "otto")) is NotFound


def test_the_global_set_is_changed_by_those_of_the_whole_mesh(world):
    error = refused(services.start_draft, actor=actor("priya"), policy_set="global")
    assert (type(error), error.sentence) == (NotAllowed, "You may not change policies in the whole mesh.")


def test_a_text_with_mistakes_is_saved_and_a_content_that_is_none_is_not(world):
    draft = begin()
    assert version_of(save(draft, text="permit (")).text == "permit ("
    draft.refresh_from_db()
    for content in (
        {"text": "x" * 600_000},
        {"text": "a\0b"},
        {"parameters": {"a": {"value": "b\0"}}},
        {"parameters": {"a": 2**60}},
        {"parameters": {"a": "x" * 300_000}},
        {"cases": [{"name": "x"}]},
    ):
        assert type(refused(save, draft, **content)) is Invalid, content.keys()
    assert DraftVersion.objects.filter(draft=draft).count() == 2


def test_who_saves_over_somebody_else_is_told_what_they_changed_and_offered_both(world):
    draft = begin("priya")
    save(draft, "alex", version=1, text=POLICY.replace('@expires("PT8H")', '@expires("PT4H")', 1))
    error = refused(save, draft, "priya", version=1, parameters=limit("750.00"))
    assert (type(error), error.code) == (Conflict, "policy.draft_stale")
    assert (error.details["version"], error.details["changed_by"]) == (2, "Alex Novak")
    assert [rule["id"] for rule in error.details["changed"]["rules"]] == ["credit-finance"]
    both = error.details["rebased"]
    assert both["clashes"] == []
    saved = save(draft, "priya", version=2, **{name: both[name] for name in ("text", "parameters", "cases")})
    found = version_of(saved)
    assert "PT4H" in found.text and found.parameters == limit("750.00")


def test_a_draft_is_brought_up_to_what_was_released_meanwhile(world):
    draft = begin()
    draft = save(draft, parameters=limit("750.00"))
    process = Process.objects.get(slug=SET)
    publish_release(
        policy_set=SET, process=process, text=POLICY + "// news\n", parameters=PARAMETERS, environments=["production"],
        actor=actor("priya"),
    )  # fmt: skip
    draft = services.rebase_draft(actor=actor("priya"), draft_id=draft.id, version=draft.version)
    found = version_of(draft)
    assert (draft.base.version, draft.version) == (2, 3)
    assert (found.text, found.parameters) == (POLICY + "// news\n", limit("750.00"))


def test_a_clash_with_what_was_released_asks_whose_is_to_stay(world):
    draft = save(begin(), parameters=limit("750.00"))
    process = Process.objects.get(slug=SET)
    publish_release(
        policy_set=SET, process=process, text=POLICY, parameters=limit("600.00"), environments=["production"],
        actor=actor("priya"),
    )  # fmt: skip
    error = refused(services.rebase_draft, actor=actor("priya"), draft_id=draft.id, version=2)
    assert (error.code, error.details["clashes"]) == (
        "policy.rebase_clash",
        [{"kind": "parameter", "name": "credit_alone"}],
    )
    draft = services.rebase_draft(actor=actor("priya"), draft_id=draft.id, version=2, prefer="theirs")
    assert version_of(draft).parameters == limit("600.00")


def test_a_discarded_draft_is_over(world):
    draft = begin()
    services.discard_draft(actor=actor("alex"), draft_id=draft.id, version=1)
    assert refused(save, draft, text="").code == "policy.draft_closed"
    assert AuditEntry.objects.filter(code="policy.draft_discarded", subject_id=str(draft.id)).count() == 1


def test_a_process_without_policies_gets_its_set_with_its_first_draft(world):
    team = Process.objects.get(slug=SET).owner_team
    process = Process.objects.create(slug="payouts", name="Payouts", owner_team=team, oncall_team=team)
    assert type(refused(services.start_draft, actor=actor("priya"), policy_set="payouts")) is NotFound
    assign_role(user=person("priya"), role="owner", process=process, actor=system_actor("tests"))
    draft = services.start_draft(actor=actor("priya"), policy_set="payouts")
    assert (draft.base, version_of(draft).text) == (None, "")
    assert PolicySet.objects.get(slug="payouts").process == process


@pytest.mark.django_db(transaction=True)
def test_of_many_who_save_one_version_at_once_one_is_written(world):
    draft = begin()

    def one(number: int) -> str:
        try:
            save(draft, "priya", version=1, parameters=limit(f"{600 + number}.00"))
        except Conflict as error:
            return error.code
        return "saved"

    outcomes = at_once([partial(one, number) for number in range(6)])
    assert sorted(outcomes) == ["policy.draft_stale"] * 5 + ["saved"]
    assert DraftVersion.objects.filter(draft=draft).count() == 2
