"""I3: for one (agent, tool, key) the business system sees at most one effective execution."""

import pytest

from apps.gateway import services as gateway
from apps.gateway.models import ToolCall
from apps.runs.models import Run
from tests.approvals.test_cast_vote import vote
from tests.conftest import APIClient, Robot, at_once, parked, person
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db(transaction=True)


def test_fifty_at_once_under_one_key_are_one_call_and_one_effect(writer: Robot, erp: FakeErp) -> None:
    answers = at_once([lambda: writer.call("180.00") for _ in range(50)])

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [answer.json()["replayed"] for answer in answers].count(False) == 1
    assert len(erp.requests) == len(erp.ledger) == ToolCall.objects.count() == Run.objects.count() == 1


def test_an_approved_call_released_by_ten_workers_at_once_runs_once(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    dana = APIClient()
    dana.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    vote(dana, approval)
    at_once([lambda: gateway.release_tool_call(call.id) for _ in range(10)])

    call.refresh_from_db()
    assert call.state == "succeeded"
    assert len(erp.requests) == 1


def test_two_people_on_the_last_seat_resolve_it_once(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    clients = []
    for username in ("dana", "felix"):
        client = APIClient()
        client.force_login(person(username), backend="django.contrib.auth.backends.ModelBackend")
        clients.append(client)
    answers = at_once([lambda client=client: vote(client, approval) for client in clients])  # type: ignore[misc]

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert approval.votes.count() == 1
    gateway.release_tool_call(call.id)
    assert len(erp.ledger) == 1
