"""I5: nobody votes on what they asked for, through whichever door."""

from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.approvals.models import Vote
from tests.conftest import Robot, parked, person

pytestmark = pytest.mark.django_db


def test_page_and_api_refuse_ones_own_request_alike(
    writer: Robot, api: Callable[[str], APIClient], sign_in: Callable[[str], Client]
) -> None:
    _, approval = parked(writer, on_behalf_of="dana")
    body = {"verdict": "approve", "digest": approval.digest}
    by_api = api("dana").post(f"/api/v1/approvals/{approval.id}/votes", body, format="json")
    by_page = sign_in("dana").post(f"/inbox/{approval.id}/vote/", body)

    assert by_api.status_code == by_page.status_code == 403
    assert by_api.json()["code"] == "approval.own_request"
    assert by_api.json()["detail"] in by_page.content.decode()
    assert not Vote.objects.exists()


def test_the_card_says_why_one_cannot_vote(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    _, approval = parked(writer, on_behalf_of="dana")
    page = sign_in("dana").get(f"/inbox/{approval.id}/").content.decode()

    assert "You asked for this, so someone else has to decide it." in page
    assert 'value="approve"' not in page


def test_every_administrators_right_together_does_not_help(writer: Robot, api: Callable[[str], APIClient]) -> None:
    dana = person("dana")
    dana.is_superuser = dana.is_staff = True
    dana.save()
    _, approval = parked(writer, on_behalf_of="dana")
    body = {"verdict": "approve", "digest": approval.digest}

    assert api("dana").post(f"/api/v1/approvals/{approval.id}/votes", body, format="json").status_code == 403
