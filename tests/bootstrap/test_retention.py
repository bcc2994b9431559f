"""How long content is kept, from a bootstrap file: set by the service people use, and never against them."""

from typing import Any

import pytest

from apps.console.bootstrap.load import Made, load
from apps.core.actor import system_actor
from apps.core.errors import Invalid
from apps.registry.models import Process
from apps.retention.models import RetentionRule
from apps.retention.services import end_retention_rule, set_retention_rule
from tests.bootstrap.documents import small

pytestmark = pytest.mark.usefixtures("world")
BOOTSTRAP, OTHER = system_actor("bootstrap"), system_actor("tests")
RULE: dict[str, Any] = {"content": "calls", "data_class": "personal", "process": "payouts", "days": 90}


def apply(*rules: dict[str, Any]) -> Made:
    return load(small() | {"retention": list(rules or [RULE])}, actor=BOOTSTRAP)


def test_rules_are_set_and_a_second_run_changes_nothing() -> None:
    apply(RULE, {"content": "spans", "days": 30})
    again = apply(RULE, {"content": "spans", "days": 30})

    found = {(rule.content, rule.data_class, rule.days, rule.set_by) for rule in RetentionRule.objects.all()}
    assert found == {("calls", "personal", 90, "system:bootstrap"), ("spans", "", 30, "system:bootstrap")}
    assert not again.notes
    apply(RULE | {"days": 60})
    assert RetentionRule.objects.get(content="calls").days == 60


def test_what_a_person_changed_or_ended_stays_so() -> None:
    apply()
    process = Process.objects.get(slug="payouts")
    rule = set_retention_rule(content="calls", data_class="personal", days=365, process=process, actor=OTHER)
    changed = apply()
    end_retention_rule(rule_id=rule.id, actor=OTHER)
    ended = apply()

    assert changed.notes == ["How long “calls personal” is kept in “payouts” was changed since. It stays as it is."]
    assert ended.notes == ["How long “calls personal” is kept in “payouts” was ended. It was not set again."]
    assert not RetentionRule.objects.exists()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"content": "mails"}, "/retention/0/content"),
        ({"days": 0}, "/retention/0/days"),
        ({"process": "nowhere"}, "/retention/0/process"),
        ({"content": "reported"}, "/retention/0/data_class"),
        ({"content": "spans", "data_class": ""}, "/retention/0/process"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], pointer: str) -> None:
    wrong = {name: value for name, value in (RULE | change).items() if value != ""}
    with pytest.raises(Invalid) as refusal:
        apply(wrong)
    assert [problem["pointer"] for problem in refusal.value.details["errors"]] == [pointer]
