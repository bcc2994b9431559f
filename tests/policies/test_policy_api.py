"""The API gives what the pages give, by the same services, with the same refusals."""

import pytest

from apps.policies.models import ReleaseRequest
from tests.policies.reviewing import SET, limit, raised, released, sent, voted
from tests.world import POLICY

pytestmark = pytest.mark.django_db


def test_a_limit_is_raised_by_the_api(api, writer):
    priya = api("priya")
    draft = priya.post(f"/api/v1/policies/{SET}/drafts", {"message": "Fewer questions"}, format="json").json()
    assert (draft["version"], draft["base"], draft["check"]["ready"]) == (1, 1, True)
    url = f"/api/v1/policy-drafts/{draft['id']}"
    cases = priya.get(f"{url}/boundary-cases").json()["cases"]
    assert len(cases) == 6
    saved = priya.put(url, {"version": 1, "parameters": limit("750.00"), "cases": cases}, format="json").json()
    assert [case["name"] for case in saved["check"]["cases"] if not case["passed"]] == [
        "erp.issue_credit_memo of €500.01"
    ]
    wanted = {"version": 2, "environment": "production"}
    refused = priya.post(f"{url}/send", wanted, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "policy.not_ready")
    assert refused.json()["errors"][0]["sentence"].startswith("erp.issue_credit_memo of €500.01: Expected")
    cases = priya.get(f"{url}/boundary-cases").json()["cases"]
    priya.put(url, {"version": 2, "cases": cases}, format="json")
    answer = priya.post(f"{url}/send", {"version": 3, "environment": "production"}, format="json")
    assert answer.status_code == 202, answer.content
    review = answer.json()
    assert (review["state"], review["replaces"], review["version"]) == ("waiting", 1, None)
    vote = {"verdict": "approve", "digest": review["approval"]["digest"]}
    assert priya.post(f"/api/v1/approvals/{review['approval']['id']}/votes", vote, format="json").status_code == 403
    voted(ReleaseRequest.objects.get(id=review["id"]))
    assert priya.get(f"/api/v1/policy-reviews/{review['id']}").json()["version"] == 2
    assert writer.call("600.00").status_code == 200


def test_a_stale_save_is_409_with_both(api):
    draft = raised()
    body = {"version": 1, "text": POLICY + "// more\n"}
    answer = api("alex").put(f"/api/v1/policy-drafts/{draft.id}", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "policy.draft_stale")
    assert answer.json()["rebased"] == {
        "text": POLICY + "// more\n", "parameters": limit("750.00"), "cases": [], "clashes": [],
    }  # fmt: skip
    assert answer.json()["changed"]["parameters"] == [{"name": "credit_alone", "before": "€500.00", "after": "€750.00"}]


def test_versions_and_differences_are_read(api):
    released()
    chen = api("chen")
    live = {each["set"]: each["live"] for each in chen.get("/api/v1/policies").json()["items"]}
    assert live == {SET: {"production": 2}, "global": {"production": 1}}
    versions = chen.get(f"/api/v1/policies/{SET}/versions").json()["items"]
    assert [(each["version"], each["author"]) for each in versions] == [
        (2, "Priya Nair"),
        (1, "Mesh Console (bootstrap)"),
    ]
    found = chen.get(f"/api/v1/policies/{SET}/versions/2").json()
    assert found["sentences"][1] == {
        "id": "credit-alone", "sentence": "Credit memos up to €750.00 need nobody.", "line": 5,
    }  # fmt: skip
    change = chen.get(f"/api/v1/policies/{SET}/diff?from=1&to=2").json()
    assert change["summary"] == "changed 2 rules, changed 1 parameter"
    assert chen.get(f"/api/v1/policies/{SET}/diff?from=1").json()["code"] == "policy.bad_diff"
    assert chen.get(f"/api/v1/policies/{SET}/versions/9999999999999").status_code == 404


def test_promotion_rollback_withdrawal_rebase_and_discard(api):
    released(environment="sandbox")
    priya = api("priya")
    asked = priya.post(f"/api/v1/policies/{SET}/versions/2/promote", {"environment": "production"}, format="json")
    assert (asked.status_code, asked.json()["kind"], asked.json()["source"]) == (202, "promotion", 2)
    withdrawn = priya.post(f"/api/v1/policy-reviews/{asked.json()['id']}/withdraw")
    assert withdrawn.json()["state"] == "withdrawn"
    bad = priya.post(f"/api/v1/policies/{SET}/versions/2/promote", {"environment": "moon"}, format="json")
    assert (bad.status_code, bad.json()["code"]) == (422, "policy.unknown_environment")
    back = priya.post(
        f"/api/v1/policies/{SET}/versions/1/roll-back", {"environment": "sandbox", "message": "No"}, format="json"
    )
    assert (back.status_code, back.json()["kind"]) == (202, "rollback")
    draft = raised("800.00")
    behind = priya.post(f"/api/v1/policy-drafts/{draft.id}/rebase", {"version": 2}, format="json")
    assert behind.json()["version"] == 2
    gone = priya.post(f"/api/v1/policy-drafts/{draft.id}/discard", {"version": 2}, format="json")
    assert gone.json()["state"] == "discarded"


def test_agents_have_nothing_to_do_here(writer):
    request = sent(raised())
    client = writer.api()
    for path in ("/api/v1/policies", f"/api/v1/policies/{SET}/versions", f"/api/v1/policy-reviews/{request.id}"):
        assert client.get(path).json()["code"] == "people.only"
