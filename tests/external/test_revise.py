"""POST …/versions: people asked for changes, and the caller answers with a new version under the same key."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.approvals.cards import cards_of
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.external.models import ExternalRequest, ExternalVersion
from tests.conftest import Robot, at_once, person
from tests.contract.problems import pointers_of, problem_of
from tests.external.asking import PAYLOAD_SHA256, URL, Api, again_signed_in, ask, claim, poll, returned, revise, vote

pytestmark = pytest.mark.django_db

NEW_PAYLOAD = "e" * 64
NEW = {
    "sentence": "Pay €12,380.00 to Acme GmbH for invoice 4471",
    "money": {"amount": "12380.00", "currency": "EUR"},
    "facts": [["Vendor", "Acme GmbH (V-7)"], ["Order", "PO-88"]],
    "payload_sha256": NEW_PAYLOAD,
}


def test_the_caller_learns_what_people_want(writer: Robot, api: Api) -> None:
    told = returned(writer, api)

    assert (told["state"], told["resolution"]) == ("changes_requested", None)
    assert told["changes_requested"] == {"reason_code": "wrong_amount", "comment": "The order says 12,380.00"}


def test_a_new_version_is_voted_on_anew_and_only_it_is_claimed(writer: Robot, api: Api) -> None:
    told = returned(writer, api)
    answer = revise(writer, told, **NEW)

    assert answer.status_code == 201
    new = answer.json()
    assert (new["id"], new["version"], new["state"]) == (told["id"], 2, "pending")
    assert new["digest"] != told["digest"]
    assert new["approval"]["id"] != told["approval"]["id"]
    assert new["changes_requested"] is None
    old, latest = Approval.objects.order_by("requested_at")
    assert (old.state, latest.previous_id) == ("superseded", old.id)
    # the vote on the old version is none on the new one
    vote(api, "dana", new)
    assert problem_of(claim(writer, told, PAYLOAD_SHA256)) == (409, "stale")
    assert claim(writer, told, NEW_PAYLOAD).status_code == 200
    assert AuditEntry.objects.get(code="external.revised").data["version"] == 2


def test_people_read_what_changed(writer: Robot, api: Api) -> None:
    told = returned(writer, api)
    revise(writer, told, **NEW)
    latest = Approval.objects.get(state="pending")
    card = cards_of([latest], None)[latest.id]

    assert card["changed_by"] == "Order-to-cash writer"
    assert card["changes"] == [
        {"label": "What", "before": "Pay €12,480.00 to Acme GmbH for invoice 4471", "after": NEW["sentence"]},
        {"label": "Amount", "before": "€12,480.00", "after": "€12,380.00"},
        {"label": "Digest of what will be carried out", "before": PAYLOAD_SHA256, "after": NEW_PAYLOAD},
        {"label": "Invoice", "before": "4471", "after": "none"},
        {"label": "Order", "before": "none", "after": "PO-88"},
    ]


def test_sending_a_version_twice_is_sending_it_once(writer: Robot, api: Api) -> None:
    told = returned(writer, api)
    first, again = revise(writer, told, **NEW), revise(writer, told, **NEW)

    assert again.status_code == 200
    assert again.json() == {**first.json(), "replayed": True}
    assert ExternalVersion.objects.count() == 2


def test_the_first_body_still_finds_its_request(writer: Robot, api: Api) -> None:
    told = returned(writer, api)
    revise(writer, told, **NEW)
    original, revised, other = ask(writer), ask(writer, **NEW), ask(writer, action="other")

    assert [answer.status_code for answer in (original, revised, other)] == [200, 200, 409]
    assert original.json()["id"] == revised.json()["id"] == told["id"]
    assert original.json()["version"] == 2


def test_words_alone_may_be_the_answer(writer: Robot, api: Api) -> None:
    """What votes bind to is the same, and yet another version: a vote on the first says nothing of the second."""
    told = returned(writer, api)
    new = revise(writer, told, rationale="The order was changed on Friday.").json()

    assert new["digest"] != told["digest"]


def test_who_stood_behind_the_first_version_does_not_decide_the_second(writer: Robot, api: Api) -> None:
    told = returned(writer, api, on_behalf_of="felix")
    new = revise(writer, told, **NEW).json()
    ballot = {"verdict": "approve", "digest": new["digest"]}
    answer = api("felix").post(f"{URL}/{new['approval']['id']}/votes", ballot, format="json")

    assert (answer.status_code, answer.json()["code"]) == (403, "approval.own_request")


def test_where_the_news_goes_is_settled_with_the_first_version(writer: Robot, api: Api) -> None:
    told = returned(writer, api, callback_url="https://gateway.example.com/hooks")
    answer = revise(writer, told, callback_url="https://other.example.com/hooks", **NEW)

    assert problem_of(answer) == (422, "external.callback_fixed")
    assert pointers_of(answer) == {"/callback_url"}
    assert revise(writer, told, **NEW).status_code == 201
    assert ExternalRequest.objects.get().callback_url == "https://gateway.example.com/hooks"


def test_an_answer_after_the_time_is_none(writer: Robot, api: Api, time_passes: Callable[..., None]) -> None:
    told = returned(writer, api)
    time_passes(seconds=3601)
    robot = again_signed_in(writer)

    assert problem_of(revise(robot, told, **NEW)) == (409, "approval.expired")
    approvals.expire_due()
    assert poll(robot, told)["state"] == "expired"
    assert problem_of(revise(robot, told, **NEW)) == (409, "external.not_your_turn")


@pytest.mark.django_db(transaction=True)
def test_two_versions_at_once_are_one(writer: Robot) -> None:
    dana = APIClient()
    dana.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    told = returned(writer, lambda _: dana)
    other = {**NEW, "action": "pay_order"}
    answers = at_once([lambda body=body: revise(writer, told, **body) for body in (NEW, other)])  # type: ignore[misc]

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert Approval.objects.filter(state="pending").count() == 1
