"""POST /api/v1/approvals: a gateway outside asks, people find it in their inbox, once."""

import json
from typing import Any

import pytest
from django.test import Client

from apps.approvals.cards import cards_of
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core.canonical import digest
from apps.core.models import OutboxEvent
from apps.external.models import ExternalRequest, ExternalVersion
from tests.conftest import Robot, at_once, person
from tests.external.asking import PAYLOAD_SHA256, URL, Api, ask, asked, body, poll, url_of, vote

pytestmark = pytest.mark.django_db


def test_the_answer_names_the_request_and_where_people_decide_it(writer: Robot) -> None:
    answer = ask(writer)

    assert answer.status_code == 201
    told = answer.json()
    approval = Approval.objects.get()
    assert (told["state"], told["version"], told["replayed"]) == ("pending", 1, False)
    assert told["digest"] == approval.digest
    assert told["payload_sha256"] == PAYLOAD_SHA256
    assert told["approval"]["id"] == str(approval.id)
    assert told["approval"]["url"].endswith(f"/inbox/{approval.id}/")
    assert told["resolution"] is None
    assert told["webhook"] is None
    assert "webhook_secret" not in told
    assert poll(writer, told) == {name: value for name, value in told.items() if name != "replayed"}


def test_it_waits_in_the_inbox_of_the_team_that_was_named(writer: Robot, api: Api) -> None:
    told = asked(writer)
    mine = {name: api(name).get(URL).json()["items"] for name in ("dana", "carla")}

    [waiting] = mine["dana"]
    assert mine["carla"] == []
    assert waiting["subject"] == {"type": "external", "id": told["id"]}
    assert waiting["sentence"] == "Pay €12,480.00 to Acme GmbH for invoice 4471"
    assert waiting["money"] == {"minor": 1_248_000, "currency": "EUR"}
    assert (waiting["risk"], waiting["policy"], waiting["agent"]) == ("medium", "payment-over-limit@7", "writer")
    assert (waiting["process"], waiting["environment"], waiting["run_id"]) == ("order-to-cash", "production", None)


def test_people_read_the_whole_of_it_on_the_card(writer: Robot, sign_in: Any) -> None:
    told = asked(writer)
    dana: Client = sign_in("dana")
    page = dana.get(f"/inbox/{told['approval']['id']}/").content.decode()

    for words in (
        "Pay €12,480.00 to Acme GmbH for invoice 4471",
        "Treasury gateway",
        "Acme GmbH (V-7)",
        "Payments over €10,000 need one approver",
        "payment-over-limit@7",
        "urn:treasury:invoice:4471",
        "Goods receipt and order match.",
        PAYLOAD_SHA256,
    ):
        assert words in page, words


def test_what_stopped_it_may_be_left_unsaid(writer: Robot) -> None:
    asked(writer, policy=..., facts=..., evidence=..., money=None, rationale=None, confidence=None)
    approval = Approval.objects.get()
    card = cards_of([approval], None)[approval.id]

    assert card["why"] == [
        {"says": "Treasury gateway did not say which rule stopped it", "ref": "", "set": "Treasury gateway"}
    ]
    assert (approval.policy_ref, approval.money_minor) == ("", None)


def test_what_is_left_out_is_taken_for_the_careful_side(writer: Robot) -> None:
    asked(writer, risk=..., reversible=..., expires_in_seconds=...)
    approval = Approval.objects.get()

    assert (approval.risk, approval.is_reversible) == ("high", False)
    assert (approval.expires_at - approval.requested_at).total_seconds() == 24 * 3600


def test_it_is_in_the_log_and_in_the_news_with_its_digests(writer: Robot) -> None:
    told = asked(writer)

    entry = AuditEntry.objects.get(code="external.requested")
    assert (entry.actor_key, entry.subject_id) == ("agent:writer", told["id"])
    assert entry.data["digest"] == told["digest"]
    assert entry.data["payload_sha256"] == PAYLOAD_SHA256
    assert "Acme" not in json.dumps(entry.data)
    assert OutboxEvent.objects.filter(name="ExternalApprovalRequested").count() == 1


def test_the_words_are_in_the_vault_and_in_no_column(writer: Robot) -> None:
    asked(writer)
    rows = [*ExternalRequest.objects.values(), *ExternalVersion.objects.values(), *Approval.objects.values()]

    assert "Acme" not in repr(rows)


# --- idempotency ------------------------------------------------------------------------------------------------------


def test_the_same_key_with_the_same_body_is_the_same_request(writer: Robot) -> None:
    first = asked(writer)
    again = ask(writer)

    assert again.status_code == 200
    assert again.json() == {**first, "replayed": True}
    assert Approval.objects.count() == ExternalRequest.objects.count() == 1


def test_the_key_may_stand_in_the_header(writer: Robot) -> None:
    bare = body(idempotency_key=...)
    first = writer.api().post(URL, bare, format="json", HTTP_IDEMPOTENCY_KEY="h-1")
    again = writer.api().post(URL, {**bare, "idempotency_key": "h-1"}, format="json", HTTP_IDEMPOTENCY_KEY="h-1")
    torn = writer.api().post(URL, {**bare, "idempotency_key": "h-2"}, format="json", HTTP_IDEMPOTENCY_KEY="h-1")

    assert (first.status_code, again.status_code, again.json()["id"]) == (201, 200, first.json()["id"])
    assert (torn.status_code, torn.json()["errors"][0]["pointer"]) == (422, "/idempotency_key")


@pytest.mark.parametrize(
    "change",
    [
        {"sentence": "Pay €12,480.00 to Acme AG for invoice 4471"},
        {"payload_sha256": "c" * 64},
        {"money": {"amount": "12480.01", "currency": "EUR"}},
        {"stages": [{"team": "cfo-office"}]},
        {"rationale": "Because."},
        {"callback_url": "https://gateway.example.com/hooks"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_same_key_with_another_body_is_a_conflict(writer: Robot, change: dict[str, Any]) -> None:
    first = asked(writer)
    answer = ask(writer, **change)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert answer.json()["external_approval_id"] == first["id"]
    assert ExternalRequest.objects.count() == 1


def test_two_agents_may_choose_the_same_key(writer: Robot, triage: Robot) -> None:
    assert asked(writer)["id"] != asked(triage)["id"]


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_under_one_key_are_one_request(writer: Robot) -> None:
    answers = at_once([lambda: ask(writer) for _ in range(20)])

    assert {answer.status_code for answer in answers} == {200, 201}
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Approval.objects.count() == ExternalRequest.objects.count() == 1


# --- what votes bind to -----------------------------------------------------------------------------------------------


def binding(**changes: Any) -> dict[str, Any]:
    """What `docs/external-approvals.md` says the digest is over, computed from what was sent."""
    sent = body()
    return {
        "agent": "writer",
        "environment": "production",
        "version": 1,
        **{name: sent[name] for name in ("system", "action", "sentence", "facts", "risk", "reversible", "evidence")},
        "money": {"minor": 1_248_000, "currency": "EUR"},
        "on_behalf_of": "",
        **{name: sent[name] for name in ("policy", "stages", "expires_in_seconds", "payload_sha256")},
        **changes,
    }


def test_a_caller_can_compute_the_digest_itself(writer: Robot) -> None:
    assert asked(writer)["digest"] == digest(binding())


@pytest.mark.parametrize(
    "change",
    [
        {"sentence": "Pay €12,480.00 to Acme AG for invoice 4471"},
        {"system": "Other gateway"},
        {"action": "pay_twice"},
        {"facts": [["Vendor", "Acme AG"]]},
        {"money": {"amount": "12480.01", "currency": "EUR"}},
        {"risk": "low"},
        {"reversible": True},
        {"evidence": []},
        {"on_behalf_of": "priya"},
        {"stages": [{"team": "finance-approvers", "quorum": 2}]},
        {"expires_in_seconds": 3601},
        {"policy": []},
        {"payload_sha256": "c" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_matters_changes_the_digest(writer: Robot, change: dict[str, Any]) -> None:
    digests = {asked(writer)["digest"], asked(writer, idempotency_key="k-2", **change)["digest"]}

    assert len(digests) == 2


def test_words_about_the_act_do_not(writer: Robot) -> None:
    words = {"rationale": "Because.", "confidence": 0.1}

    assert asked(writer)["digest"] == asked(writer, idempotency_key="k-2", **words)["digest"]


# --- who may not vote on it -------------------------------------------------------------------------------------------


def test_the_person_it_is_for_does_not_decide_it(writer: Robot, api: Api) -> None:
    told = asked(writer, on_behalf_of="dana")
    ballot = {"verdict": "approve", "digest": told["digest"]}
    answer = api("dana").post(f"{URL}/{told['approval']['id']}/votes", ballot, format="json")

    assert (answer.status_code, answer.json()["code"]) == (403, "approval.own_request")
    vote(api, "felix", told)
    assert poll(writer, told)["state"] == "approved"


def test_whoever_made_the_credential_does_not_decide_it(writer: Robot, api: Api) -> None:
    writer.credential.made_by = f"person:{person('dana').id}"
    writer.credential.save()
    told = asked(writer)
    ballot = {"verdict": "approve", "digest": told["digest"]}
    answer = api("dana").post(f"{URL}/{told['approval']['id']}/votes", ballot, format="json")

    assert (answer.status_code, answer.json()["code"]) == (403, "approval.own_request")


# --- who sees it ------------------------------------------------------------------------------------------------------


def test_the_agent_and_people_with_sight_of_the_process_read_it_and_nobody_else(
    writer: Robot, triage: Robot, api: Api
) -> None:
    told = asked(writer)

    assert {name: api(name).get(url_of(told)).status_code for name in ("dana", "chen", "otto")} == {
        "dana": 200,
        "chen": 200,
        "otto": 404,
    }
    assert triage.api().get(url_of(told)).status_code == 404
    for act in ("claim", "cancel", "versions"):
        assert triage.api().post(url_of(told, act=act), body(), format="json").status_code == 404
        assert api("dana").post(url_of(told, act=act), body(), format="json").status_code == 403
    assert api("dana").post(URL, body(), format="json").status_code == 403
