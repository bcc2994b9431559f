"""The pages: history, versions, differences, drafts by form and by text, reviews."""

import json

import pytest

from apps.policies.models import PolicyDraft, ReleaseRequest
from apps.policies.queries import version_of
from tests.conftest import actor
from tests.policies.reviewing import SET, limit, raised, released, sent, voted
from tests.world import PARAMETERS, POLICY

pytestmark = pytest.mark.django_db
FORM = {
    "parameter-credit_alone": "750.00",
    "parameter-credit_cfo": "5000.00",
    "message": "Fewer questions",
    "version": "1",
}


def shown(client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, response.content.decode()[-2000:]
    return response.content.decode()


def begun(client) -> PolicyDraft:
    response = client.post(f"/policies/{SET}/drafts/")
    assert response.status_code == 302
    return PolicyDraft.objects.get(id=response["Location"].split("/")[-2])


def test_every_set_with_what_decides_where(sign_in):
    page = shown(sign_in("chen"), "/policies/")
    assert f"/policies/{SET}/versions/1/" in page
    assert "/policies/global/" in page
    assert "No policies are yours to see" in shown(sign_in("otto"), "/policies/")


def test_the_history_has_versions_moves_and_what_is_under_way(sign_in, writer):
    released(environment="sandbox")
    sent(raised("900.00"))
    raised("800.00")
    page = shown(sign_in("chen"), f"/policies/{SET}/")
    for text in (
        "Version 2: Fewer questions",
        "Changed 2 rules, changed 1 parameter",
        "Live in sandbox",
        "Live in production",
        "Dana Ruiz",
        "sandbox: version 2, the first",
        "Release new policies",
        "nobody: set up",
    ):
        assert text in page, text


def test_an_owner_changes_a_threshold_and_never_sees_cedar(sign_in):
    client = sign_in("priya")
    draft = begun(client)
    page = shown(client, f"/policies/drafts/{draft.id}/")
    assert "Credit memos an agent may post alone (EUR)" in page
    assert "permit (" not in page and "Cedar text" not in page
    assert client.post(f"/policies/drafts/{draft.id}/", FORM).status_code == 302
    draft.refresh_from_db()
    assert (draft.version, draft.message) == (2, "Fewer questions")
    assert version_of(draft).parameters == limit("750.00")
    page = shown(client, f"/policies/drafts/{draft.id}/")
    assert (
        "<del>Credit memos up to €500.00 need nobody.</del> → <ins>Credit memos up to €750.00 need nobody.</ins>"
        in page
    )


@pytest.mark.parametrize("value", ["", "a lot", "1.999", "7e3"])
def test_a_threshold_that_is_no_amount_is_said_beside_its_field(sign_in, value):
    client = sign_in("priya")
    draft = begun(client)
    response = client.post(f"/policies/drafts/{draft.id}/", FORM | {"parameter-credit_alone": value})
    assert response.status_code == 422
    assert "parameter-credit_alone_error" in response.content.decode()
    draft.refresh_from_db()
    assert draft.version == 1


def test_an_engineer_edits_the_text_and_is_told_the_line(sign_in):
    client = sign_in("alex")
    draft = begun(client)
    text = POLICY.replace("context.money.minor <=", "context.money.minro <=")
    typed = FORM | {"text": text, "parameters_json": json.dumps(PARAMETERS), "cases_json": "[]"}
    part = client.post(f"/policies/drafts/{draft.id}/check/", typed, headers={"HX-Request": "true"}).content.decode()
    assert "line 8, column" in part
    assert "<html" not in part
    assert client.post(f"/policies/drafts/{draft.id}/", typed).status_code == 302
    draft.refresh_from_db()
    found = version_of(draft)
    # the owner's field and the engineer's text are one draft
    assert ("minro" in found.text, found.parameters) == (True, limit("750.00"))
    response = client.post(f"/policies/drafts/{draft.id}/send/", {"version": 2, "environment": "production",
                                                                   "in_flight": "recheck"})  # fmt: skip
    assert response.status_code == 422
    assert "cannot be released" in response.content.decode()


def test_what_is_no_json_is_said_and_nothing_is_lost(sign_in):
    client = sign_in("alex")
    draft = begun(client)
    response = client.post(f"/policies/drafts/{draft.id}/", FORM | {"text": "// mine", "cases_json": "[{]"})
    assert response.status_code == 422
    assert "The test cases are not JSON" in response.content.decode()
    assert "// mine" in response.content.decode()


def test_who_saves_over_somebody_sees_both(sign_in):
    priya, alex = sign_in("priya"), sign_in("alex")
    draft = begun(priya)
    alex.post(
        f"/policies/drafts/{draft.id}/", FORM | {"text": POLICY + "// hello\n", "parameter-credit_alone": "500.00"}
    )
    response = priya.post(f"/policies/drafts/{draft.id}/", FORM)
    page = response.content.decode()
    assert response.status_code == 409
    assert "Alex Novak has saved this draft since you opened it" in page
    assert 'name="version" value="2"' in page
    assert 'value="750.00"' in page


def test_cases_around_thresholds_are_added_run_and_downloaded(sign_in):
    client = sign_in("priya")
    draft = begun(client)
    assert client.post(f"/policies/drafts/{draft.id}/add-cases/", {"version": 1}).status_code == 302
    page = shown(client, f"/policies/drafts/{draft.id}/")
    assert "6 test cases as expected" in page
    client.post(f"/policies/drafts/{draft.id}/", FORM | {"version": 2})
    page = shown(client, f"/policies/drafts/{draft.id}/")
    assert "erp.issue_credit_memo of €500.01" in page
    assert "This cannot be released yet." in page
    file = client.get(f"/policies/drafts/{draft.id}/cases/")
    assert len(file.json()) == 6
    assert "order-to-cash-tests.json" in file["Content-Disposition"]


def test_a_review_is_sent_read_decided_and_withdrawn(sign_in, writer):
    client = sign_in("priya")
    draft = begun(client)
    client.post(f"/policies/drafts/{draft.id}/", FORM)
    wanted = {"version": 2, "environment": "production", "in_flight": "recheck", "message": "Fewer questions"}
    response = client.post(f"/policies/drafts/{draft.id}/send/", wanted)
    request = ReleaseRequest.objects.get()
    assert response["Location"] == f"/policies/reviews/{request.id}/"
    page = shown(client, response["Location"])
    for text in ("Release new policies “order-to-cash” to production", "Take the review back", "Fewer questions",
                 "€750.00", "data-change-step"):  # fmt: skip
        assert text in page, text
    card = shown(sign_in("dana"), f"/inbox/{request.approval_id}/")
    for text in ("Credit memos up to €500.00 need nobody. → Credit memos up to €750.00 need nobody.",
                 f"/policies/reviews/{request.id}/", "Decided again under this release"):  # fmt: skip
        assert text in card, text
    assert "You may not vote on approvals" in shown(client, f"/inbox/{request.approval_id}/")
    assert client.post(f"/policies/reviews/{request.id}/withdraw/").status_code == 302
    assert "Withdrawn" in shown(client, f"/policies/reviews/{request.id}/")


def test_a_version_says_what_it_does_and_leads_on_and_back(sign_in, writer):
    released(environment="sandbox")
    client = sign_in("priya")
    page = shown(client, f"/policies/{SET}/versions/2/")
    assert "Credit memos up to €750.00 need nobody." in page
    assert "Ask for the promotion" in page and "Ask for the rollback" not in page
    response = client.post(f"/policies/{SET}/versions/2/promote/", {"environment": "production", "in_flight": "keep"})
    assert response.status_code == 302
    assert voted(ReleaseRequest.objects.latest("id")).state == "done"
    writer.call("180.00")
    page = shown(client, f"/policies/{SET}/versions/2/")
    assert "1 decision under it" in page
    assert "INV-1042" in shown(client, f"/policies/{SET}/versions/2/decisions/")
    assert "INV-1042" not in shown(client, f"/policies/{SET}/versions/1/decisions/")
    page = shown(client, f"/policies/{SET}/versions/1/")
    assert "Ask for the rollback" in page
    wanted = {"environment": "production", "in_flight": "recheck", "message": "Too much"}
    assert client.post(f"/policies/{SET}/versions/1/roll-back/", wanted).status_code == 302
    assert voted(ReleaseRequest.objects.latest("id")).release.source.version == 1
    assert "brings back version 1" in shown(client, f"/policies/{SET}/")
    assert "Ask for the rollback" not in shown(sign_in("chen"), f"/policies/{SET}/versions/1/")


def test_any_two_versions_and_a_draft_compare(sign_in):
    draft = raised()
    client = sign_in("chen")
    page = shown(client, f"/policies/{SET}/diff/?from=1&to=draft:{draft.id}")
    assert "<ins>Credit memos up to €750.00 need nobody.</ins>" in page
    assert 'id="rule-credit-alone"' in page
    assert 'data-key="n"' in page
    shown(client, f"/policies/{SET}/diff/")
    assert "<ins>Reading in erp needs nobody.</ins>" in shown(client, f"/policies/{SET}/diff/?from=0&to=1")
    for name in ("9", "x", "draft:x", f"draft:{actor('chen').id}"):
        shown(client, f"/policies/{SET}/diff/?from=1&to={name}", 404)


def test_a_draft_that_is_behind_is_brought_up_to_date(sign_in):
    client = sign_in("priya")
    behind = raised("900.00")
    released()
    page = shown(client, f"/policies/drafts/{behind.id}/")
    assert "Version 2 was released since this draft was begun." in page
    response = client.post(f"/policies/drafts/{behind.id}/rebase/", {"version": 2})
    assert response.status_code == 409
    assert "Take what was released" in response.content.decode()
    assert client.post(f"/policies/drafts/{behind.id}/rebase/", {"version": 2, "prefer": "mine"}).status_code == 302


def test_a_draft_can_be_laid_aside(sign_in):
    client = sign_in("priya")
    draft = begun(client)
    assert client.post(f"/policies/drafts/{draft.id}/discard/", {"version": "1"}).status_code == 302
    page = shown(client, f"/policies/drafts/{draft.id}/")
    assert "Discarded" in page and "Save" not in page.split("<main")[1].split("</main")[0]


EVERY_TYPE = {
    "fee": {"type": "money", "value": "1200", "currency": "JPY", "label": "Fee"},
    "wait": {"type": "duration", "value": "PT36H", "label": "Wait"},
    "most": {"type": "long", "value": 40},
    "who": {"type": "team", "value": "cfo-office"},
    "tags": {"type": "strings", "value": ["a", "b"]},
    "message": {"type": "string", "value": "Hello"},
    "is_open": {"type": "bool", "value": True},
}


def test_each_type_of_parameter_has_its_field_and_comes_back_as_it_was(sign_in):
    client = sign_in("priya")
    draft = raised(parameters_too=EVERY_TYPE)
    page = shown(client, f"/policies/drafts/{draft.id}/")
    for text in ("Fee (JPY)", "Wait: unit", "CFO office", 'name="parameter-message"', 'name="message"'):
        assert text in page, text
    typed = {
        "version": draft.version,
        "parameter-fee": "1,300",
        "parameter-wait": "36",
        "parameter-wait.unit": "H",
        "parameter-most": "41",
        "parameter-who": "finance-approvers",
        "parameter-tags": "a\r\n\r\n c ",
        "parameter-message": "Bye",
        "parameter-credit_alone": "750.00",
        "parameter-credit_cfo": "5000.00",
        "message": "All of them",
    }
    assert client.post(f"/policies/drafts/{draft.id}/", typed).status_code == 302
    draft.refresh_from_db()
    found = version_of(draft).parameters
    assert {name: found[name]["value"] for name in EVERY_TYPE} == {
        "fee": "1300",
        "wait": "PT36H",
        "most": 41,
        "who": "finance-approvers",
        "tags": ["a", "c"],
        "message": "Bye",
        "is_open": False,
    }
    assert draft.message == "All of them"
    response = client.post(f"/policies/drafts/{draft.id}/", typed | {"version": 3, "parameter-who": "nobody"})
    assert response.status_code == 422
