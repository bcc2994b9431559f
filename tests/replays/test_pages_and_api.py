"""Draft, review and version show what a replay came to; the API and the command line tell the same."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.policies import services as policies
from apps.policies.files import write_directory
from apps.policies.queries import content_of, version_of
from apps.replays import services
from apps.replays.models import ImpactReplay
from tests.conftest import Robot, actor, settle_news
from tests.policies.reviewing import SET, limit, raised, released, sent
from tests.replays.histories import carried_out, facts, stored

pytestmark = pytest.mark.django_db

SENTENCE = "2 decisions would no longer ask anyone (€1,230.00)."
PART = {"HX-Request": "true"}


def shown(client: Any, url: str, **headers: str) -> str:
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200, answer.content
    return str(answer.content.decode())


def test_the_owner_replays_a_draft_and_the_approver_reads_what_it_came_to(writer: Robot, sign_in: Any) -> None:
    stored(facts(amount) for amount in ("180.00", "600.00", "630.00"))
    draft, priya, dana = raised("750.00"), sign_in("priya"), sign_in("dana")
    page = f"/policies/drafts/{draft.id}/"
    assert "It was not replayed" in shown(priya, page)

    answer = priya.post(f"{page}replay/", {"window": "30"})
    assert (answer.status_code, answer["Location"]) == (302, f"{page}#impact")
    replay = ImpactReplay.objects.get()
    assert "waits for a worker" in shown(priya, page)
    assert "Cancel the replay" not in shown(dana, f"/policies/replays/{replay.id}/")
    carried_out(replay)
    assert SENTENCE in shown(priya, page)

    review = sent(draft)
    for client in (priya, dana):
        text = shown(client, f"/policies/reviews/{review.id}/")
        assert SENTENCE in text
        assert "of the draft. It is version" not in text
    rows = shown(dana, f"/policies/replays/{replay.id}/decisions/?kind=approval-to-allow")
    assert rows.count("Small credit memos need nobody") == 2
    assert "Credit €600.00 to C-204 on invoice INV-1042" in rows


def test_who_sends_without_looking_has_it_replayed_for_the_review(writer: Robot, sign_in: Any) -> None:
    stored(facts(amount) for amount in ("180.00", "600.00", "630.00"))
    review = sent(raised("750.00"))
    settle_news()
    replay = ImpactReplay.objects.get()
    assert (replay.draft_version, replay.asked_by) == (review.draft_version, "system:replays")
    carried_out(replay)
    assert SENTENCE in shown(sign_in("dana"), f"/policies/reviews/{review.id}/")
    assert services.replay_for_review(review.id) is None


def test_the_way_back_is_replayed_for_its_review(writer: Robot, sign_in: Any) -> None:
    stored([facts("180.00"), facts("600.00")])
    released("750.00")
    carried_out(ImpactReplay.objects.get())
    stored([facts("600.00")])
    review = policies.request_rollback(
        actor=actor("priya"), policy_set=SET, version=1, environment="production", message="Too many"
    )
    settle_news()
    carried_out(ImpactReplay.objects.get(release__version=1))
    text = shown(sign_in("dana"), f"/policies/reviews/{review.id}/")
    assert "1 decision would ask people first (€600.00)." in text


def test_a_replay_of_an_older_version_says_so(writer: Robot, sign_in: Any) -> None:
    stored([facts("600.00")])
    draft = raised("750.00")
    carried_out(services.replay_draft(actor=actor("priya"), draft_id=draft.id))
    policies.save_draft(actor=actor("alex"), draft_id=draft.id, version=2, parameters=limit("760.00"))
    text = shown(sign_in("priya"), f"/policies/drafts/{draft.id}/")
    assert "This is of version 2 of the draft. It is version 3 now." in text


def test_a_page_that_is_open_is_told_only_what_moved(writer: Robot, sign_in: Any) -> None:
    stored([facts("600.00")])
    replay = services.replay_draft(actor=actor("priya"), draft_id=raised().id)
    url, priya = f"/policies/replays/{replay.id}/", sign_in("priya")
    assert 'hx-trigger="every 1s"' in shown(priya, url, **PART)
    assert priya.get(f"{url}?mark=queued-0-False", headers=PART).status_code == 204
    carried_out(replay)
    moved = shown(priya, f"{url}?mark=queued-0-False", **PART)
    assert "hx-trigger" not in moved
    assert "<html" not in moved


def test_a_replay_of_a_release_stands_on_its_page(writer: Robot, sign_in: Any) -> None:
    stored([facts("600.00")])
    priya = sign_in("priya")
    priya.post(f"/policies/{SET}/versions/1/replay/", {"window": "all"})
    carried_out(ImpactReplay.objects.get())
    assert "None of 1 decision would be another." in shown(priya, f"/policies/{SET}/versions/1/")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"window": "12"}, 422),
        ({"first_day": "soon"}, 422),
        ({"first_day": "2040-01-01"}, 422),
        ({"environment": "moon"}, 422),
        ({"first_day": "2020-01-01", "last_day": "2020-12-31"}, 302),
    ],
)
def test_a_window_that_is_none_is_refused(writer: Robot, sign_in: Any, body: Any, status: int) -> None:
    answer = sign_in("priya").post(f"/policies/drafts/{raised().id}/replay/", body)
    assert answer.status_code == status
    assert ImpactReplay.objects.exists() == (status == 302)


def test_the_same_by_the_api(writer: Robot, api: Any) -> None:
    stored(facts(amount) for amount in ("180.00", "600.00", "630.00"))
    draft, priya = raised("750.00"), api("priya")
    begun = priya.post(f"/api/v1/policy-drafts/{draft.id}/replays", {"days": 30}, format="json")
    assert (begun.status_code, begun.json()["state"], begun.json()["draft_version"]) == (202, "queued", 2)
    url = f"/api/v1/policy-replays/{begun.json()['id']}"
    carried_out(ImpactReplay.objects.get())
    told = api("dana").get(url).json()
    assert (told["state"], told["total"], told["done"], told["same"], told["stale"]) == ("done", 3, 3, 1, False)
    [relaxed] = told["buckets"]["relaxed"]["kinds"]
    assert relaxed == {
        "kind": "approval-to-allow",
        "count": 2,
        "listed": 2,
        "money": [{"minor": 123000, "currency": "EUR"}],
        "sentence": SENTENCE,
    }
    assert told["buckets"]["tightened"] == {"count": 0, "money": [], "kinds": []}
    listed = priya.get(f"{url}/decisions?kind=approval-to-allow&limit=1").json()
    assert listed["items"][0]["after"]["outcome"] == "allow"
    more = priya.get(f"{url}/decisions?kind=approval-to-allow&limit=1&cursor={listed['next']}").json()
    assert (len(more["items"]), more["next"]) == (1, None)
    assert priya.get(f"{url}/decisions?kind=no-such").status_code == 404
    assert [each["id"] for each in priya.get("/api/v1/policy-replays").json()["items"]] == [told["id"]]


def test_files_are_replayed_from_the_command_line(writer: Robot, tmp_path: Path) -> None:
    stored(facts(amount) for amount in ("180.00", "600.00", "630.00"))
    draft = raised("750.00")
    write_directory(tmp_path, content_of(version_of(draft)))
    out = io.StringIO()
    call_command("policy", "replay", str(tmp_path), "--set", SET, "--as", "priya", stdout=out, stderr=io.StringIO())
    assert SENTENCE in out.getvalue()
    assert "3 decisions: 1 the same, 2 not." in out.getvalue()
    as_json = io.StringIO()
    arguments = ("--set", SET, "--as", "priya", "--days", "30", "--json")
    call_command("policy", "replay", str(tmp_path), *arguments, stdout=as_json, stderr=io.StringIO())
    assert json.loads(as_json.getvalue())["buckets"]["relaxed"]["count"] == 2
    assert not ImpactReplay.objects.exclude(state="done").exists()
