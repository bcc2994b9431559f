"""Which roles see a class: the product's own rule, the mesh's, a process's, and who may change them."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import User
from apps.approvals import services as approvals
from apps.approvals.cards import cards_of
from apps.audit.models import AuditEntry
from apps.console.bootstrap.load import load
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.errors import Invalid, NotAllowed
from apps.core.models import OutboxEvent
from apps.registry import services as registry
from apps.registry.models import DataClassRule, Process
from apps.registry.sight import sight_of
from tests.bootstrap.documents import small
from tests.conftest import Robot, actor, parked, person
from tests.redaction.marking import MARKER, mark

pytestmark = pytest.mark.django_db
BOOTSTRAP = system_actor("bootstrap")
CLASSES = frozenset({"personal", "secret", "iban"})


def process() -> Process:
    return Process.objects.get(slug="order-to-cash")


def hidden(username: str | None) -> set[str]:
    return set(sight_of(actor(username) if username else None).hidden(process().id, CLASSES))


def test_without_a_rule_the_products_own_holds() -> None:
    for username in ("omar", "priya"):
        assert hidden(username) == {"secret"}
    for name in ("dana", "carla", "chen", "alex", "otto", None):
        assert hidden(name) == {"personal", "secret"}


def test_a_rule_of_the_process_goes_before_that_of_the_mesh() -> None:
    registry.set_data_class_rule(data_class="iban", roles=["compliance"], process=None, actor=BOOTSTRAP)
    assert "iban" not in hidden("chen")
    assert {"iban"} <= hidden("omar") & hidden(None) & hidden("alex")

    registry.set_data_class_rule(data_class="iban", roles=[], process=process(), actor=actor("priya"))
    assert "iban" in hidden("chen")


def test_a_role_elsewhere_shows_nothing_here() -> None:
    other = Process.objects.get(slug="procure-to-pay")
    registry.assign_role(user=person("chen"), role="operator", process=other, actor=BOOTSTRAP)
    assert "personal" in hidden("chen")
    registry.assign_role(user=person("chen"), role="operator", process=None, actor=BOOTSTRAP)
    assert "personal" not in hidden("chen")


def test_an_administrator_without_a_role_is_shown_masks() -> None:
    User.objects.filter(username="alex").update(is_superuser=True)
    assert "personal" in hidden("alex")


def test_setting_and_ending_a_rule_leaves_its_traces(api: Callable[[str], Any]) -> None:
    answer = api("priya").post(
        "/api/v1/data-class-rules",
        {"data_class": "personal", "roles": ["viewer", "viewer"], "process": "order-to-cash"},
        format="json",
    )
    assert answer.status_code == 200, answer.content
    assert answer.json()["roles"] == ["viewer"]
    rule_id = answer.json()["id"]
    assert api("dana").get("/api/v1/data-class-rules").json()["items"][0]["id"] == rule_id
    assert api("otto").get("/api/v1/data-class-rules").json()["items"] == []

    assert api("dana").delete(f"/api/v1/data-class-rules/{rule_id}").status_code == 403
    assert api("otto").delete(f"/api/v1/data-class-rules/{rule_id}").status_code == 404
    assert api("priya").delete(f"/api/v1/data-class-rules/{rule_id}").status_code == 204
    entries = AuditEntry.objects.filter(subject_type="data_class").order_by("seq")
    assert [(entry.code, entry.data["before"], entry.data["after"]) for entry in entries] == [
        ("data_class.rule_set", None, ["viewer"]),
        ("data_class.rule_ended", ["viewer"], None),
    ]
    assert OutboxEvent.objects.filter(name="DataClassRuleChanged").count() == 2


@pytest.mark.parametrize(
    ("username", "body", "status", "code"),
    [
        ("omar", {"process": "order-to-cash"}, 403, "permission.missing"),
        ("priya", {}, 403, "permission.missing"),
        ("priya", {"process": "procure-to-pay"}, 422, "process.unknown"),
        ("priya", {"process": "order-to-cash", "data_class": "secret"}, 422, "data_class.secret"),
        ("priya", {"process": "order-to-cash", "data_class": "two words"}, 422, "data_class.invalid"),
        ("priya", {"process": "order-to-cash", "roles": ["king"]}, 422, "role.unknown"),
    ],
)
def test_what_may_not_be_set(
    api: Callable[[str], Any], username: str, body: dict[str, Any], status: int, code: str
) -> None:
    whole = {"data_class": "personal", "roles": [], **body}
    answer = api(username).post("/api/v1/data-class-rules", whole, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not DataClassRule.objects.exists()


def test_the_file_sets_rules_and_leaves_what_a_person_changed() -> None:
    document = small() | {"data_classes": [{"data_class": "personal", "process": "payouts", "roles": ["viewer"]}]}
    load(document, actor=BOOTSTRAP)
    load(document, actor=BOOTSTRAP)
    rule = DataClassRule.objects.get()
    assert (rule.roles, rule.set_by) == (["viewer"], "system:bootstrap")
    assert AuditEntry.objects.filter(code="data_class.rule_set").count() == 1

    payouts = Process.objects.get(slug="payouts")
    registry.assign_role(user=person("priya"), role="owner", process=payouts, actor=BOOTSTRAP)
    registry.set_data_class_rule(data_class="personal", roles=[], process=payouts, actor=actor("priya"))
    assert "changed since" in load(document, actor=BOOTSTRAP).notes[-1]
    registry.end_data_class_rule(rule_id=rule.id, actor=actor("priya"))
    assert "was ended" in load(document, actor=BOOTSTRAP).notes[-1]
    assert not DataClassRule.objects.exists()


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"data_class": "secret", "roles": []}, "/data_classes/0/data_class"),
        ({"data_class": "a", "roles": ["king"]}, "/data_classes/0/roles/0"),
        ({"data_class": "a", "roles": [], "process": "nowhere"}, "/data_classes/0/process"),
    ],
)
def test_a_wrong_rule_in_the_file_is_told_with_its_place(rule: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        load(small() | {"data_classes": [rule]}, actor=BOOTSTRAP)
    assert [error["pointer"] for error in refused.value.details["errors"]] == [pointer]


def sees_it(username: str, approval: Any) -> bool:
    approval.refresh_from_db()
    return MARKER in cards_of([approval], actor(username))[approval.id]["sentence"]


def test_a_delegate_sees_what_they_may_vote_on(writer: Robot) -> None:
    mark(customer_id="personal")
    _, approval = parked(writer)
    assert not sees_it("otto", approval)
    approvals.delegate(
        actor=actor("dana"), receiver="otto", starts_at=clock.now(), ends_at=clock.now() + dt.timedelta(days=1)
    )
    assert sees_it("otto", approval)


def test_whoever_asked_for_it_is_not_asked_and_sees_a_mask(writer: Robot) -> None:
    mark(customer_id="personal")
    _, approval = parked(writer, on_behalf_of="dana")
    assert not sees_it("dana", approval)
    assert sees_it("felix", approval)


def test_after_the_decision_only_those_who_voted_still_see_it(writer: Robot) -> None:
    mark(customer_id="personal")
    _, approval = parked(writer)
    assert sees_it("dana", approval)
    assert sees_it("felix", approval)
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    assert sees_it("dana", approval)
    assert not sees_it("felix", approval)


def test_only_owners_set_rules_of_the_mesh_when_they_own_the_mesh() -> None:
    with pytest.raises(NotAllowed):
        registry.set_data_class_rule(data_class="iban", roles=[], process=None, actor=actor("priya"))
    registry.assign_role(user=person("priya"), role="owner", process=None, actor=BOOTSTRAP)
    registry.set_data_class_rule(data_class="iban", roles=[], process=None, actor=actor("priya"))
