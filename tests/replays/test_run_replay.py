"""The replay of a run: the same inputs decided again in their order, answered from the record, and nothing sent."""

import os
import signal
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core import clock, outbox
from apps.core.models import OutboxEvent
from apps.gateway.models import Decision, ToolCall
from apps.halts.services import place_halt
from apps.policies.services import publish_release
from apps.registry.models import Process
from apps.replays import services
from apps.replays.comparing import Again
from apps.replays.kinds import Kind
from apps.replays.models import RunReplay
from apps.replays.run_result import RunResult
from apps.replays.services import run_asking, run_working
from apps.replays.steps import Recorded, StepKind, sentence_of, step_of
from apps.runs.models import Run
from apps.vault.models import Payload
from tests.conftest import Robot, actor, settle_news
from tests.fakes.erp import FakeErp
from tests.live import until
from tests.policies.reviewing import limit, raised, refusal
from tests.replays.test_killed_process import CHECKOUT, database_url
from tests.world import POLICY

PART = {"HX-Request": "true"}
# Works until the second chunk is written, says so, and is then busy with committing it until it is killed.
WORKER = """
import sys, time, django
django.setup()
from apps.replays.services import run_working
run_working.CHUNK_SIZE = 2
real, chunks = run_working._do_chunk, []
def slow(replay):
    more = real(replay)
    chunks.append(1)
    if len(chunks) == 2:
        print("second", flush=True)
        time.sleep(600)
    return more
run_working._do_chunk = slow
while run_working.advance_run_replay(sys.argv[1]):
    pass
"""


def begun(writer: Robot) -> str:
    return str(writer.api().post("/api/v1/runs", {"title": "Dispute INV-1042"}, format="json").json()["id"])


def ended(writer: Robot, run: str, state: str = "failed") -> UUID:
    assert writer.api().patch(f"/api/v1/runs/{run}", {"state": state}, format="json").status_code == 200
    return UUID(run)


def made(writer: Robot, *amounts: str, verdict: str = "approve") -> UUID:
    """A failed run with a credit memo of each amount, people having answered where they were asked."""
    run = begun(writer)
    for number, amount in enumerate(amounts):
        answer = writer.call(amount, key=f"{run}-{number}", run_id=run)
        if answer.status_code == 202:
            approval = Approval.objects.get(id=answer.json()["approval"]["id"])
            more = {} if verdict == "approve" else {"reason_code": "wrong_amount", "comment": "No"}
            approvals.cast_vote(
                actor=actor("dana"), approval_id=approval.id, verdict=verdict, digest=approval.digest, **more
            )
            settle_news()
    return ended(writer, run)


def replayed(run: UUID, who: str = "omar", **under: Any) -> RunReplay:
    replay = services.replay_run(actor=actor(who), run_id=run, **under)
    while services.advance_run_replay(replay.id):
        pass
    replay.refresh_from_db()
    return replay


def told(replay: RunReplay) -> list[tuple[str, str, str]]:
    return [(step.kind, step.cause, step.state_after) for step in replay.steps.all()]


pytestmark = pytest.mark.django_db


def test_under_the_policies_of_then_it_goes_as_it_went_and_nothing_is_sent(writer: Robot, erp: FakeErp) -> None:
    run = made(writer, "180.00", "600.00")
    sent, rows = list(erp.requests), ToolCall.objects.count()
    outbox.drain()
    replay = replayed(run)
    assert told(replay) == [("same", "", "succeeded"), ("same", "", "succeeded")]
    assert (replay.state, replay.done_count, replay.total_count) == ("done", 2, 2)
    assert RunResult(replay).headline == "2 calls: 2 the same."
    assert RunResult(replay).verdict.startswith("Each call would have been decided as it was")

    assert (erp.requests, ToolCall.objects.count()) == (sent, rows)
    entries = AuditEntry.objects.filter(code__startswith="run_replay.").order_by("seq")
    assert [(entry.code, entry.actor_key.partition(":")[0], entry.data["steps"]) for entry in entries] == [
        ("run_replay.started", "person", {}),
        ("run_replay.ended", "system", {"same": 2}),
    ]
    assert set(OutboxEvent.objects.filter(subject=f"run_replay:{replay.id}").values_list("name", flat=True)) == {
        "RunReplayAsked",
        "RunReplayEnded",
    }


def test_what_would_no_longer_ask_anyone_is_answered_from_the_record(writer: Robot) -> None:
    replay = replayed(made(writer, "600.00", "180.00"), "priya", under="draft", draft_id=raised("750.00").id)
    assert told(replay) == [("otherwise", "approval-to-allow", "succeeded"), ("same", "", "succeeded")]
    assert replay.parted_at is None
    assert replay.steps.all()[0].after["policies"][0]["id"] == "credit-alone"


def test_behind_what_people_would_have_been_asked_nothing_is_known(writer: Robot) -> None:
    replay = replayed(made(writer, "180.00", "60.00"), "priya", under="draft", draft_id=raised("100.00").id)
    assert told(replay) == [("otherwise", "allow-to-approval", "awaiting_approval"), ("not-known", "", "")]
    assert (replay.parted_at, replay.is_known) == (1, False)
    assert RunResult(replay).headline == "2 calls: 1 decided otherwise, 1 not known."


def test_what_was_never_sent_has_no_recorded_answer(writer: Robot) -> None:
    run = made(writer, "600.00", "180.00", verdict="reject")
    replay = replayed(run, "priya", under="draft", draft_id=raised("750.00").id)
    assert told(replay) == [("no-answer", "approval-to-allow", ""), ("not-known", "", "")]


def test_what_was_erased_is_not_guessed(writer: Robot) -> None:
    run = made(writer, "180.00", "60.00")
    erased = Decision.objects.filter(tool_call__run_id=run).earliest("id").input_id
    Payload.objects.filter(id=erased).update(body=None, erased_at=clock.now())
    assert told(replayed(run)) == [("not-replayed", "erased", ""), ("not-known", "", "")]


def test_what_a_halt_turned_away_is_taken_as_it_was(writer: Robot) -> None:
    run = begun(writer)
    writer.call("180.00", key="one", run_id=run)
    halt = {"scope_type": "agent", "scope_reference": "writer", "environment": "production", "reason_code": "drill"}
    place_halt(actor=actor("omar"), mode="hold", **halt)
    assert writer.call("60.00", key="two", run_id=run).status_code == 423
    replay = replayed(ended(writer, run))
    assert told(replay) == [("same", "", "succeeded"), ("taken", "", "halted")]


def test_todays_policies_and_those_of_the_sandbox_decide_when_they_are_chosen(writer: Robot) -> None:
    run = made(writer, "180.00")
    assert refusal(services.replay_run, actor=actor("omar"), run_id=run, under="sandbox").code == "replay.bad_policies"
    for environment, value in (("production", "100.00"), ("sandbox", "200.00")):
        publish_release(
            policy_set="order-to-cash",
            process=Process.objects.get(slug="order-to-cash"),
            text=POLICY,
            parameters=limit(value),
            environments=[environment],
            actor=actor("priya"),
        )
    assert told(replayed(run, under="today")) == [("otherwise", "allow-to-approval", "awaiting_approval")]
    assert told(replayed(run, under="sandbox")) == [("same", "", "succeeded")]
    assert told(replayed(run)) == [("same", "", "succeeded")]


def test_asked_for_twice_it_runs_once(writer: Robot) -> None:
    run = made(writer, "180.00")
    first = services.replay_run(actor=actor("omar"), run_id=run)
    assert services.replay_run(actor=actor("alex"), run_id=run).id == first.id
    refused = refusal(services.replay_run, actor=actor("omar"), run_id=run, under="today")
    assert (refused.code, refused.details["replay_id"]) == ("replay.under_way", str(first.id))


def test_who_may_and_what_can(writer: Robot, api: Any) -> None:
    open_run, empty = begun(writer), ended(writer, begun(writer))
    run = made(writer, "180.00")
    assert refusal(services.replay_run, actor=actor("dana"), run_id=run).code == "permission.missing"
    assert refusal(services.replay_run, actor=actor("otto"), run_id=run).code == "run.not_found"
    assert refusal(services.replay_run, actor=writer.actor, run_id=run).code == "permission.missing"
    assert refusal(services.replay_run, actor=actor("omar"), run_id=UUID(open_run)).code == "replay.run_open"
    assert refusal(services.replay_run, actor=actor("omar"), run_id=empty).code == "replay.nothing_asked"
    # a draft is for who may write it
    draft = raised("750.00").id
    assert refusal(services.replay_run, actor=actor("omar"), run_id=run, under="draft", draft_id=draft).status == 403
    assert not RunReplay.objects.exists()


def test_only_the_newest_are_kept(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_asking, "KEPT", 2)
    run = made(writer, "180.00")
    made_ones = [replayed(run).id for _ in range(4)]
    assert list(RunReplay.objects.order_by("id").values_list("id", flat=True)) == made_ones[-2:]


def test_called_off_it_keeps_what_was_done(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_working, "CHUNK_SIZE", 2)
    run = made(writer, "1.00", "2.00", "3.00")
    replay = services.replay_run(actor=actor("omar"), run_id=run)
    assert services.advance_run_replay(replay.id)
    services.cancel_run_replay(actor=actor("alex"), run_id=run, replay_id=replay.id)
    assert not services.advance_run_replay(replay.id)
    replay.refresh_from_db()
    assert (replay.state, replay.done_count, len(told(replay))) == ("cancelled", 2, 2)
    refused = refusal(services.cancel_run_replay, actor=actor("omar"), run_id=run, replay_id=replay.id)
    assert refused.code == "replay.ended"


@pytest.mark.django_db(transaction=True)
def test_what_a_killed_worker_held_is_done_once_by_the_next(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(writer, *(f"{number}.00" for number in range(1, 7)))
    replay = services.replay_run(actor=actor("omar"), run_id=run)
    environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "meshconsole.settings_test"}
    command = [sys.executable, "-c", WORKER, str(replay.id)]
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "second\n"
        # whoever comes by meanwhile lets it be
        assert not services.advance_run_replay(replay.id)
        worker.send_signal(signal.SIGKILL)
    replay.refresh_from_db()
    assert (replay.done_count, replay.state) == (2, "running")
    clock.shift(run_working.STALLED * 2)
    try:
        assert services.run_replays_to_advance() == [replay.id]
    finally:
        clock.shift(run_working.STALLED * 0)
    monkeypatch.setattr(run_working, "CHUNK_SIZE", 2)

    def is_done() -> bool:
        services.advance_run_replay(replay.id)
        replay.refresh_from_db()
        return not replay.is_open

    until(is_done, "the next goes on")
    assert (replay.state, replay.done_count, replay.tally) == ("done", 6, {"same": 6})
    assert [step.position for step in replay.steps.all()] == [1, 2, 3, 4, 5, 6]


# --- one step ---------------------------------------------------------------------------------------------------------

SENT = Recorded("succeeded", "", was_sent=True, is_as_asked=True, has_answer=True)


@pytest.mark.parametrize(
    ("recorded", "again", "kind", "goes_on"),
    [
        (SENT, Again(Kind.TOOL_GONE), StepKind.NOT_ASKED, False),
        (SENT, Again(Kind.UNREADABLE), StepKind.NOT_REPLAYED, False),
        (SENT, Again(Kind.RELEASE_GONE), StepKind.NOT_REPLAYED, False),
        (Recorded("succeeded", "", True, True, True, is_undoing_nothing=True), Again(None), StepKind.NOT_ASKED, True),
    ],
)
def test_a_step_says_why(recorded: Recorded, again: Again, kind: StepKind, goes_on: bool) -> None:
    step = step_of(recorded, again, is_known=True)
    assert (step.kind, step.goes_on) == (kind, goes_on)
    assert goes_on or sentence_of(step.kind, step.cause, step.state).endswith("Everything after it is not known.")
    assert step_of(recorded, again, is_known=False).kind == StepKind.NOT_KNOWN


# --- faces ------------------------------------------------------------------------------------------------------------


def test_page_and_api_say_the_same(writer: Robot, sign_in: Any, api: Any) -> None:
    run, draft = made(writer, "180.00", "60.00"), raised("100.00")
    priya = sign_in("priya")
    assert f"/runs/{run}/replays/" in priya.get(f"/runs/{run}/").content.decode()
    assert "This run was not replayed" in priya.get(f"/runs/{run}/replays/").content.decode()
    answer = priya.post(f"/runs/{run}/replays/", {"under": str(draft.id)})
    replay = RunReplay.objects.get()
    assert answer.headers["Location"] == f"/runs/{run}/replays/{replay.id}/"
    assert 'hx-trigger="every 1s"' in priya.get(answer.headers["Location"], headers=PART).content.decode()
    assert priya.get(f"{answer.headers['Location']}?mark=queued-0", headers=PART).status_code == 204
    services.advance_run_replay(replay.id)
    page = priya.get(answer.headers["Location"]).content.decode()
    told = api("priya").get(f"/api/v1/runs/{run}/replays/{replay.id}").json()
    assert told["counts"]["otherwise"] == told["counts"]["not-known"] == 1
    assert told["known_up_to"] == 1
    for words in ("2 calls: 1 decided otherwise, 1 not known.", *(step["sentence"] for step in told["steps"])):
        assert words.replace("'", "&#x27;") in page
    assert [step["after"]["state"] for step in told["steps"]] == ["awaiting_approval", None]
    assert api("priya").get(f"/api/v1/runs/{run}/replays").json()["items"][0]["id"] == str(replay.id)


def test_a_choice_that_is_none_is_422(writer: Robot, sign_in: Any, api: Any) -> None:
    run = made(writer, "180.00")
    assert sign_in("omar").post(f"/runs/{run}/replays/", {"under": "yesterday"}).status_code == 422
    assert api("omar").post(f"/api/v1/runs/{run}/replays", {"under": "draft"}, format="json").status_code == 422
    assert Run.objects.get(id=run).replays.count() == 0
