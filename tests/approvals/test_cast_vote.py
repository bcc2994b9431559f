"""POST /api/v1/approvals/<id>/votes: who may, on what, and what comes of it."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.approvals import services
from apps.approvals.models import Approval, ApprovalState, Vote
from apps.audit.models import AuditEntry
from apps.gateway.models import CallState
from apps.registry.models import AgentCredential
from tests.conftest import Robot, actor, parked, person, settle_news
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]


def vote(client: APIClient, approval: Approval, verdict: str = "approve", **more: Any) -> Any:
    body = {"verdict": verdict, "digest": approval.digest, **more}
    return client.post(f"/api/v1/approvals/{approval.id}/votes", body, format="json")


def test_an_approved_call_is_executed_once_and_explained(writer: Robot, api: Api, erp: FakeErp) -> None:
    call, approval = parked(writer)
    answer = vote(api("dana"), approval)
    settle_news()
    settle_news()

    assert answer.status_code == 201
    assert answer.json()["approval"]["state"] == "approved"
    call.refresh_from_db()
    assert call.state == CallState.SUCCEEDED
    assert [entry["amount"] for entry in erp.ledger] == ["1280.00"]
    codes = list(AuditEntry.objects.filter(run_id=call.run_id).order_by("seq").values_list("code", flat=True))
    assert codes == [
        "tool_call.decided",
        "approval.requested",
        "approval.voted",
        "approval.resolved",
        "tool_call.released",
        "tool_call.succeeded",
    ]
    spans = list(call.run.spans.order_by("started_at", "id"))
    assert [span.kind for span in spans] == ["decision", "human_wait", "vote", "tool"]
    assert all(span.ended_at for span in spans)
    assert spans[2].actor_name == "Dana Ruiz"


def test_a_rejection_ends_the_call_and_tells_the_agent_why(writer: Robot, api: Api, erp: FakeErp) -> None:
    call, approval = parked(writer)
    vote(api("dana"), approval, "reject", reason_code="wrong_amount", comment="The list price is 64.00")
    settle_news()

    told = writer.api().get(f"/api/v1/tool-calls/{call.id}").json()
    assert told["state"] == "rejected"
    assert told["approval"]["feedback"] == {
        "verdict": "reject",
        "reason_code": "wrong_amount",
        "comment": "The list price is 64.00",
        "by": "Dana Ruiz",
    }
    assert erp.requests == []


def test_two_stages_need_two_people_in_order(writer: Robot, api: Api, erp: FakeErp) -> None:
    _, approval = parked(writer, "6000.00")

    assert vote(api("carla"), approval).json()["code"] == "approval.not_your_stage"
    assert vote(api("dana"), approval).json()["approval"]["state"] == "pending"
    settle_news()
    assert erp.requests == []
    assert vote(api("carla"), approval).json()["approval"]["state"] == "approved"
    settle_news()
    assert len(erp.ledger) == 1


def test_the_queue_shows_what_waits_for_me_with_sums(writer: Robot, api: Api) -> None:
    parked(writer, "1280.00", key="a")
    parked(writer, "700.50", key="b")
    mine, theirs = api("dana").get("/api/v1/approvals?view=mine").json(), api("carla").get("/api/v1/approvals").json()

    assert mine["count"] == len(mine["items"]) == 2
    assert mine["sums"] == [{"minor": 198050, "currency": "EUR"}]
    assert mine["items"][0]["sentence"] == "Credit €1,280.00 to C-204 on invoice INV-1042"
    assert theirs["count"] == 0


def test_the_queue_pages_without_losing_a_row(writer: Robot, api: Api) -> None:
    expected = {str(parked(writer, key=f"k-{number}")[1].id) for number in range(5)}
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api("dana").get(f"/api/v1/approvals?limit=2&cursor={cursor}").json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]

    assert len(found) == 5
    assert set(found) == expected


def test_voting_twice_is_refused(writer: Robot, api: Api) -> None:
    _, approval = parked(writer, "6000.00")
    dana = api("dana")
    vote(dana, approval)

    assert vote(dana, approval).json()["code"] == "approval.already_voted"
    assert Vote.objects.count() == 1


def test_a_late_vote_changes_nothing(writer: Robot, api: Api) -> None:
    _, approval = parked(writer)
    vote(api("dana"), approval, "reject", reason_code="duplicate")
    late = vote(api("felix"), approval)

    assert (late.status_code, late.json()["code"]) == (409, "approval.already_decided")
    assert "Dana Ruiz" in late.json()["detail"]
    assert Vote.objects.count() == 1


def test_a_stale_digest_is_refused_and_told_the_present_one(writer: Robot, api: Api) -> None:
    _, approval = parked(writer)
    answer = vote(api("dana"), approval, digest="0" * 64)

    assert (answer.status_code, answer.json()["code"]) == (409, "stale")
    assert answer.json()["digest"] == approval.digest
    assert not Vote.objects.exists()


def test_an_expired_approval_cannot_be_voted_on(
    writer: Robot, api: Api, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    call, approval = parked(writer)
    dana = api("dana")
    time_passes(hours=9)

    assert vote(dana, approval).json()["code"] == "approval.expired"
    assert services.expire_due() == 1
    assert vote(dana, approval).json()["code"] == "approval.expired"
    settle_news()
    call.refresh_from_db()
    assert call.state == CallState.EXPIRED
    assert not Vote.objects.exists()
    assert erp.requests == []


def test_who_the_agent_acted_for_cannot_approve_it(writer: Robot, api: Api) -> None:
    _, approval = parked(writer, on_behalf_of="dana")

    assert vote(api("dana"), approval).json()["code"] == "approval.own_request"
    assert api("dana").get("/api/v1/approvals").json()["count"] == 0
    assert vote(api("felix"), approval).status_code == 201


def test_who_made_the_agents_key_cannot_approve_its_calls(writer: Robot, api: Api) -> None:
    AgentCredential.objects.filter(id=writer.credential.id).update(made_by=actor("dana").key)
    _, approval = parked(writer)

    assert vote(api("dana"), approval).json()["code"] == "approval.own_request"


def test_a_personal_token_is_its_person(writer: Robot, api: Api) -> None:
    _, approval = parked(writer, on_behalf_of="dana")
    secret = api("dana").post("/api/v1/tokens", {"name": "script", "days": 1}, format="json").json()["secret"]
    script = APIClient()
    script.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")

    assert vote(script, approval).json()["code"] == "approval.own_request"


REFUSED = [
    ("otto", 404, "approval.not_found"),
    ("omar", 403, "permission.missing"),
    ("chen", 403, "permission.missing"),
    ("carla", 403, "approval.not_your_stage"),
]


@pytest.mark.parametrize(("username", "status", "code"), REFUSED, ids=[row[0] for row in REFUSED])
def test_who_may_not_vote_is_told_so(writer: Robot, api: Api, username: str, status: int, code: str) -> None:
    _, approval = parked(writer)
    answer = vote(api(username), approval)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Vote.objects.exists()


def test_an_administrator_who_is_in_no_team_cannot_vote(writer: Robot, api: Api) -> None:
    alex = person("alex")
    alex.is_superuser = True
    alex.save()
    _, approval = parked(writer)

    assert vote(api("alex"), approval).json()["code"] == "approval.not_your_stage"


def test_an_agent_is_never_a_checker(writer: Robot) -> None:
    _, approval = parked(writer)

    assert vote(writer.api(), approval).status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"verdict": "maybe"}, "approval.bad_verdict"),
        ({"verdict": "reject"}, "approval.reason_missing"),
        ({"verdict": "reject", "reason_code": "because"}, "approval.reason_missing"),
        ({"digest": "short"}, "input.invalid"),
    ],
)
def test_a_vote_that_says_nothing_clear_is_refused(writer: Robot, api: Api, body: dict[str, str], code: str) -> None:
    _, approval = parked(writer)
    answer = vote(api("dana"), approval, **body)  # type: ignore[arg-type]

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not Vote.objects.exists()


def test_nothing_is_ever_approved_by_time(writer: Robot, time_passes: Callable[..., None]) -> None:
    _, approval = parked(writer)
    time_passes(days=400)
    services.expire_due()

    approval.refresh_from_db()
    assert approval.state == ApprovalState.EXPIRED
    assert approval.resolved_at is not None
    assert approval.resolved_at - approval.requested_at > dt.timedelta(days=399)
