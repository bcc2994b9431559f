"""Budgets and rates in a bootstrap file: set by the services people use, and never against them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.budgets.models import Budget, Rate
from apps.budgets.services import Wanted, end_budget, end_rate, set_budget
from apps.console.bootstrap.load import Made, load
from apps.core.actor import system_actor
from apps.core.errors import Invalid
from tests.bootstrap.documents import small

pytestmark = pytest.mark.usefixtures("world")
BOOTSTRAP, OTHER = system_actor("bootstrap"), system_actor("tests")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "bootstrap.md"
BUDGET: dict[str, Any] = {
    "scope": {"type": "process", "id": "payouts"},
    "environment": "production",
    "measure": "money",
    "currency": "EUR",
    "window": "day",
    "cap": "25000.00",
    "reason": "Treasury",
}
RATE: dict[str, Any] = {
    "scope": {"type": "agent", "id": "paymaster"},
    "environment": "production",
    "capacity": 20,
    "refill_per_second": 0.5,
    "reason": "The bank is slow",
}


def document(budget: dict[str, Any] | None = None, rate: dict[str, Any] | None = None) -> dict[str, Any]:
    return small() | {"budgets": [BUDGET | (budget or {})], "rates": [RATE | (rate or {})]}


def apply(wanted: dict[str, Any] | None = None) -> Made:
    return load(wanted or document(), actor=BOOTSTRAP)


def test_both_are_set_and_say_who_set_them() -> None:
    apply()
    budget, rate = Budget.objects.get(), Rate.objects.get()

    assert (budget.cap, budget.currency, budget.window, budget.reason) == (2_500_000, "EUR", "day", "Treasury")
    assert (budget.time_zone, budget.set_by) == ("Europe/Madrid", "system:bootstrap")
    assert (rate.scope_name, rate.capacity, rate.refill_per_second) == ("Paymaster", 20, 0.5)
    codes = AuditEntry.objects.filter(code__in=["budget.set", "rate.set"]).values_list("actor_key", flat=True)
    assert list(codes) == ["system:bootstrap"] * 2


def test_a_second_run_changes_nothing_and_holds_no_decision_up() -> None:
    apply()
    before = AuditEntry.objects.count()
    with CaptureQueriesContext(connection) as queries:
        made = apply()

    assert (AuditEntry.objects.count(), made.notes) == (before, [])
    assert (Budget.objects.count(), Rate.objects.count()) == (1, 1)
    assert not [query["sql"] for query in queries if "7302" in query["sql"]]


def test_what_the_file_says_differently_is_changed_on_the_same_ledger() -> None:
    apply()
    apply(document({"cap": "30000.00"}, {"capacity": 40}))

    assert Budget.objects.get().cap == 3_000_000
    assert Rate.objects.get(ended_at=None).capacity == 40
    assert AuditEntry.objects.filter(code="budget.changed").count() == 1


def test_what_a_person_changed_stays_and_is_told() -> None:
    apply()
    set_budget(actor=OTHER, wanted=Wanted("process", "payouts", "production", "money", "day", 100, currency="EUR"))
    Rate.objects.update(set_by="person:x", capacity=7)
    notes = apply().notes

    assert (Budget.objects.get().cap, Rate.objects.get().capacity) == (100, 7)
    assert [note.partition(" was ")[2] for note in notes] == ["changed since. It stays as it is."] * 2


def test_what_was_ended_is_not_set_again() -> None:
    apply()
    end_budget(actor=OTHER, budget_id=Budget.objects.get().id, reason="No more")
    end_rate(actor=OTHER, rate_id=Rate.objects.get().id, reason="No more")
    notes = apply().notes

    assert not Budget.objects.filter(ended_at=None).exists()
    assert not Rate.objects.filter(ended_at=None).exists()
    assert [note.partition(" was ")[2] for note in notes] == ["ended. It was not set again."] * 2


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"scope": {"type": "planet", "id": "x"}}, "/scope/type"),
    ({"scope": {"type": "process", "id": "nothing"}}, "/scope/id"),
    ({"scope": {"type": "process"}}, "/scope/id"),
    ({"scope": {"type": "mesh", "id": "x"}}, "/scope/id"),
    ({"scope": {"type": "agent", "id": "paymaster"}, "environment": "sandbox"}, "/scope/id"),
    ({"scope": {"type": "team", "id": "finance-approvers-of-none"}}, "/scope/id"),
    ({"scope": {"type": "business_unit", "id": "moon"}}, "/scope/id"),
    ({"environment": "moon"}, "/environment"),
    ({"measure": "colour"}, "/measure"),
    ({"window": "year"}, "/window"),
    ({"currency": "EURO"}, "/cap"),
    ({"cap": 25000}, "/cap"),
    ({"cap": "25000.001"}, "/cap"),
    ({"cap": "-1.00"}, "/cap"),
    ({"cap": "a lot"}, "/cap"),
    ({"estimate": "0.00"}, "/estimate"),
    ({"measure": "calls", "currency": "EUR", "cap": 10}, "/currency"),
    ({"measure": "tokens", "currency": "", "cap": 10}, "/estimate"),
    ({"measure": "steps", "currency": "", "cap": 10}, "/window"),
    ({"reason": ""}, "/reason"),
    ({"color": "red"}, "/color"),
]
WRONG_RATES: list[tuple[dict[str, Any], str]] = [
    ({"scope": {"type": "team", "id": "treasury"}}, "/scope/type"),
    ({"scope": {"type": "tool", "id": "bank.nothing"}}, "/scope/id"),
    ({"environment": "staging"}, "/scope/id"),
    ({"capacity": 0}, "/capacity"),
    ({"refill_per_second": 0}, "/refill_per_second"),
    ({"color": "red"}, "/color"),
]


@pytest.mark.parametrize(
    ("budget", "rate", "pointer"),
    [(wrong, None, f"/budgets/0{pointer}") for wrong, pointer in WRONG]
    + [(None, wrong, f"/rates/0{pointer}") for wrong, pointer in WRONG_RATES],
)
def test_each_mistake_is_told_where_it_stands_and_nothing_is_made(
    budget: dict[str, Any] | None, rate: dict[str, Any] | None, pointer: str
) -> None:
    before = AuditEntry.objects.count()
    with pytest.raises(Invalid) as refusal:
        apply(document(budget, rate))

    assert pointer in {error["pointer"] for error in refusal.value.details["errors"]}
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize("section", ["budgets", "rates"])
def test_the_same_twice_is_refused(section: str) -> None:
    wanted = document()
    wanted[section] *= 2
    with pytest.raises(Invalid) as refusal:
        apply(wanted)
    assert [error["pointer"] for error in refusal.value.details["errors"]] == [f"/{section}/1"]


@pytest.mark.parametrize(
    "scope", [{"type": "mesh"}, {"type": "team", "id": "treasury"}, {"type": "agent", "id": "paymaster"}]
)
def test_every_scope_of_the_same_file_can_be_named(scope: dict[str, str]) -> None:
    apply(document({"scope": scope}))
    assert Budget.objects.get().scope_type == scope["type"]


def test_what_the_page_shows_can_be_loaded() -> None:
    shown = next(text for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL) if '"rates"' in text)
    declared = json.loads(shown)
    budget, rate = declared["budgets"][0], declared["rates"][0]
    apply(document(budget | {"scope": BUDGET["scope"]}, rate | {"scope": BUDGET["scope"]}))
    assert Budget.objects.get().cap == 2_500_000


def test_decisions_wait_for_a_file_that_sets_a_budget() -> None:
    with CaptureQueriesContext(connection) as queries:
        apply()
    locking = [number for number, query in enumerate(queries) if "7302" in query["sql"]]
    writing = [number for number, query in enumerate(queries) if query["sql"].startswith(("INSERT", "UPDATE"))]
    assert locking[0] < writing[0], "taken before any row, so that nobody waits in a ring"
