"""The inbox as the server draws it: what a person reads, what they may do, and that all of it goes without script."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.approvals import inbox, queries, services, tabs
from apps.approvals.filters import QueueFilter
from apps.approvals.models import Approval, ApprovalState, BulkVote, Delegation, Escalation, SavedView, Snooze, Vote
from apps.gateway import services as gateway
from apps.registry.models import ProcessUserPermission
from tests.approvals.asking import ask, ask_many, vote
from tests.conftest import Robot, actor, credit, parked, person

pytestmark = pytest.mark.django_db
SignIn = Callable[[str], Client]
HTMX = {"HX-Request": "true"}


def text_of(response: Any) -> str:
    """What stands on the page, without markup and with single blanks."""
    words = re.sub(r"<(script|template)\b.*?</\1>|<[^>]+>", " ", response.content.decode(), flags=re.DOTALL)
    return re.sub(r"[\s\N{NO-BREAK SPACE}]+", " ", words)


def buttons_of(response: Any) -> set[str]:
    """The words on the buttons of the verbs."""
    html = response.content.decode()
    foot = html[html.find('id="verbs"') :]
    found = re.findall(r"<button[^>]*>(.*?)</button>", foot[: foot.find("<template")], flags=re.DOTALL)
    return {re.sub(r"<kbd.*?</kbd>|<[^>]+>", "", words).strip() for words in found}


# --- the list


def test_tabs_columns_sums_and_rows(writer: Robot, sign_in: SignIn) -> None:
    parked(writer)
    parked(writer, "700.50", key="b")
    page = sign_in("dana").get("/inbox/")
    text = text_of(page)

    for tab in ("Waiting for me 2", "My team 2", "Delegated to me", "Snoozed", "Decided by me", "All"):
        assert tab in text
    for column in ("Risk", "What", "Amount", "Agent", "Policy", "Age", "Due in", "Votes", "Assignee"):
        assert re.search(rf'<th[^>]*scope="col">\s*{column}\s*</th>', page.content.decode()), column
    assert "2 waiting €1,980.50" in text
    assert "credit-finance@1" in text
    assert "0/1" in text
    assert "Finance approvers" in text


def test_filters_are_chips_and_what_cannot_be_read_is_said(writer: Robot, sign_in: SignIn) -> None:
    ask_many(3)
    ask("9.00", risk="high")
    page = sign_in("dana").get("/inbox/?risk=high&sort=amount&currency=Nonsense")

    assert [chip.label for chip in page.context["queue"].chips] == ["Risk"]
    assert len(page.context["queue"].rows) == 1
    assert "This condition is left out." in text_of(page)


def test_urgency_is_told_by_word(writer: Robot, sign_in: SignIn) -> None:
    for urgency, approval in enumerate(ask_many(4)):
        Approval.objects.filter(id=approval.id).update(urgency=urgency)
    text = text_of(sign_in("dana").get("/inbox/"))

    for word in ("overdue", "due soon", "half gone"):
        assert word in text


@pytest.mark.parametrize(
    ("who", "path", "words"),
    [
        (
            "dana",
            "/inbox/",
            "Nothing waits for your team; you have not decided anything yet.",
        ),
        ("chen", "/inbox/", "You do not vote on approvals"),
        ("dana", "/inbox/?q=nothing", "No approval matches"),
        ("dana", "/inbox/?view=snoozed", "Nothing is put off"),
        ("dana", "/inbox/?view=delegated", "Nothing is delegated to you"),
        ("dana", "/inbox/?view=decided", "You have not decided anything yet"),
        ("otto", "/inbox/?view=all", "No approval was ever asked for in the processes you see."),
    ],
)
def test_each_empty_list_says_why(writer: Robot, sign_in: SignIn, who: str, path: str, words: str) -> None:
    assert words in text_of(sign_in(who).get(path))


def test_an_empty_inbox_tells_of_the_team_and_of_the_last_decision(writer: Robot, sign_in: SignIn) -> None:
    first, second = ask_many(2)
    vote("dana", first)
    services.delegate(
        actor=actor("dana"),
        receiver="felix",
        starts_at=second.requested_at,
        ends_at=second.expires_at,
        approval_id=second.id,
    )
    text = text_of(sign_in("dana").get("/inbox/"))

    assert re.search(r"Nothing is waiting for you\. 1 waits for your team ; last decision \d\d:\d\d UTC", text)


def test_a_default_view_is_where_one_starts(writer: Robot, sign_in: SignIn) -> None:
    services.save_view(actor=actor("dana"), name="High", query="risk=high", is_default=True)
    dana = sign_in("dana")

    assert dana.get("/inbox/")["Location"] == "/inbox/?risk=high"
    assert dana.get("/inbox/?view=mine").status_code == 200


# --- polling


def poll(client: Client, page: Any, **more: str) -> Any:
    """As the page asks: the rows it shows, and how they looked."""
    queue = page.context["queue"]
    asked = {"version": queue.version, "look": [row.look for row in queue.rows], **more}
    return client.get("/inbox/", asked, headers=HTMX)


def test_a_poll_brings_what_changed_and_counts_what_is_new(writer: Robot, sign_in: SignIn) -> None:
    asked = ask_many(3)
    dana = sign_in("dana")
    page = dana.get("/inbox/")
    assert poll(dana, page).status_code == 204

    vote("felix", asked[1], "reject", reason_code="duplicate")
    ask("900.00")
    answer = poll(dana, page)
    html = answer.content.decode()
    assert f'id="approval-{asked[1].id}" data-gone hx-swap-oob="true"' in html
    assert "Rejected by Felix Braun" in text_of(answer) + html
    assert f"approval-{asked[0].id}" not in html
    assert "1 new" in html
    assert answer.context["changes"].new_count == 1


def test_a_row_one_may_not_see_any_more_is_taken_away(writer: Robot, sign_in: SignIn) -> None:
    [approval] = ask_many(1)
    dana = sign_in("dana")
    page = dana.get("/inbox/")
    ProcessUserPermission.objects.filter(user=person("dana")).delete()
    answer = poll(dana, page)

    assert f'<tr id="approval-{approval.id}" hx-swap-oob="delete">' in answer.content.decode()
    assert "Credit 1.00" not in answer.content.decode()


def test_the_open_card_hears_of_its_end(writer: Robot, sign_in: SignIn) -> None:
    [approval] = ask_many(1)
    dana = sign_in("dana")
    page = dana.get("/inbox/")
    vote("felix", approval)
    answer = poll(dana, page, open=f"{approval.id}:{approval.version}")

    assert "Approved by Felix Braun" in answer.content.decode()
    assert 'id="card-news"' in answer.content.decode()


def test_a_page_older_than_the_console_is_asked_to_load_again(writer: Robot, sign_in: SignIn) -> None:
    ask_many(1)
    answer = sign_in("dana").get("/inbox/", {"version": "x", "look": ["nonsense"]}, headers=HTMX)

    assert answer.status_code == 400


# --- the card


ALL_VERBS = {"Approve", "Approve with edits", "Reject", "Ask for changes", "Delegate", "Snooze", "Escalate"}


def test_the_card_tells_all_one_needs(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(
        writer,
        rationale="Billed 80.00 a unit.",
        confidence=0.93,
        evidence=[{"title": "Price list", "uri": "urn:erp:price-list", "sha256": "a" * 64}],
    )
    page = sign_in("dana").get(f"/inbox/{approval.id}/")
    text = text_of(page)

    for words in (
        "Credit €1,280.00 to C-204 on invoice INV-1042",
        "erp.issue_credit_memo@1",
        "Larger credit memos need one finance approver. This one is €1,280.00",
        "Price list",
        "Agent's statement from writer, not verified",
        "reversible",
        "May vote: Dana Ruiz, Felix Braun",
        approval.digest[:12],
    ):
        assert words in text, words
    assert buttons_of(page) == ALL_VERBS
    assert " checked" not in page.content.decode().split("<article")[1].split("</article")[0]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("carla", "This waits for Finance approvers, and you are not one of them."),
        ("omar", "You may not vote on approvals in Order to cash."),
    ],
)
def test_who_may_not_vote_has_no_verb_and_is_told_why(writer: Robot, sign_in: SignIn, who: str, why: str) -> None:
    _, approval = parked(writer)
    page = sign_in(who).get(f"/inbox/{approval.id}/")

    assert why in text_of(page)
    assert buttons_of(page) & ALL_VERBS == set()


def test_over_ones_limit_one_may_still_say_no(writer: Robot, sign_in: SignIn) -> None:
    services.set_limit(
        actor=actor("priya"),
        process="order-to-cash",
        team="finance-approvers",
        currency="EUR",
        limit_minor=100_000,
        reason="Delegation of authority 2026",
    )
    _, approval = parked(writer)
    page = sign_in("dana").get(f"/inbox/{approval.id}/")

    assert "You may approve up to €1,000.00 here; this is more." in text_of(page)
    assert "Approve" not in buttons_of(page)
    assert {"Reject", "Ask for changes", "Escalate"} <= buttons_of(page)


def test_votes_name_both_and_a_withdrawn_one_is_shown_as_such(writer: Robot, sign_in: SignIn) -> None:
    approval = ask("50.00", team="cfo-office")
    Delegation.objects.create(
        giver=person("carla"),
        receiver=person("dana"),
        starts_at=approval.requested_at,
        ends_at=approval.expires_at,
        made_by="person:carla",
        made_at=approval.requested_at,
    )
    vote("dana", approval, undo_seconds=60)
    dana = sign_in("dana")
    held = dana.get(f"/inbox/{approval.id}/")
    assert "Dana Ruiz for Carla Meyer Approved" in text_of(held)
    assert "Undo" in buttons_of(held)

    services.withdraw_vote(actor=actor("dana"), approval_id=approval.id)
    assert "Taken back" in text_of(dana.get(f"/inbox/{approval.id}/"))


def test_a_changed_version_shows_its_diff_and_both_are_linked(writer: Robot, sign_in: SignIn) -> None:
    _, first = parked(writer)
    gateway.edit_tool_call(actor=actor("felix"), approval_id=first.id, digest=first.digest, arguments=credit("1300.00"))
    second = Approval.objects.get(previous=first)
    dana = sign_in("dana")
    new, old = dana.get(f"/inbox/{second.id}/"), dana.get(f"/inbox/{first.id}/")

    assert "Version 2, changed by Felix Braun" in text_of(new)
    assert "Amount 1280.00 → 1300.00" in text_of(new)
    assert f'href="/inbox/{first.id}/"' in new.content.decode()
    assert "A newer version has taken its place." in text_of(old)
    assert f'href="/inbox/{second.id}/"' in old.content.decode()


# --- deciding without script


def test_a_verb_opens_its_form_by_address(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer)
    dana = sign_in("dana")
    for stage, label in (
        ("reject", "Words to the agent"),
        ("request_changes", "What should be different"),
        ("delegate", "To whom"),
        ("snooze", "Another time"),
        ("escalate", "Why others should look at this"),
        ("extend", "Why it needs more time"),
    ):
        page = dana.get(f"/inbox/{approval.id}/?stage={stage}").content.decode()
        assert label in page.split('id="verbs"')[1].split("<template")[0], stage
    assert "Felix Braun" in dana.get(f"/inbox/{approval.id}/?stage=delegate").content.decode()


def test_approve_and_undo(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer)
    dana = sign_in("dana")
    done = dana.post(f"/inbox/{approval.id}/vote/", {"verdict": "approve", "digest": approval.digest, "dwell": "4.25"})
    assert (done.status_code, done["Location"]) == (302, "/inbox/")
    assert Vote.objects.get().dwell_seconds == 4.25
    page = dana.get("/inbox/")
    assert f'action="/inbox/{approval.id}/undo/"' in page.content.decode()
    assert "released in" in text_of(page)

    assert dana.post(f"/inbox/{approval.id}/undo/")["Location"] == f"/inbox/{approval.id}/"
    approval.refresh_from_db()
    assert (approval.state, approval.settles_at) == (ApprovalState.PENDING, None)


def test_high_risk_passes_the_restatement(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer, "12480.00", tool="erp.write_off")
    dana = sign_in("dana")
    card = dana.get(f"/inbox/{approval.id}/").content.decode()
    assert f'action="/inbox/{approval.id}/confirm/"' in card
    sheet = dana.get(f"/inbox/{approval.id}/confirm/")
    assert "Approve €12,480.00" in text_of(sheet)
    assert sheet.content.decode().count("<h1") == 1

    dana.post(f"/inbox/{approval.id}/vote/", {"verdict": "approve", "digest": approval.digest, "comment": "Insolvent"})
    approval.refresh_from_db()
    assert approval.state == ApprovalState.APPROVED


def test_step_up_leads_to_the_proof_and_back(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer)
    services.change_rules(actor=actor("priya"), process="order-to-cash", step_up={"EUR": 100_000})
    body = {"verdict": "approve", "digest": approval.digest}
    refused = sign_in("dana").post(f"/inbox/{approval.id}/vote/", body)
    sheet = sign_in("dana").post(f"/inbox/{approval.id}/vote/", body, headers=HTMX)

    assert refused.status_code == sheet.status_code == 403
    for answer in (refused, sheet):
        assert f"/accounts/reauthenticate/?next=%2Finbox%2F{approval.id}%2F" in answer.content.decode()
        assert "Confirm it is you" in text_of(answer)
    assert sheet["HX-Retarget"] == "#sheet"


def test_a_vote_on_what_was_replaced_shows_the_new_version_and_keeps_the_draft(writer: Robot, sign_in: SignIn) -> None:
    _, first = parked(writer)
    gateway.edit_tool_call(actor=actor("felix"), approval_id=first.id, digest=first.digest, arguments=credit("1300.00"))
    draft = {"verdict": "reject", "digest": first.digest, "reason_code": "wrong_amount", "comment": "It is 64.00"}
    answer = sign_in("dana").post(f"/inbox/{first.id}/vote/", draft)

    assert answer.status_code == 409
    assert answer.context["card"].approval.previous_id == first.id
    assert "It is 64.00" in answer.content.decode()
    assert "Below is the new version." in text_of(answer)


def test_asking_for_changes_needs_words(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer)
    body = {"verdict": "request_changes", "digest": approval.digest, "reason_code": "wrong_amount"}
    dana = sign_in("dana")
    refused = dana.post(f"/inbox/{approval.id}/vote/", body)
    assert (refused.status_code, Vote.objects.count()) == (422, 0)
    assert "Say what should be different" in text_of(refused)

    dana.post(f"/inbox/{approval.id}/vote/", {**body, "comment": "Credit 600.00"})
    approval.refresh_from_db()
    assert approval.state == ApprovalState.CHANGES_REQUESTED


def test_after_a_vote_comes_what_stands_below(writer: Robot, sign_in: SignIn) -> None:
    first, second, third = (ask(amount) for amount in ("30.00", "20.00", "10.00"))
    answer = sign_in("dana").post(
        f"/inbox/{second.id}/vote/?view=team", {"verdict": "approve", "digest": second.digest}, headers=HTMX
    )

    assert answer["HX-Push-Url"] == f"/inbox/{third.id}/?view=team"
    assert {row.approval.id for row in answer.context["queue"].rows} == {first.id, third.id}


def test_handing_on_putting_off_bringing_up_and_giving_time(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer)
    dana = sign_in("dana")
    base = f"/inbox/{approval.id}"
    day = f"{approval.expires_at:%Y-%m-%d}"
    late = f"{approval.expires_at.replace(microsecond=0).isoformat()[:16]}"

    assert dana.post(f"{base}/extend/", {"until": late, "reason": ""}).status_code == 422
    assert dana.post(f"{base}/snooze/", {"until": "custom"}).status_code == 422
    assert dana.post(f"{base}/snooze/", {"until": "hour"}).status_code == 302
    assert Snooze.objects.get().person == person("dana")
    assert "Bring back" in buttons_of(dana.get(f"{base}/"))
    assert dana.post(f"{base}/unsnooze/").status_code == 302
    assert not Snooze.objects.exists()
    assert dana.post(f"{base}/escalate/", {"reason": ""}).status_code == 422
    assert dana.post(f"{base}/escalate/", {"reason": "New customer"}).status_code == 302
    assert Escalation.objects.get().team.slug == "o2c-oncall"
    assert dana.post(f"{base}/delegate/", {"receiver": "nobody", "until": day}).status_code == 422
    assert dana.post(f"{base}/delegate/", {"receiver": "felix", "until": day}).status_code == 302
    assert Delegation.objects.get().receiver == person("felix")
    page = text_of(dana.get(f"{base}/"))
    assert "Dana Ruiz lets Felix Braun decide this" in page
    assert "Escalated to Order-to-cash on call by Dana Ruiz" in page


# --- many at once, without script


def test_rows_are_selected_and_approved(writer: Robot, sign_in: SignIn) -> None:
    asked = [*ask_many(3), ask("80.00", risk="high")]
    dana = sign_in("dana")
    picks = [f"{approval.id}:{approval.version}" for approval in asked]
    chosen = dana.post("/inbox/selection/", {"scope": "rows", "pick": picks})
    page = dana.get(chosen["Location"])
    assert "3 selected €6.00" in text_of(page)
    assert "1 left out: of high risk or irreversible" in text_of(page)
    assert len(re.findall('name="pick"[^>]* checked', page.content.decode())) == 3

    [token] = re.findall(r'action="/inbox/selection/([^/]+)/vote/', page.content.decode())
    done = dana.post(f"/inbox/selection/{token}/vote/", {"verdict": "approve"})
    bulk = BulkVote.objects.get()
    assert done["Location"] == f"/inbox/bulk/{bulk.id}/"
    assert "3 done" in text_of(dana.get(done["Location"]))
    assert Vote.objects.count() == 3


def test_a_row_that_was_picked_in_another_version_is_left_out(writer: Robot, sign_in: SignIn) -> None:
    [approval] = ask_many(1)
    services.escalate(actor=actor("dana"), approval_id=approval.id, reason="New customer")
    answer = sign_in("dana").post("/inbox/selection/", {"pick": f"{approval.id}:1"}, headers=HTMX)

    assert "0 selected" in text_of(answer)
    assert "1 left out: changed since you saw them" in text_of(answer)


def test_rejecting_many_needs_a_reason_and_reaches_high_risk_too(writer: Robot, sign_in: SignIn) -> None:
    ask_many(2)
    ask("80.00", risk="high")
    dana = sign_in("dana")
    bar = dana.post("/inbox/selection/", {"reject": "all", "total": "3"}, headers=HTMX)
    assert "All 3 matching selected" in text_of(bar)
    [token] = re.findall(r'action="/inbox/selection/([^/]+)/vote/', bar.content.decode())
    refused = dana.post(f"/inbox/selection/{token}/vote/", {"verdict": "reject"})
    assert (refused.status_code, Vote.objects.count()) == (422, 0)
    assert "Say why, so that the agents can learn from it." in text_of(refused)

    done = dana.post(f"/inbox/selection/{token}/vote/", {"verdict": "reject", "reason_code": "duplicate"})
    assert "3 done" in text_of(dana.get(done["Location"]))
    assert Approval.objects.filter(state=ApprovalState.REJECTED).count() == 3


def test_what_was_taken_out_of_all_stays_out_when_it_is_rejected(writer: Robot, sign_in: SignIn) -> None:
    asked = ask_many(3)
    dana = sign_in("dana")
    looks = [row.look for row in dana.get("/inbox/").context["queue"].rows]
    bar = dana.post("/inbox/selection/", {"scope": "all", "total": "3"}, headers=HTMX)
    [token] = re.findall(r'name="all" value="([^"]+)"', bar.content.decode())
    ticked = {"look": looks, "pick": [f"{approval.id}:1" for approval in asked[:2]], "all": token, "total": "3"}
    assert "2 of 3 matching selected" in text_of(dana.post("/inbox/selection/", ticked, headers=HTMX))
    again = dana.post("/inbox/selection/", {**ticked, "reject": "all"}, headers=HTMX)

    assert "2 of 3 matching selected" in text_of(again)
    assert again.context["selection"].summary["verdict"] == "reject"


def test_a_count_is_capped_until_somebody_wants_it(
    writer: Robot, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (inbox, queries, tabs):
        monkeypatch.setattr(module, "MOST_COUNTED", 2)
    ask_many(4)
    dana = sign_in("dana")
    page = dana.get("/inbox/")
    assert "2+ waiting Count exactly" in text_of(page)
    assert "Select all 2+ matching" in text_of(page)
    exact = dana.post("/inbox/selection/", {"scope": "count"}, headers=HTMX)
    assert "4 waiting €10.00" in text_of(exact)
    everything = dana.post("/inbox/selection/", {"scope": "all", "total": "2+"}, headers=HTMX)
    assert "All 4 matching selected €10.00" in text_of(everything)


def test_what_was_not_done_is_told_with_its_reason(writer: Robot, sign_in: SignIn) -> None:
    asked = ask_many(4)
    dana = sign_in("dana")
    bar = dana.post("/inbox/selection/", {"scope": "all"}, headers=HTMX)
    [token] = re.findall(r'action="/inbox/selection/([^/]+)/vote/', bar.content.decode())
    vote("felix", asked[2])
    page = dana.get(dana.post(f"/inbox/selection/{token}/vote/", {"verdict": "approve"})["Location"])

    assert "3 done, 1 not" in text_of(page)
    assert "Credit 3.00 EUR to C-204" in text_of(page)
    assert page.content.decode().count(f'href="/inbox/{asked[2].id}/"') == 1
    assert 'action="/inbox/bulk/' in page.content.decode()


def test_a_bulk_vote_under_way_shows_how_far_it_is(writer: Robot, sign_in: SignIn) -> None:
    ask_many(2)
    selection = services.select(actor=actor("dana"), query=QueueFilter())
    bulk = services.bulk_vote(actor=actor("dana"), selection_id=selection.id, verdict="approve")
    BulkVote.objects.filter(id=bulk.id).update(state="running", finished_at=None, done_count=1)
    dana = sign_in("dana")
    page = dana.get(f"/inbox/bulk/{bulk.id}/")
    assert "1 of 2" in text_of(page)
    assert 'hx-trigger="every 1s"' in page.content.decode()
    assert "Cancel the rest" in text_of(page)

    ended = dana.get(dana.post(f"/inbox/bulk/{bulk.id}/cancel/")["Location"])
    assert "1 row was not reached" in text_of(ended)


# --- kept lists


def test_a_list_is_kept_and_forgotten(writer: Robot, sign_in: SignIn) -> None:
    dana = sign_in("dana")
    assert dana.post("/inbox/views/?risk=high", {"name": ""}).status_code == 422
    kept = dana.post("/inbox/views/?risk=high", {"name": "High", "team": "finance-approvers"})
    assert kept["Location"] == "/inbox/?risk=high"
    view = SavedView.objects.get()
    assert (view.query, view.team and view.team.slug) == ("risk=high", "finance-approvers")
    assert "High" in text_of(sign_in("felix").get("/inbox/"))
    assert sign_in("felix").post(f"/inbox/views/{view.id}/delete/").status_code == 403
    assert dana.post(f"/inbox/views/{view.id}/delete/").status_code == 302


def test_the_filter_form_leads_back_to_the_list(writer: Robot, sign_in: SignIn) -> None:
    page = sign_in("dana").get("/inbox/filter/?view=team&risk=high&currency=EUR&amount_min=100.00")
    html = page.content.decode()

    assert 'name="view" value="team"' in html
    assert 'value="high" checked' in html
    assert 'value="100.00"' in html
    assert "Order to cash" in html
