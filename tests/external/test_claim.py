"""POST …/claim: what was approved is carried out once, as it was approved, or not at all."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.models import OutboxEvent
from apps.external.models import ExternalRequest, ExternalVersion
from apps.vault.models import Payload
from tests.conftest import Robot, at_once, person
from tests.contract.database import contents
from tests.contract.problems import problem_of
from tests.external.asking import (
    PAYLOAD_SHA256,
    Api,
    again_signed_in,
    approved,
    asked,
    cancel,
    claim,
    poll,
    request_of,
    vote,
)

pytestmark = pytest.mark.django_db


def test_the_first_claim_is_accepted_and_no_other(writer: Robot, api: Api) -> None:
    told = approved(writer, api)
    first, second = claim(writer, told), claim(writer, told)

    assert first.status_code == 200
    assert first.json()["claimed_at"] is not None
    assert problem_of(second) == (409, "external.claimed")
    assert poll(writer, told)["claimed_at"] == first.json()["claimed_at"]
    assert poll(writer, told)["state"] == "approved"
    [entry] = AuditEntry.objects.filter(code="external.claimed")
    assert (entry.actor_key, entry.data["payload_sha256"]) == ("agent:writer", PAYLOAD_SHA256)
    assert OutboxEvent.objects.filter(name="ExternalApprovalClaimed").count() == 1


def test_a_claim_of_another_payload_leaves_the_right_one_possible(writer: Robot, api: Api) -> None:
    told = approved(writer, api)

    assert problem_of(claim(writer, told, "c" * 64)) == (409, "stale")
    assert claim(writer, told).status_code == 200


def test_a_claim_comes_too_late(writer: Robot, api: Api, time_passes: Callable[..., None]) -> None:
    told = approved(writer, api)
    time_passes(seconds=3599)
    robot = again_signed_in(writer)
    before = contents()
    time_passes(seconds=3601)

    assert problem_of(claim(robot, told)) == (409, "external.too_old")
    assert contents() == before
    time_passes(seconds=3590)
    assert claim(robot, told).status_code == 200


def test_the_fifteen_minutes_after_a_late_vote_count(writer: Robot, api: Api, time_passes: Callable[..., None]) -> None:
    told = asked(writer, expires_in_seconds=60)
    time_passes(seconds=30)
    vote(api, "dana", told)
    time_passes(seconds=30 + 14 * 60)

    assert claim(writer, told).status_code == 200


def test_what_is_stored_must_still_be_what_was_approved(writer: Robot, api: Api) -> None:
    told = approved(writer, api)
    Approval.objects.update(digest="d" * 64)

    assert problem_of(claim(writer, told)) == (409, "stale")


def test_stored_words_that_were_tampered_with_are_not_claimed(writer: Robot, api: Api) -> None:
    told = approved(writer, api)
    stored = ExternalVersion.objects.select_related("stored").get().stored
    Payload.objects.filter(id=stored.id).update(body=bytes(stored.body).replace(b"V-7", b"V-8"))

    assert problem_of(claim(writer, told)) == (409, "stale")


def test_erased_words_are_not_claimed(writer: Robot, api: Api) -> None:
    told = approved(writer, api)
    Payload.objects.filter(kind="external.request").update(body=None, erased_at=clock.now())

    assert problem_of(claim(writer, told)) == (409, "external.erased")
    assert poll(writer, told)["state"] == "approved"


@pytest.mark.django_db(transaction=True)
def test_of_twenty_claims_at_once_one_is_accepted(writer: Robot) -> None:
    told = asked(writer)
    dana = APIClient()
    dana.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    vote(lambda _: dana, "dana", told)
    answers = at_once([lambda: claim(writer, told) for _ in range(20)])

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"external.claimed"}
    assert AuditEntry.objects.filter(code="external.claimed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_claim_and_a_cancellation_at_once_are_one_of_the_two(writer: Robot) -> None:
    dana = APIClient()
    dana.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    for number in range(10):
        told = asked(writer, idempotency_key=f"k-{number}")
        vote(lambda _: dana, "dana", told)
        claimed, cancelled = at_once([lambda told=told: claim(writer, told), lambda told=told: cancel(writer, told)])  # type: ignore[misc]

        request = request_of(told)
        assert sorted([claimed.status_code, cancelled.status_code]) == [200, 409]
        assert (request.claimed_at is not None) == (claimed.status_code == 200)
        assert (request.cancelled_at is not None) == (cancelled.status_code == 200)
    assert ExternalRequest.objects.count() == 10
