"""The story of a run: ten kinds of runs as they read to somebody who never saw the product, to the letter.

A story changed on purpose? RENEW_STORIES=1 writes the files anew; reading them is the point of it.
"""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.gateway import services as gateway
from apps.gateway.models import ToolCall, Unwind
from apps.gateway.services.resolving import Evidence
from apps.halts import services as halts
from apps.runs import deadlines
from apps.runs.models import Run
from apps.runs.queries import run_for
from apps.runs.story import story_for
from apps.telemetry.ungoverned import find_ungoverned_actions
from tests.budgets.builders import make_budget
from tests.conftest import Robot, actor, credit, robot_named, settle_news
from tests.fakes.erp import FakeErp
from tests.gateway.test_revise_tool_call import answer
from tests.gateway.undoing import BY_TICKET, undone_by, work
from tests.gateway.unknowns import make_unknown
from tests.runs.days import Day, day
from tests.telemetry.exporting import span, tell
from tests.telemetry.prices import make_price

pytestmark = pytest.mark.django_db
__all__ = ["day"]

STORIES = Path(__file__).with_name("stories")
Api = Callable[[str], APIClient]


@pytest.fixture
def agent(day: Day, world: FakeErp) -> Robot:
    """The writer, its token made on this day."""
    return robot_named("writer")


def begin(agent: Robot, day: Day, title: str = "Dispute on invoice INV-1042") -> str:
    body = {"title": title, "business_key": "INV-1042"}
    run_id: str = agent.api().post("/api/v1/runs", body, format="json").json()["id"]
    day.set_right()
    return run_id


def end(agent: Robot, run_id: str, state: str) -> None:
    fresh = robot_named(agent.agent.slug)  # its token of the morning has expired
    assert fresh.api().patch(f"/api/v1/runs/{run_id}", {"state": state}, format="json").status_code == 200


def vote(day: Day, at: str, who: str, call: Any, verdict: str = "approve", **more: Any) -> None:
    day.at(at)
    approval = Approval.objects.get(id=call.json()["approval"]["id"])
    approvals.cast_vote(
        actor=actor(who), approval_id=approval.id, verdict=verdict, digest=approval.digest, undo_seconds=0, **more
    )
    settle_news()


def assert_story(run_id: str, name: str) -> None:
    text = story_of_run(run_id, "chen")
    golden = STORIES / f"{name}.txt"
    if os.environ.get("RENEW_STORIES"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert 5 <= len(text.strip().split("\n")) - 3 <= 15


def test_plain_success(agent: Robot, day: Day) -> None:
    run_id = begin(agent, day)
    day.at("09:00:04")
    agent.call("180.00", run_id=run_id)
    day.at("09:00:30")
    end(agent, run_id, "succeeded")

    assert_story(run_id, "plain-success")


def test_approved_in_two_stages(agent: Robot, day: Day) -> None:
    run_id = begin(agent, day)
    day.at("09:00:04")
    call = agent.call("6000.00", run_id=run_id)
    vote(day, "09:20:04", "dana", call)
    vote(day, "18:00:00", "carla", call)
    day.at("18:00:05")
    end(agent, run_id, "succeeded")

    assert_story(run_id, "approved-in-two-stages")


def test_rejected(agent: Robot, day: Day) -> None:
    run_id = begin(agent, day)
    day.at("09:00:04")
    call = agent.call("1280.00", run_id=run_id)
    vote(day, "09:12:00", "dana", call, "reject", reason_code="wrong_amount", comment="Freight is not part of it")
    day.at("09:12:30")
    end(agent, run_id, "failed")

    assert_story(run_id, "rejected")


def test_expired(agent: Robot, day: Day) -> None:
    run_id = begin(agent, day)
    day.at("09:00:04")
    agent.call("1280.00", run_id=run_id)
    day.at("17:00:10")
    approvals.expire_due()
    settle_news()
    day.at("17:01:00")
    end(agent, run_id, "failed")

    assert_story(run_id, "expired")


def test_denied_by_policy(agent: Robot, day: Day) -> None:
    run_id = begin(agent, day)
    day.at("09:00:04")
    agent.call("90.00", run_id=run_id, arguments=credit("90.00", "USD"))
    day.at("09:00:10")
    end(agent, run_id, "failed")

    assert_story(run_id, "denied-by-policy")


def test_halted_and_resumed(agent: Robot, day: Day) -> None:
    run_id = begin(agent, day)
    day.at("09:00:04")
    call = agent.call("1280.00", run_id=run_id)
    day.at("09:10:00")
    halt = halts.place_halt(
        actor=actor("omar"),
        scope_type="agent",
        scope_reference="writer",
        environment="production",
        mode="hold",
        reason_code="malfunction",
        reason="Two memos for one invoice this morning",
    )
    day.set_right()
    vote(day, "09:15:00", "dana", call)
    day.at("09:40:00")
    halts.lift_halt(actor=actor("omar"), halt_id=halt.id, reason="They were two disputes")
    settle_news()
    day.at("09:41:00")
    end(agent, run_id, "succeeded")

    assert_story(run_id, "halted-and-resumed")


def test_failed_half_way_and_undone(agent: Robot, day: Day, erp: FakeErp) -> None:
    undone_by(BY_TICKET)
    run_id = begin(agent, day)
    for second, amount in ((4, "180.00"), (9, "200.00")):
        day.at(f"09:00:{second:02d}")
        agent.call(amount, key=f"k-{second}", run_id=run_id)
    day.at("09:00:15")
    erp.faults = ["400"]
    agent.call("75.00", key="k-15", run_id=run_id)
    day.at("09:00:20")
    end(agent, run_id, "failed")
    day.at("09:30:00")
    gateway.unwind_run(actor=actor("omar"), run_id=Run.objects.get(id=run_id).id)
    day.at("09:30:02")
    work()
    assert Unwind.objects.get().state == "done"

    assert_story(run_id, "failed-half-way-and-undone")


def test_an_unknown_outcome_that_a_person_settled(agent: Robot, day: Day) -> None:
    run_id = begin(agent, day)
    day.at("09:00:04")
    call = make_unknown(agent, "k-1", run_id=run_id)
    day.at("11:00:00")
    evidence = Evidence(finding="happened", words="It is in the ledger of today", reference="CM-1")
    gateway.resolve_tool_call(actor=actor("omar"), call_id=call.id, evidence=evidence)
    day.at("11:05:00")
    end(agent, run_id, "succeeded")

    assert_story(run_id, "unknown-outcome-settled")


def test_changed_on_the_way(agent: Robot, day: Day) -> None:
    run_id = begin(agent, day)
    day.at("09:00:04")
    call = agent.call("1280.00", run_id=run_id)
    vote(day, "09:03:00", "dana", call, "request_changes", reason_code="wrong_amount", comment="Not the freight")
    day.at("09:04:00")
    assert answer(agent, ToolCall.objects.get()).status_code == 202
    vote(day, "09:05:00", "felix", agent.api().get(f"/api/v1/tool-calls/{call.json()['id']}"))
    day.at("09:06:00")
    end(agent, run_id, "succeeded")

    assert_story(run_id, "changed-on-the-way")


def test_a_budget_that_refused_is_told(agent: Robot, day: Day) -> None:
    make_budget(cap=10_000, scope_reference="writer")
    run_id = begin(agent, day)
    agent.call("140.00", run_id=run_id)

    assert "It was refused at once. " in story_of_run(run_id, "chen")


def test_many_alike_calls_are_one_sentence(agent: Robot, day: Day, erp: FakeErp) -> None:
    run_id = begin(agent, day)
    for number in range(12):
        day.at(f"09:{number:02d}:00")
        erp.faults = ["400"] if number == 7 else []
        agent.call("10.00", key=f"k-{number}", run_id=run_id)
    for currency in ("EUR", "USD"):
        arguments = {"reference": f"INV-{currency}"}
        agent.call(tool="erp.find", arguments=arguments, key=f"find-{currency}", run_id=run_id)
    day.at("09:12:00")
    end(agent, run_id, "succeeded")

    assert_story(run_id, "many-alike")


def test_what_does_not_fit_is_told_in_fewer_words_and_counted(agent: Robot, day: Day) -> None:
    run_id = begin(agent, day)
    for number in range(20):
        agent.call("1280.00", key=f"k-{number}", run_id=run_id)
    story = story_for(actor("chen"), run_for(actor("chen"), Run.objects.get(id=run_id).id))

    assert len(story.sentences) == 15
    assert "8 more things happened" in story.text


def test_the_api_tells_the_same_sentences(agent: Robot, day: Day, api: Api, sign_in: Callable[[str], Any]) -> None:
    run_id = begin(agent, day)
    agent.call("180.00", run_id=run_id)
    told = api("dana").get(f"/api/v1/runs/{run_id}/story").json()
    text = sign_in("dana").get(f"/runs/{run_id}/story.txt").content.decode()
    page = sign_in("dana").get(f"/runs/{run_id}/").content.decode()

    assert told["text"] == text
    assert all(sentence["text"] in text and sentence["text"] in page for sentence in told["sentences"])
    assert {"minor": 18000, "currency": "EUR"} in told["sentences"][1]["money"]


def test_who_sees_no_process_sees_no_story(agent: Robot, day: Day, api: Api) -> None:
    run_id = begin(agent, day)

    assert api("otto").get(f"/api/v1/runs/{run_id}/story").status_code == 404


def test_more_time_and_a_held_run_are_told(agent: Robot, day: Day) -> None:
    body = {"title": "Dispute", "time_budget_seconds": 600}
    run_id = agent.api().post("/api/v1/runs", body, format="json").json()["id"]
    day.set_right()
    day.at("09:05:00")
    until = day.now + dt.timedelta(hours=4)
    deadlines.extend_run(actor=actor("priya"), run_id=UUID(run_id), until=until, reason="The bank is closed")

    assert "Priya Nair gave the work more time. “The bank is closed”." in story_of_run(run_id, "chen")
    seen = story_for(robot_named("writer").actor, run_for(robot_named("writer").actor, UUID(run_id))).text
    assert "gave the work more time." in seen
    assert "The bank is closed" not in seen


def story_of_run(run_id: str, username: str) -> str:
    return story_for(actor(username), run_for(actor(username), UUID(run_id))).text


def told_at(day: Day, text: str, trace: str, *, kind: str, name: str = "", **more: Any) -> dict[str, Any]:
    """A span that ended at this moment of the day."""
    day.at(text)
    attributes = {"gen_ai.operation.name": kind, **more.pop("attributes", {})}
    return span(name or kind, trace=trace, attributes=attributes, **more)


def asked_a_model(day: Day, text: str, trace: str, given: int, made: int, model: str = "gpt-5") -> dict[str, Any]:
    counts = {"gen_ai.usage.input_tokens": given, "gen_ai.usage.output_tokens": made, "gen_ai.response.model": model}
    return told_at(day, text, trace, kind="chat", attributes=counts)


def begin_in(agent: Robot, day: Day, trace: str) -> str:
    """A run that its agent opened within a trace."""
    body = {"title": "Dispute on invoice INV-1042", "business_key": "INV-1042"}
    header = {"traceparent": f"00-{trace}-{'ab' * 8}-01"}
    run_id: str = agent.api().post("/api/v1/runs", body, format="json", headers=header).json()["id"]
    day.set_right()
    return run_id


def test_what_models_and_a_hand_off_were_reported(agent: Robot, day: Day) -> None:
    make_price()
    trace = "4b" * 16
    run_id = begin_in(agent, day, trace)
    turn = told_at(day, "09:00:20", trace, kind="invoke_agent", name="invoke_agent triage")
    spans = [
        turn,
        asked_a_model(day, "09:00:02", trace, 4_200, 180),
        told_at(day, "09:00:03", trace, kind="handoff", attributes={"gen_ai.handoff.to_agent": "credit desk"}),
        asked_a_model(day, "09:00:04", trace, 5_100, 260),
        asked_a_model(day, "09:00:05", trace, 900, 40, model="house-model"),
    ]
    day.at("09:00:06")
    agent.call("180.00", run_id=run_id)
    day.at("09:00:30")
    tell(robot_named("writer"), *spans)
    end(agent, run_id, "succeeded")

    assert_story(run_id, "models-and-a-hand-off")


def test_an_ungoverned_action(agent: Robot, day: Day) -> None:
    trace = "4c" * 16
    run_id = begin_in(agent, day, trace)
    tools = {"gen_ai.tool.name": "mail.send_reminder"}
    spans = [
        told_at(day, "09:00:05", trace, kind="chat", attributes={"gen_ai.response.model": "gpt-5"}),
        *(told_at(day, f"09:00:0{n}", trace, kind="execute_tool", attributes=tools) for n in (7, 9)),
    ]
    day.at("09:00:12")
    agent.call("180.00", run_id=run_id)
    day.at("09:00:15")
    tell(robot_named("writer"), *spans)
    end(agent, run_id, "succeeded")
    day.at("09:01:20")
    find_ungoverned_actions()

    assert_story(run_id, "ungoverned-action")


def test_many_things_told_are_few_sentences_and_nobodys_certainty(agent: Robot, day: Day) -> None:
    trace = "4d" * 16
    run_id = begin_in(agent, day, trace)
    spans = [asked_a_model(day, "09:00:05", trace, 10, 10, model=f"model-{n}") for n in range(7)]
    for n in range(5):
        attributes = {"gen_ai.tool.name": f"shell_{n}"}
        spans.append(told_at(day, f"09:00:1{n}", trace, kind="execute_tool", attributes=attributes))
        spans.append(told_at(day, f"09:00:2{n}", trace, kind="handoff", attributes={"handoff.to_agent": f"desk {n}"}))
    tell(robot_named("writer"), *spans)
    day.at("09:01:20")
    find_ungoverned_actions()
    text = story_of_run(run_id, "chen")

    assert "asked a language model 7 times (model-0, model-1, model-2, model-3 and 3 more)" in text
    assert "What it cost is not known." in text
    assert "handed the work over 5 times to “desk 0”, “desk 1”, “desk 2”, “desk 3” and 1 more." in text
    assert "It was the same with 2 other tools." in text
    assert len(text.strip().split("\n")) - 3 <= 15
