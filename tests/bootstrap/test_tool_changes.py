"""A change of tools says what it breaks before it is made, and does not break what decides in passing."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEntry
from apps.core.actor import system_actor
from apps.core.models import OutboxEvent
from apps.policies.models import ActiveRelease, ReleaseRequest
from apps.policies.services import save_draft
from apps.registry.definitions import definition_of
from apps.registry.models import Tool
from apps.registry.services import assign_role
from tests.conftest import actor, person
from tests.policies.reviewing import SET, raised, sent, voted

pytestmark = pytest.mark.usefixtures("world")

CREDIT = "erp.issue_credit_memo"
NOTED = """
@id("noted") @says("Notes are read")
forbid (principal, action == Action::"erp.issue_credit_memo", resource)
when { context.arguments has note && context.arguments.note like "*!*" };
@id("goodwill") @says("Goodwill is for people")
forbid (principal, action == Action::"erp.issue_credit_memo", resource)
when { context.arguments.reason_code == "goodwill" };
"""
CASE = {
    "name": "A credit of one euro",
    "call": {"tool": CREDIT, "amount": "1.00", "currency": "EUR"},
    "expect": {"outcome": "allow"},
}


def definition(name: str = CREDIT, **changes: Any) -> dict[str, Any]:
    found = definition_of(Tool.objects.select_related("connector").get(name=name))
    return {key: value for key, value in (found | changes).items() if value is not None}


def without(argument: str) -> dict[str, Any]:
    """The credit memo without one of its arguments."""
    schema = definition()["input_schema"]
    rest = {name: value for name, value in schema["properties"].items() if name != argument}
    required = [name for name in schema["required"] if name != argument]
    return definition(input_schema={**schema, "properties": rest, "required": required})


@pytest.fixture
def reads_note(world: Any) -> ReleaseRequest:
    """A release that decides in production reads the argument that is about to go."""
    text = ActiveRelease.objects.get(policy_set__slug=SET, environment="production").release.text
    return voted(sent(raised(text=text + NOTED, cases=[CASE])))


def load(tmp_path: Path, document: dict[str, Any], *more: str) -> str:
    file = tmp_path / "mesh.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    err = io.StringIO()
    try:
        call_command("bootstrap", "--file", str(file), *more, stdout=io.StringIO(), stderr=err)
    except CommandError as error:
        return f"{err.getvalue()}REFUSED {error}"
    return err.getvalue()


def test_what_would_break_a_release_is_refused_with_its_line(reads_note: Any, tmp_path: Path) -> None:
    told = load(tmp_path, {"tools": [without("reason_code")]})
    assert f"{SET}@2 (production), line 35" in told
    assert f"{CREDIT} has no argument “reason_code”" in told
    assert (
        "REFUSED With these tools, releases that decide calls now would deny" in told and "Nothing was changed." in told
    )
    assert Tool.objects.get(name=CREDIT).version == 1


def test_with_a_reason_it_is_done_and_logged(reads_note: Any, tmp_path: Path, writer: Any) -> None:
    told = load(tmp_path, {"tools": [without("reason_code")]}, "--force", "The system dropped it tonight")
    assert "REFUSED" not in told
    assert Tool.objects.get(name=CREDIT).version == 2
    [entry] = AuditEntry.objects.filter(code="policy.broken_by_tools")
    assert (entry.reason, entry.environment, entry.data["version"]) == (
        "The system dropped it tonight",
        "production",
        2,
    )
    assert "has no argument “reason_code”" in entry.data["problems"][0]["sentence"]
    assert OutboxEvent.objects.filter(name="PolicyReleaseBroken", subject=f"policy_set:{SET}").count() == 1


def test_a_rule_that_forbids_no_more_takes_a_reason_too(reads_note: Any, tmp_path: Path) -> None:
    """It is no mistake to Cedar: what is never there never matches. It is the end of the rule all the same."""
    told = load(tmp_path, {"tools": [without("note")]})
    assert f"{SET}@2 (production): “noted” would forbid nothing of {CREDIT} any more." in told
    assert "REFUSED" in told
    load(tmp_path, {"tools": [without("note")]}, "--force", "Nobody writes notes")
    [entry] = AuditEntry.objects.filter(code="policy.broken_by_tools")
    assert entry.data["loosened"] == [f"“noted” would forbid nothing of {CREDIT} any more."]


def test_an_empty_reason_is_none(reads_note: Any, tmp_path: Path) -> None:
    assert "REFUSED" in load(tmp_path, {"tools": [without("reason_code")]}, "--force", "  ")


def test_a_check_says_the_same_and_changes_nothing(reads_note: Any, tmp_path: Path) -> None:
    entries = AuditEntry.objects.count()
    assert "has no argument “reason_code”" in load(tmp_path, {"tools": [without("reason_code")]}, "--check")
    told = load(tmp_path, {"tools": [definition(data_classes=["personal"])]}, "--check")
    assert f"{SET}@2 (production): {CREDIT}: its classes of data would change" in told
    assert "This was a check. Nothing was changed." in told
    assert (Tool.objects.get(name=CREDIT).version, AuditEntry.objects.count()) == (1, entries)


def test_policies_that_come_with_the_tools_count(world: Any, tmp_path: Path) -> None:
    """Nobody released by review yet, so the file brings both: the release that would break decides no more."""
    live = ActiveRelease.objects.select_related("release").get(policy_set__slug=SET, environment="production")
    first = {"set": SET, "environments": ["production"], "text": live.release.text + NOTED}
    load(tmp_path, {"policies": [{**first, "parameters": live.release.parameters}]})
    second = {**first, "text": live.release.text + "// with", "parameters": live.release.parameters}
    assert "REFUSED" in load(tmp_path, {"tools": [without("reason_code")]})
    told = load(tmp_path, {"tools": [without("reason_code")], "policies": [second]})
    assert "REFUSED" not in told
    assert Tool.objects.get(name=CREDIT).version == 2


def test_drafts_reviews_and_waiting_calls_are_named(world: Any, tmp_path: Path, writer: Any) -> None:
    text = ActiveRelease.objects.get(policy_set__slug=SET, environment="production").release.text
    draft = raised()
    save_draft(actor=actor("priya"), draft_id=draft.id, version=2, text=text + NOTED)
    review = sent(raised("800.00"))
    assert writer.call("900.00", key="waits").status_code == 202
    told = load(tmp_path, {"tools": [without("reason_code") | {"data_classes": ["personal"]}]})
    assert "the draft “Fewer questions” of order-to-cash, line 35" in told
    assert f"the review “{review}” would have to be sent again." in told
    assert f"{CREDIT}: 1 call that waits for people will be invalidated" in told
    assert voted(review).state == "refused"


def test_a_change_nobody_can_tell_says_nothing(reads_note: Any, tmp_path: Path) -> None:
    assert load(tmp_path, {"tools": [definition(title="Post a credit memo")]}) == ""


# --- the same by the API ----------------------------------------------------------------------------------------------


def previewed(client: Any, *tools: Any, status: int = 200) -> Any:
    answer = client.post("/api/v1/tools/preview", {"tools": list(tools)}, content_type="application/json")
    assert answer.status_code == status, answer.content
    return answer.json()


@pytest.fixture
def keeper(sign_in: Any) -> Any:
    """Somebody who may change tools: an engineer of the whole mesh."""
    assign_role(user=person("alex"), role="engineer", process=None, actor=system_actor("tests"))
    return sign_in("alex")


def test_the_preview_says_what_would_break(reads_note: Any, keeper: Any, writer: Any) -> None:
    assert writer.call("900.00", key="waits").status_code == 202
    told = previewed(keeper, without("reason_code"))
    assert told["refused"] is True
    assert told["tools"] == [{"tool": CREDIT, "change": "changed", "version": 2, "waiting": 1}]
    [effect] = told["effects"]
    assert (effect["kind"], effect["set"], effect["id"], effect["breaks"]) == ("release", SET, "2", True)
    assert (effect["problems"][0]["policy"], effect["problems"][0]["line"]) == ("goodwill", 35)
    assert Tool.objects.get(name=CREDIT).version == 1


def test_failing_cases_and_rules_that_apply_otherwise_refuse_nothing(reads_note: Any, keeper: Any) -> None:
    told = previewed(keeper, definition(reversible=False), {**definition("erp.find"), "name": "erp.find_more"})
    assert told["refused"] is False
    assert {tool["change"] for tool in told["tools"]} == {"changed", "new"}
    [effect] = told["effects"]
    assert effect["cases"] == ["A credit of one euro"]
    assert any("erp.find_more: “read-erp” would speak of it." in sentence for sentence in effect["otherwise"])
    assert any("whether it can be undone would change" in sentence for sentence in effect["otherwise"])


def test_what_is_no_definition_is_refused(keeper: Any) -> None:
    assert previewed(keeper, {"name": "x"}, status=422)["code"] == "tool.invalid"
    assert previewed(keeper, status=422)["code"]


def test_only_who_may_change_tools_asks(world: Any, sign_in: Any) -> None:
    for who in ("priya", "dana", "chen"):
        assert previewed(sign_in(who), definition(), status=403)["code"] == "permission.missing"
