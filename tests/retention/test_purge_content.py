"""Rules erase what they say when its time is over: that and nothing else, in whole batches, told where it was."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.artifacts import files
from apps.artifacts.models import Artifact, StateVersion
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.gateway.models import Decision, ToolCall, Unwind
from apps.registry.models import Tool
from apps.retention import services
from apps.retention.models import Content, RetentionRule
from apps.retention.queries import all_rules
from apps.retention.services import purging
from apps.runs.models import Run, Span
from apps.telemetry.models import ReportedSpan
from apps.vault.models import Payload
from tests.conftest import Robot, actor, at_once, parked, settle_news
from tests.gateway.unknowns import make_unknown
from tests.retention.building import TESTS, full_run, make_rule
from tests.telemetry.exporting import tell, tool_span

pytestmark = pytest.mark.django_db

Clock = Callable[..., None]


def documents_of(run: Run) -> list[Payload]:
    """Every document of the vault that belongs to a call of the run."""
    ids: set[Any] = set()
    for call in ToolCall.objects.filter(run=run):
        ids |= {call.request_id, call.result_id, *call.decisions.values_list("input_id", flat=True)}
    return list(Payload.objects.filter(id__in=ids))


def story_of(api: APIClient, run: Run) -> str:
    return str(api.get(f"/api/v1/runs/{run.id}/story").json()["text"])


def test_without_a_rule_everything_is_kept(writer: Robot, time_passes: Clock) -> None:
    run = full_run(writer)
    time_passes(days=4000)

    assert services.purge_due() == 0
    assert all(document.body is not None for document in documents_of(run))


def test_calls_lose_what_they_said_and_keep_that_they_were(
    writer: Robot, api: Callable[[str], APIClient], time_passes: Clock
) -> None:
    run = full_run(writer)
    before = {document.id: document.digest for document in documents_of(run)}
    make_rule("calls", 30)
    time_passes(days=29)
    assert services.purge_due() == 0
    time_passes(days=31)
    assert services.purge_due() == 1

    after = documents_of(run)
    assert {document.id: document.digest for document in after} == before
    assert len(after) == 3
    assert all(document.body is None and bytes(document.salt) == b"" for document in after)
    call = ToolCall.objects.get(run=run)
    assert (call.state, call.money_minor, call.arguments_digest != "") == ("succeeded", 18000, True)
    assert not StateVersion.objects.filter(run=run, document__body=None).exists()
    assert not Artifact.objects.exclude(erased_at=None).exists()
    assert services.purge_due() == 0
    for path in (f"/api/v1/tool-calls/{call.id}", f"/api/v1/runs/{run.id}", f"/api/v1/tool-calls/{call.id}/decisions"):
        assert api("omar").get(path).status_code == 200, path


def test_it_is_told_in_the_log_the_story_and_the_timeline(
    writer: Robot, api: Callable[[str], APIClient], sign_in: Callable[[str], Client], time_passes: Clock
) -> None:
    run = full_run(writer)
    make_rule("calls", 30, data_class="financial")
    time_passes(days=31)
    services.purge_due()

    entry = AuditEntry.objects.get(code="retention.purged")
    assert (entry.actor_key, entry.process) == ("system:retention", "order-to-cash")
    assert {name: entry.data[name] for name in ("content", "data_class", "days", "items", "documents", "runs")} == {
        "content": "calls",
        "data_class": "financial",
        "days": 30,
        "items": 1,
        "documents": 3,
        "runs": [str(run.id)],
    }
    story = story_of(api("omar"), run)
    assert (
        "Because of the rule “financial calls: 30 days”, the console erased the arguments and results of 1 call"
        in story
    )
    step = Span.objects.get(run=run, kind="erasure")
    assert step.name == "Erased: the arguments and results of 1 call"
    assert step.started_at == run.ended_at
    omar = sign_in("omar")
    assert "Erased: the arguments and results of 1 call" in omar.get(f"/runs/{run.id}/?view=timeline").content.decode()
    feed = json.dumps(omar.get(f"/runs/{run.id}/timeline.json").json())
    assert "Erased: the arguments" in feed
    assert omar.get(f"/runs/{run.id}/steps/{step.id}/").status_code == 200
    assert omar.get(f"/runs/{run.id}/story.txt").status_code == 200


def test_state_and_files_go_by_their_own_classes(writer: Robot, time_passes: Clock, settings: Any) -> None:
    personal, plain = full_run(writer), full_run(writer, "k-2", data_class="internal")
    make_rule("state", 10, data_class="personal")
    make_rule("artifacts", 10, data_class="personal")
    make_rule("artifacts", 20)
    time_passes(days=11)
    services.purge_due()

    assert all(version.is_erased for version in StateVersion.objects.filter(run=personal))
    assert not any(version.is_erased for version in StateVersion.objects.filter(run=plain))
    gone, there = Artifact.objects.get(run=personal), Artifact.objects.get(run=plain)
    assert (gone.is_erased, there.is_erased) == (True, False)
    assert files.remove_erased() == 1
    assert not files.storage().exists(gone.file)
    assert files.storage().exists(there.file)
    assert files.remove_erased() == 0
    time_passes(days=21)
    services.purge_due()
    assert Artifact.objects.get(run=plain).is_erased


def test_what_was_erased_is_410(writer: Robot, api: Callable[[str], APIClient], time_passes: Clock) -> None:
    run = full_run(writer, data_class="internal")
    make_rule("state", 1)
    make_rule("artifacts", 1)
    time_passes(days=2)
    services.purge_due()
    artifact = Artifact.objects.get(run=run)

    state = api("omar").get(f"/api/v1/runs/{run.id}/state")
    content = api("omar").get(f"/api/v1/runs/{run.id}/artifacts/{artifact.id}/content")
    assert [(one.status_code, one.json()["code"]) for one in (state, content)] == [
        (410, "state.erased"),
        (410, "artifact.erased"),
    ]
    versions = api("omar").get(f"/api/v1/runs/{run.id}/state/versions").json()["items"]
    assert len(versions) == 2
    assert all(one["erased_at"] and one["digest"] for one in versions)


@pytest.mark.parametrize(
    ("rules", "classes", "days"),
    [
        ([("calls", 30, "", None)], [], 30),
        ([("calls", 30, "", None)], ["personal"], 30),
        ([("calls", 30, "", None), ("calls", 10, "personal", None)], ["personal"], 10),
        ([("calls", 30, "", None), ("calls", 90, "personal", None)], ["personal"], 90),
        ([("calls", 30, "", "order-to-cash"), ("calls", 90, "personal", None)], ["personal"], 90),
        ([("calls", 30, "personal", "order-to-cash"), ("calls", 90, "personal", None)], ["personal"], 30),
        ([("calls", 30, "personal", "procure-to-pay"), ("calls", 90, "personal", None)], ["personal"], 90),
        ([("calls", 90, "financial", None), ("calls", 10, "personal", None)], ["financial", "personal"], 10),
        ([("calls", 90, "financial", None)], ["financial", "personal"], 90),
        ([("state", 10, "", None)], ["personal"], None),
        ([], ["personal"], None),
    ],
)
def test_which_rule_decides(rules: list[Any], classes: list[str], days: int | None, writer: Robot) -> None:
    for content, length, data_class, process in rules:
        make_rule(content, length, data_class=data_class, process=process)
    found = all_rules().rule_for(writer.agent.process_id, Content.CALLS, classes)
    assert (found.days if found else None) == days


def test_an_open_run_keeps_what_it_holds(writer: Robot, time_passes: Clock) -> None:
    run = full_run(writer, is_ended=False)
    for content in ("calls", "state", "artifacts"):
        make_rule(content, 1)
    time_passes(days=300)

    assert services.purge_due() == 0
    assert all(document.body for document in documents_of(run))


def test_what_somebody_has_to_find_out_about_is_kept(writer: Robot, time_passes: Clock) -> None:
    unknown = make_unknown(writer, "unknown")
    Run.objects.filter(id=unknown.run_id).update(state="failed", ended_at=unknown.requested_at)
    make_rule("calls", 1)
    time_passes(days=300)

    assert services.purge_due() == 0
    assert all(document.body for document in documents_of(unknown.run))


def test_what_is_being_undone_is_kept_until_it_is(writer: Robot, time_passes: Clock) -> None:
    run, own = full_run(writer), full_run(writer, "k-2")
    now = clock.now()
    under_way = Unwind.objects.create(run=run, own_run=own, started_by="tests", started_at=now, looked_at=now)
    make_rule("calls", 1)
    time_passes(days=2)
    services.purge_due()
    assert all(document.body for document in documents_of(run))

    Unwind.objects.filter(id=under_way.id).update(state="done", ended_at=now)
    services.purge_due()
    assert not any(document.body for document in documents_of(run))


def test_approvals_of_the_calls_lose_their_cards_and_comments(
    writer: Robot, api: Callable[[str], APIClient], sign_in: Callable[[str], Client], time_passes: Clock
) -> None:
    call, approval = parked(writer)
    body = {"verdict": "reject", "digest": approval.digest, "reason_code": "other", "comment": "Acme never paid"}
    assert api("dana").post(f"/api/v1/approvals/{approval.id}/votes", body, format="json").status_code == 201
    make_rule("calls", 1)
    time_passes(days=3)
    settle_news()
    Run.objects.filter(id=call.run_id).update(state="failed", ended_at=call.requested_at)
    services.purge_due()

    vote = approval.votes.get()
    assert vote.comment is not None
    assert Payload.objects.get(id=vote.comment.id).body is None
    assert Payload.objects.get(id=approval.card_id).body is None
    page = sign_in("dana").get(f"/inbox/{approval.id}/")
    assert page.status_code == 200
    assert "Acme never paid" not in page.content.decode()
    assert api("dana").get(f"/api/v1/approvals/{approval.id}").status_code == 200


def test_a_hold_over_the_run_or_its_process_keeps_all(writer: Robot, time_passes: Clock) -> None:
    one, other = full_run(writer), full_run(writer, "k-2")
    make_rule("calls", 1)
    priya = actor("priya")
    held = services.place_legal_hold(actor=priya, process=one.process, run=one, reason="Case 4711")
    time_passes(days=2)
    services.purge_due()
    assert all(document.body for document in documents_of(one))
    assert not any(document.body for document in documents_of(other))

    whole = services.place_legal_hold(actor=priya, process=one.process, run=None, reason="Case 4712")
    services.lift_legal_hold(actor=priya, hold_id=held.id, reason="Closed")
    assert services.purge_due() == 0
    services.lift_legal_hold(actor=priya, hold_id=whole.id, reason="Closed")
    assert services.purge_due() == 1
    assert not any(document.body for document in documents_of(one))


def test_a_hold_ends_with_its_time(writer: Robot, time_passes: Clock) -> None:
    run = full_run(writer)
    make_rule("calls", 1)
    until = clock.now() + timedelta(days=10)
    services.place_legal_hold(actor=actor("chen"), process=run.process, run=run, reason="Case", expires_at=until)
    time_passes(days=9)
    assert services.purge_due() == 0
    time_passes(days=11)
    assert services.purge_due() == 1


def test_batches_are_bounded_and_the_rest_is_left_to_the_next(
    writer: Robot, time_passes: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [full_run(writer, f"k-{number}") for number in range(5)]
    make_rule("calls", 1)
    monkeypatch.setattr(purging, "RUNS_AT_ONCE", 2)
    time_passes(days=2)

    assert services.purge_due(most_batches=1) == 1
    assert [any(document.body for document in documents_of(run)) for run in runs] == [False, False, True, True, True]
    assert services.purge_due() == 2
    assert AuditEntry.objects.filter(code="retention.purged").count() == 3
    assert sum(entry.data["items"] for entry in AuditEntry.objects.filter(code="retention.purged")) == 5
    assert Span.objects.filter(kind="erasure").count() == 5


def test_a_job_that_dies_in_a_batch_has_erased_nothing_of_it(
    writer: Robot, time_passes: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = full_run(writer)
    make_rule("calls", 1)
    time_passes(days=2)

    def killed(*_given: Any, **_named: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying, pytest.raises(KeyboardInterrupt):
        dying.setattr(purging, "_tell", killed)
        services.purge_due()
    assert all(document.body for document in documents_of(run))
    assert services.purge_due() == 1
    assert Span.objects.filter(run=run, kind="erasure").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_jobs_at_once_erase_and_tell_once(writer: Robot, time_passes: Clock) -> None:
    runs = [full_run(writer, f"k-{number}") for number in range(4)]
    make_rule("calls", 1)
    make_rule("state", 1)
    time_passes(days=2)
    at_once([services.purge_due, services.purge_due, services.purge_due])
    services.purge_due()

    assert not any(document.body for run in runs for document in documents_of(run))
    assert Span.objects.filter(kind="erasure").count() == 8
    counted = [entry.data["items"] for entry in AuditEntry.objects.filter(code="retention.purged")]
    assert sum(counted) == 4 + 8


@pytest.mark.django_db(transaction=True)
def test_a_hold_holds_when_it_answers(writer: Robot, time_passes: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was erased of the process had been erased when the hold was there."""
    runs = [full_run(writer, f"k-{number}") for number in range(6)]
    make_rule("calls", 1)
    monkeypatch.setattr(purging, "RUNS_AT_ONCE", 1)
    time_passes(days=2)

    def hold() -> int:
        services.place_legal_hold(actor=actor("priya"), process=runs[0].process, run=None, reason="Case 4711")
        return sum(any(document.body for document in documents_of(run)) for run in runs)

    kept, _ = at_once([hold, services.purge_due])
    assert sum(any(document.body for document in documents_of(run)) for run in runs) == kept


def test_a_rule_that_is_lengthened_or_ended_keeps_what_it_has_not_erased(writer: Robot, time_passes: Clock) -> None:
    run = full_run(writer)
    rule = make_rule("calls", 1)
    make_rule("calls", 30)
    time_passes(days=2)
    assert services.purge_due() == 0
    services.end_retention_rule(rule_id=rule.id, actor=TESTS)
    time_passes(days=40)
    assert services.purge_due() == 0
    assert all(document.body for document in documents_of(run))
    assert not RetentionRule.objects.exists()


def test_what_agents_reported_loses_its_payload_and_keeps_the_rest(
    writer: Robot, api: Callable[[str], APIClient], time_passes: Clock
) -> None:
    span = tool_span("erp.find", attributes={"gen_ai.tool.call.arguments": "Acme GmbH"})
    tell(writer, span)
    assert ReportedSpan.objects.exclude(payload="").count() == 1
    make_rule("reported", 7, process="order-to-cash")
    time_passes(days=8)
    assert services.purge_due() == 1

    told = ReportedSpan.objects.get()
    assert (told.payload, told.tool_name) == ("", "erp.find")
    entry = AuditEntry.objects.get(code="retention.purged")
    assert (entry.data["content"], entry.data["items"]) == ("reported", 1)
    assert services.purge_due() == 0


def test_a_decision_whose_input_is_erased_says_so_and_replays_count_it(writer: Robot, time_passes: Clock) -> None:
    run = full_run(writer)
    make_rule("calls", 1)
    time_passes(days=2)
    services.purge_due()
    decision = Decision.objects.get(tool_call__run=run)

    assert Payload.objects.get(id=decision.input_id).erased_at is not None
    assert decision.policies


def test_a_class_that_a_tool_gets_later_counts_from_then_on(writer: Robot, time_passes: Clock) -> None:
    full_run(writer)
    make_rule("calls", 1, data_class="health")
    time_passes(days=2)
    assert services.purge_due() == 0
    Tool.objects.filter(name="erp.issue_credit_memo").update(data_classes=["financial", "health"])
    assert services.purge_due() == 1
