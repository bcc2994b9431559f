"""A file with anything wrong in it changes nothing, and says all that is wrong at once."""

from typing import Any

import pytest

from apps.accounts.models import Team, User
from apps.audit.models import AuditEntry
from apps.console.bootstrap import load as loading
from apps.console.bootstrap.load import load
from apps.core.actor import system_actor
from apps.core.errors import Invalid
from apps.registry.models import Process
from tests.bootstrap.documents import changed, small

pytestmark = pytest.mark.usefixtures("world")
BOOTSTRAP = system_actor("bootstrap")
APPROVALS = "/processes/0/approvals"


def problems_of(document: Any) -> dict[str, str]:
    """Sentence by pointer; and nothing may have changed."""
    before = AuditEntry.objects.count()
    with pytest.raises(Invalid) as refusal:
        load(document, actor=BOOTSTRAP)
    assert AuditEntry.objects.count() == before
    assert not Team.objects.filter(slug="treasury").exists()
    return {error["pointer"]: error["sentence"] for error in refusal.value.details["errors"]}


@pytest.mark.parametrize(
    ("pointer", "value", "expected"),
    [
        ("/colour", "red", "/colour"),
        ("/teams/0/color", "red", "/teams/0/color"),
        ("/teams/0/slug", "two words", "/teams/0/slug"),
        ("/teams/0/name", "", "/teams/0/name"),
        ("/teams", {}, "/teams"),
        ("/processes/0/slug", "global", "/processes/0/slug"),
        ("/processes/0/owner_team", "nobody", "/processes/0/owner_team"),
        ("/processes/0/oncall_team", "nobody", "/processes/0/oncall_team"),
        ("/processes/0/time_zone", "Mars/Olympus", "/processes/0/time_zone"),
        ("/processes/0/run_time_budget", "8 hours", "/processes/0/run_time_budget"),
        ("/processes/0/currencies/0", "EURO", "/processes/0/currencies/0"),
        ("/people/0/email", "tess", "/people/0/email"),
        ("/people/0/email", "DANA@example.com", "/people/0/email"),
        ("/people/1/email", "TESS@bank.example.org", "/people/1/email"),
        ("/people/1/username", "tess", "/people/1/username"),
        ("/people/0/password", "", "/people/0/password"),
        ("/people/0/password", 7, "/people/0/password"),
        ("/people/0/teams/0", "nobody", "/people/0/teams/0"),
        ("/people/0/roles/0/role", "king", "/people/0/roles/0/role"),
        ("/people/0/roles/0/process", "nothing", "/people/0/roles/0/process"),
        ("/people/0/roles/0", {"role": "approver"}, "/people/0/roles/0/process"),
        ("/connectors/0/environments/moon", {"base_url": "https://x"}, "/connectors/0/environments/moon"),
        ("/connectors/0/environments/production/base_url", "ftp://x", "/connectors/0/environments/production/base_url"),
        (
            "/connectors/0/environments/production/base_url",
            "https://me:pw@x",
            "/connectors/0/environments/production/base_url",
        ),
        (
            "/connectors/0/environments/production/auth",
            {"type": "bearer"},
            "/connectors/0/environments/production/auth/secret",
        ),
        (
            "/connectors/0/environments/production/auth",
            {"type": "none", "secret": "x"},
            "/connectors/0/environments/production/auth/secret",
        ),
        ("/tools/0/connector", "nothing", "/tools/0/connector"),
        ("/tools/0/lookup/tool", "bank.nothing", "/tools/0/lookup/tool"),
        ("/tools/0/says", "Pay {sum}", "/tools/0/says"),
        ("/tools/1/name", "bank.pay", "/tools/1/name"),
        ("/agents/0/process", "nothing", "/agents/0/process"),
        ("/agents/0/environment", "moon", "/agents/0/environment"),
        ("/agents/0/built_by", "nobody", "/agents/0/built_by"),
        ("/agents/0/slug", "0198c0de-0000-7000-8000-000000000000", "/agents/0/slug"),
        ("/agents/0/slug", "payer", "/agents/0/process"),
        ("/grants/0/agent", "nobody", "/grants/0/agent"),
        ("/grants/0/tool", "bank.nothing", "/grants/0/tool"),
        ("/grants/0/reason", "", "/grants/0/reason"),
        ("/grants/0/expires_at", "tomorrow", "/grants/0/expires_at"),
        ("/grants/0/expires_at", "2030-01-01T00:00:00", "/grants/0/expires_at"),
        ("/grants/1/tool", "bank.pay", "/grants/1"),
        ("/policies/0/set", "nothing", "/policies/0/set"),
        ("/policies/0/environments", [], "/policies/0/environments"),
        ("/policies/0/text", "permit (principal", "/policies/0/text"),
        ("/policies/0/parameters/alone/currency", "EURO", "/policies/0/parameters"),
        (f"{APPROVALS}/color", "red", f"{APPROVALS}/color"),
        (f"{APPROVALS}/sla", "8 hours", f"{APPROVALS}/sla"),
        (f"{APPROVALS}/work_days", [], f"{APPROVALS}/work_days"),
        (f"{APPROVALS}/work_days", [1, 1], f"{APPROVALS}/work_days"),
        (f"{APPROVALS}/work_days/0", 7, f"{APPROVALS}/work_days/0"),
        (f"{APPROVALS}/work_hours", ["09:00"], f"{APPROVALS}/work_hours"),
        (f"{APPROVALS}/work_hours", ["17:00", "09:00"], f"{APPROVALS}/work_hours"),
        (f"{APPROVALS}/work_hours/1", "24:00", f"{APPROVALS}/work_hours/1"),
        (f"{APPROVALS}/holidays", "XX", f"{APPROVALS}/holidays"),
        (f"{APPROVALS}/holidays", "DE-XX", f"{APPROVALS}/holidays"),
        (f"{APPROVALS}/counts_twice", 1, f"{APPROVALS}/counts_twice"),
        (f"{APPROVALS}/undo_seconds", 61, f"{APPROVALS}/undo_seconds"),
        (f"{APPROVALS}/step_up", {"EURO": "1.00"}, f"{APPROVALS}/step_up/EURO"),
        (f"{APPROVALS}/step_up/EUR", "1.005", f"{APPROVALS}/step_up/EUR"),
        (f"{APPROVALS}/step_up/EUR", "-1.00", f"{APPROVALS}/step_up/EUR"),
        (f"{APPROVALS}/votes_per_hour", 0, f"{APPROVALS}/votes_per_hour"),
        (f"{APPROVALS}/second_look_percent", 101, f"{APPROVALS}/second_look_percent"),
        (f"{APPROVALS}/second_look_percent", 0.125, f"{APPROVALS}/second_look_percent"),
        (f"{APPROVALS}/second_look_team", "nobody", f"{APPROVALS}/second_look_team"),
        (f"{APPROVALS}/limits/0/team", "nobody", f"{APPROVALS}/limits/0/team"),
        (f"{APPROVALS}/limits/1/person", "nobody", f"{APPROVALS}/limits/1/person"),
        (f"{APPROVALS}/limits/0/person", "tess", f"{APPROVALS}/limits/0"),
        (f"{APPROVALS}/limits/0/amount", "a lot", f"{APPROVALS}/limits/0/amount"),
        (f"{APPROVALS}/limits/0/amount", "-1.00", f"{APPROVALS}/limits/0/amount"),
        (f"{APPROVALS}/limits/0/currency", "EURO", f"{APPROVALS}/limits/0/currency"),
        (f"{APPROVALS}/limits/0/reason", "", f"{APPROVALS}/limits/0/reason"),
        (
            f"{APPROVALS}/limits/1",
            {"team": "treasury", "currency": "EUR", "amount": "1.00", "reason": "Twice"},
            f"{APPROVALS}/limits/1",
        ),
        (f"{APPROVALS}/limits/1", {"currency": "EUR", "amount": "1.00", "reason": "Whose?"}, f"{APPROVALS}/limits/1"),
        ("/teams/0/name", "Trea\0sury", "/teams/0/name"),
        ("/teams/0/name", "\ud800", "/teams/0/name"),
    ],
)
def test_each_mistake_is_refused_where_it_stands(pointer: str, value: Any, expected: str) -> None:
    assert expected in problems_of(changed(pointer, value))


@pytest.mark.parametrize("document", [None, [], "teams", 7])
def test_what_is_no_object_is_refused(document: Any) -> None:
    assert list(problems_of(document)) == [""]


def test_all_mistakes_are_told_at_once() -> None:
    document = changed("/people/0/roles/0/process", "nothing")
    document["color"] = "red"
    document["grants"][0]["agent"] = "nobody"
    document["processes"][0]["owner_team"] = "nobody"
    document["policies"][0]["text"] += '\npermit (principal, action == Action::"bank.steal", resource);'
    assert problems_of(document).keys() == {
        "/color",
        "/people/0/roles/0/process",
        "/grants/0/agent",
        "/processes/0/owner_team",
        "/policies/0/text",
    }


def test_a_mistake_in_a_policy_has_its_line() -> None:
    document = small()
    document["policies"][0]["text"] = document["policies"][0]["text"].replace("context.money", "context.monye")
    sentence = problems_of(document)["/policies/0/text"]
    assert sentence.startswith("Line 3, column ")


def test_what_is_refused_by_name_is_not_refused_again_by_what_refers_to_it() -> None:
    document = changed("/teams/0/name", "")
    assert problems_of(document).keys() == {"/teams/0/name"}
    document = changed("/tools/0/title", "")
    assert problems_of(document).keys() == {"/tools/0/title"}


def test_no_secret_of_the_file_is_repeated() -> None:
    document = changed("/people/0/password", ["swordfish"])
    document["connectors"][0]["environments"]["production"]["auth"]["secret"] = {"value": "swordfish"}
    told = problems_of(document)
    assert "/people/0/password" in told
    assert "swordfish" not in str(told)


def test_a_failure_half_way_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("the power went out")

    monkeypatch.setattr(loading, "_load_policies", fail)
    users, log = User.objects.count(), AuditEntry.objects.count()
    with pytest.raises(RuntimeError):
        load(small(), actor=BOOTSTRAP)
    assert not Process.objects.filter(slug="payouts").exists()
    assert (User.objects.count(), AuditEntry.objects.count()) == (users, log)
