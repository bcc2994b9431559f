"""A process's `approvals` in a bootstrap file: rules and limits, by the services people use, and never against them."""

import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import User
from apps.approvals import services as approvals
from apps.approvals.models import AuthorityLimit, ConsentRules
from apps.audit.models import AuditEntry
from apps.console.bootstrap.load import Made, load
from apps.core.actor import system_actor
from apps.registry.models import Process
from apps.registry.services import assign_role
from tests.bootstrap.documents import changed, small
from tests.conftest import actor, person

pytestmark = pytest.mark.usefixtures("world")
BOOTSTRAP = system_actor("bootstrap")
HERE = "/processes/0/approvals"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "bootstrap.md"


def apply(document: Any = None) -> Made:
    return load(small() if document is None else document, actor=BOOTSTRAP)


def priya_owns_it() -> None:
    payouts = Process.objects.get(slug="payouts")
    assign_role(user=person("priya"), role="owner", process=payouts, actor=BOOTSTRAP)


def table() -> list[tuple[str, str, int, str]]:
    """(whose, currency, limit, reason) of the lines in force."""
    lines = AuthorityLimit.objects.filter(process__slug="payouts", ended_at=None).select_related("team", "person")
    return sorted((str(line.team or line.person), line.currency, line.limit_minor, line.reason) for line in lines)


def test_rules_and_limits_are_as_the_file_says() -> None:
    apply()
    rules = ConsentRules.objects.get(process__slug="payouts")
    assert rules.sla_seconds == 8 * 3600
    assert (rules.work_days, rules.work_starts, rules.work_ends) == ([0, 1, 2, 3], dt.time(8, 30), dt.time(16))
    assert (rules.holidays, rules.counts_twice, rules.undo_seconds) == ("ES-MD", True, 20)
    assert (rules.step_up, rules.votes_per_hour) == ({"EUR": 1_000_000}, 40)
    assert rules.second_look_percent == Decimal("2.50")
    assert rules.second_look_team is not None
    assert rules.second_look_team.slug == "treasury"
    assert rules.changed_by == "system:bootstrap"
    assert table() == [
        ("Tess Treasurer", "EUR", 2_000_000, "Head of treasury"),
        ("Treasury", "EUR", 500_000, "Board, 3 May"),
    ]


@pytest.mark.parametrize("declared", [{}, {"undo_seconds": 10.0, "second_look_percent": 2}])
def test_what_says_no_more_than_the_defaults_writes_nothing(declared: dict[str, Any]) -> None:
    apply(changed(HERE, declared))
    assert not ConsentRules.objects.filter(process__slug="payouts").exists()
    assert not AuditEntry.objects.filter(code="approval_rules.changed").exists()


def test_what_the_file_does_not_name_stays() -> None:
    apply()
    made = apply(changed(HERE, {"undo_seconds": 5}))
    rules = ConsentRules.objects.get(process__slug="payouts")
    assert (rules.undo_seconds, rules.sla_seconds, rules.holidays) == (5, 8 * 3600, "ES-MD")
    assert len(table()) == 2
    assert made.notes == []


def test_rules_that_a_person_changed_are_not_overwritten() -> None:
    apply()
    priya_owns_it()
    approvals.change_rules(actor=actor("priya"), process="payouts", undo_seconds=30)
    made = apply()
    assert made.notes == ["The rules of approvals in “payouts” were changed since. They stay as they are."]
    assert ConsentRules.objects.get(process__slug="payouts").undo_seconds == 30
    assert apply(changed(f"{HERE}/undo_seconds", 30)).notes == []


def test_a_limit_that_a_person_set_is_not_overwritten() -> None:
    apply()
    priya_owns_it()
    approvals.set_limit(
        actor=actor("priya"), process="payouts", team="treasury", currency="EUR", limit_minor=1, reason="Lower for now"
    )
    made = apply()
    assert made.notes == ["The limit of treasury in EUR in “payouts” was changed since. It stays as it is."]
    assert ("Treasury", "EUR", 1, "Lower for now") in table()
    assert apply(changed(f"{HERE}/limits/0/amount", "0.01")).notes == []


def test_a_limit_that_a_person_ended_is_not_set_again() -> None:
    apply()
    priya_owns_it()
    line = AuthorityLimit.objects.get(person__username="tess")
    approvals.end_limit(actor=actor("priya"), limit_id=line.id)
    log = AuditEntry.objects.count()
    made = apply()
    assert made.notes == ["The limit of tess in EUR in “payouts” was ended. It was not set again."]
    assert [whose for whose, *_ in table()] == ["Treasury"]
    assert AuditEntry.objects.count() == log


def test_a_changed_amount_ends_the_line_before_it() -> None:
    apply()
    apply(changed(f"{HERE}/limits/0/amount", "4000.00"))
    lines = AuthorityLimit.objects.filter(team__slug="treasury").order_by("set_at")
    assert [(line.limit_minor, line.ended_by) for line in lines] == [(500_000, "system:bootstrap"), (400_000, "")]


def test_who_was_deactivated_since_gets_no_new_limit_and_stops_no_load() -> None:
    apply()
    User.objects.filter(username="tess").update(is_active=False)
    assert apply().notes == []
    made = apply(changed(f"{HERE}/limits/1/amount", "1.00"))
    assert made.notes == ["The limit of tess in EUR in “payouts” was not set: tess is deactivated."]


def test_a_limit_may_name_who_is_in_the_console_already() -> None:
    limit = {"person": "dana", "currency": "JPY", "amount": "5000", "reason": "Cover"}
    apply(changed(f"{HERE}/limits", [limit]))
    assert table() == [("Dana Ruiz", "JPY", 5000, "Cover")]


def test_the_example_on_the_page_can_be_loaded_after_the_mesh_it_speaks_of() -> None:
    examples = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    meshes = [json.loads(text) for text in examples if text.startswith('{\n  "teams"') or "limits" in text]
    assert len(meshes) == 2
    for mesh in meshes:
        apply(mesh)
    lines = AuthorityLimit.objects.filter(process__slug="returns").values_list("limit_minor", flat=True)
    assert sorted(lines) == [50_000, 500_000]
    assert ConsentRules.objects.get(process__slug="returns").step_up == {"EUR": 100_000}
