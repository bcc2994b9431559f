"""Every page of a person who may see it: it answers, has one h1 and a main, and says what the rows say."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.approvals.test_cast_vote import vote
from tests.conftest import Robot, parked, settle_news

pytestmark = pytest.mark.django_db
SignIn = Callable[[str], Client]


def test_the_inbox_shows_what_waits_and_opens_the_first(writer: Robot, sign_in: SignIn) -> None:
    parked(writer)
    page = sign_in("dana").get("/inbox/").content.decode()

    assert page.count("<h1") == page.count("<main") == 1
    assert "Credit €1,280.00 to C-204 on invoice INV-1042" in page
    assert 'aria-label="Approvals"' in page
    assert 'aria-label="Approval"' in page
    assert "Larger credit memos need one finance approver" in page
    assert "€1,280.00" in page


def test_an_empty_inbox_says_so_and_is_no_error(writer: Robot, sign_in: SignIn) -> None:
    page = sign_in("dana").get("/inbox/")

    assert page.status_code == 200
    assert "Nothing is waiting for you" in page.content.decode()


def test_a_poll_that_finds_nothing_new_leaves_the_page_alone(writer: Robot, sign_in: SignIn) -> None:
    parked(writer)
    dana = sign_in("dana")
    version = dana.get("/inbox/").context["queue"].version
    url = f"/inbox/?view=mine&version={version}"

    assert dana.get(url, headers={"HX-Request": "true"}).status_code == 204
    parked(writer, key="k-2")
    assert dana.get(url, headers={"HX-Request": "true"}).status_code == 200


def test_a_vote_on_the_page_moves_on_to_the_next_item(writer: Robot, sign_in: SignIn) -> None:
    _, first = parked(writer, key="a")
    _, second = parked(writer, key="b")
    body = {"verdict": "approve", "digest": first.digest}
    answer = sign_in("dana").post(f"/inbox/{first.id}/vote/", body, headers={"HX-Request": "true"})

    html = answer.content.decode()
    assert answer.status_code == 200
    assert answer["HX-Push-Url"] == f"/inbox/{second.id}/"
    assert 'hx-swap-oob="true"' in html
    assert f"approval-{first.id}" not in html


def test_without_script_a_vote_redirects_to_the_next_item(writer: Robot, sign_in: SignIn) -> None:
    _, first = parked(writer)
    answer = sign_in("dana").post(f"/inbox/{first.id}/vote/", {"verdict": "approve", "digest": first.digest})

    assert (answer.status_code, answer["Location"]) == (302, "/inbox/")


def test_a_rejection_without_a_reason_comes_back_with_the_form(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer)
    answer = sign_in("dana").post(
        f"/inbox/{approval.id}/vote/", {"verdict": "reject", "digest": approval.digest}, headers={"HX-Request": "true"}
    )

    assert answer.status_code == 422
    assert "Say why, so that the agent can learn from it." in answer.content.decode()


def test_a_stale_vote_shows_the_card_anew_with_the_reason(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer)
    answer = sign_in("dana").post(
        f"/inbox/{approval.id}/vote/", {"verdict": "approve", "digest": "0" * 64}, headers={"HX-Request": "true"}
    )

    assert answer.status_code == 409
    assert "it has changed since" in answer.content.decode()


def test_the_timeline_tells_decision_wait_vote_and_execution(
    writer: Robot, sign_in: SignIn, api: Callable[..., object]
) -> None:
    call, approval = parked(writer)
    vote(api("dana"), approval)  # type: ignore[arg-type]
    settle_news()
    page = sign_in("dana").get(f"/runs/{call.run_id}/?view=timeline").content.decode()

    steps = ["Decision: needs approval", "Waiting for Finance approvers", "Approved by Dana Ruiz", "attempt"]
    places = [page.find(step) for step in steps[:3]]
    assert -1 not in places
    assert places == sorted(places)
    assert "url(#hatch)" in page


@pytest.mark.parametrize("path", ["/runs/", "/agents/", "/halts/", "/halts/new/", "/audit/"])
def test_each_page_answers_full_and_empty(writer: Robot, sign_in: SignIn, path: str) -> None:
    empty = sign_in("otto").get(path)
    writer.call("180.00")
    full = sign_in("omar").get(path)

    assert (empty.status_code, full.status_code) == (200, 200)
    assert full.content.decode().count("<h1") == 1


def test_the_audit_log_narrows_to_one_run(writer: Robot, sign_in: SignIn) -> None:
    run_id = writer.call("180.00", key="a").json()["run_id"]
    writer.call("190.00", key="b")
    rows = sign_in("chen").get(f"/audit/?run={run_id}").context["page"].items

    assert [row.code for row in rows] == ["tool_call.succeeded", "tool_call.decided"]


def test_a_stranger_is_sent_to_sign_in(writer: Robot) -> None:
    answer = Client().get("/inbox/")

    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/inbox/")


def test_a_halt_is_placed_in_two_actions_and_shows_on_every_page(writer: Robot, sign_in: SignIn) -> None:
    omar = sign_in("omar")
    panel = omar.get("/halts/new/?scope=agent:writer").content.decode()
    placed = omar.post("/halts/", {"scope": "agent:writer", "mode": "hold", "reason_code": "malfunction"})
    banner = omar.get("/runs/").content.decode()
    signed_out = Client().get("/accounts/login/").content.decode()

    assert "Hold Order-to-cash writer" in panel
    assert placed.status_code == 302
    assert "Order-to-cash writer is held in production by Omar Haddad: suspected malfunction." in banner
    assert "1 halt in force." in signed_out
    assert "writer" not in signed_out
    assert writer.call().status_code == 423


def test_an_approver_cannot_place_a_halt_on_the_page_either(writer: Robot, sign_in: SignIn) -> None:
    answer = sign_in("dana").post("/halts/", {"scope": "agent:writer", "mode": "hold", "reason_code": "drill"})

    assert answer.status_code == 403
    assert "Only an operator may halt" in answer.content.decode()
