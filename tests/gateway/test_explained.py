"""From a call to the exact release, rule and input, and back to all decisions of the rule."""

import pytest
from django.db import connection

from apps.gateway.models import Decision, ToolCall
from apps.policies.models import PolicyRelease
from tests.policies.reviewing import SET, released
from tests.redaction.marking import MARKER, mark
from tests.world import POLICY

pytestmark = pytest.mark.django_db
DECISIONS = f"/policies/{SET}/versions/1/decisions/"


def shown(client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, response.content.decode()[-500:]
    return response.content.decode()


@pytest.fixture
def call(writer) -> ToolCall:
    assert writer.call("900.00").status_code == 202
    return ToolCall.objects.get()


def test_a_call_leads_to_its_rule_and_the_rule_back_to_the_call(call, sign_in):
    client = sign_in("dana")
    page = shown(client, f"/calls/{call.id}/decisions/")
    assert f"/policies/{SET}/versions/1/" in page
    assert "Larger credit memos need one finance approver" in page
    assert "<mark>when { context.money.currency == context.params.credit_alone.currency</mark>" in page
    assert page.count("<mark>") == POLICY.split('@id("credit-finance")')[1].split("@id(")[0].strip().count("\n") + 1
    assert "Decided again now from what was kept: the same." in page
    assert f"{DECISIONS}?rule=credit-finance" in page
    back = shown(client, f"{DECISIONS}?rule=credit-finance")
    assert f"/calls/{call.id}/decisions/#decision-{Decision.objects.get().id}" in back
    assert "Nothing was decided like this" in shown(client, f"{DECISIONS}?rule=credit-alone")
    assert "Nothing was decided like this" in shown(client, f"{DECISIONS}?outcome=deny")


def test_the_timeline_leads_there(call, sign_in):
    assert f"/calls/{call.id}/decisions/" in shown(sign_in("dana"), f"/runs/{call.run_id}/?view=timeline")


def test_what_was_decided_stays_what_it_was_after_another_release(call, sign_in):
    released("950.00")
    page = shown(sign_in("dana"), f"/calls/{call.id}/decisions/")
    assert f"{SET}@1" in page and f"{SET}@2" not in page
    assert "the same." in page


def test_the_input_is_masked_by_role(call, sign_in):
    """What the field is marked with later holds for what was kept before, too."""
    mark(customer_id="secret")
    assert MARKER not in shown(sign_in("omar"), f"/calls/{call.id}/decisions/")
    [item] = sign_in("omar").get(f"/api/v1/tool-calls/{call.id}/decisions").json()["items"]
    assert item["input"]["arguments"]["customer_id"] == "masked: secret"
    assert item["same_again"] is True


def test_a_release_that_is_not_what_it_was_shows_no_text(call, sign_in):
    with_other = Decision.objects.get().releases
    assert {ref["set"] for ref in with_other} == {"global", SET}
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE policies_policyrelease SET content_hash = repeat('0', 64) WHERE version = 1")
        cursor.execute("SET session_replication_role = origin")
    assert PolicyRelease.objects.filter(content_hash="0" * 64).exists()
    page = shown(sign_in("dana"), f"/calls/{call.id}/decisions/")
    assert "Its text is not what it was" in page


def test_the_api_says_the_same(call, sign_in):
    client = sign_in("dana")
    [item] = client.get(f"/api/v1/tool-calls/{call.id}/decisions").json()["items"]
    assert (item["outcome"], item["same_again"]) == ("require_approval", True)
    [rule] = item["rules"]
    text = PolicyRelease.objects.get(policy_set__slug=SET).text.splitlines()
    assert text[rule["lines"][0] - 1].startswith('@id("credit-finance")')
    assert text[rule["lines"][-1] - 1].endswith("};")
    path = f"/api/v1/policies/{SET}/versions/1/decisions"
    assert [each["id"] for each in client.get(path, {"rule": "credit-finance"}).json()["items"]] == [item["id"]]
    for wrong in ({"outcome": "maybe"}, {"since": "yesterday"}, {"until": "2030-01-01T00:00:00"}):
        assert client.get(path, wrong).json()["code"] == "decision.bad_filter"


@pytest.mark.parametrize("query", ["since=never", "outcome=maybe", "since=2026-13-01"])
def test_a_filter_that_is_none_is_said(call, sign_in, query):
    assert "decisions-" in shown(sign_in("dana"), f"{DECISIONS}?{query}", 422)
