"""Workflow state: saved on top of what was read, by whom, and never after the end."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.artifacts.models import StateVersion
from apps.audit.models import AuditEntry
from apps.core.models import OutboxEvent
from tests.artifacts.keeping import halt, open_run, same, save
from tests.conftest import Robot, actor, at_once, robot_named

pytestmark = pytest.mark.django_db

FIRST = {"step": "waiting", "orders": [17, 18], "amount": 12.50}


@pytest.fixture
def run(writer: Robot) -> str:
    return open_run(writer)


def test_the_first_state_is_there_for_every_agent_of_the_process(writer: Robot, triage: Robot, run: str) -> None:
    made = save(writer, run, FIRST)
    read = triage.api().get(f"/api/v1/runs/{run}/state")

    assert made.status_code == 201
    assert (made.json()["version"], made.json()["data_class"]) == (1, "internal")
    assert read.status_code == 200
    assert read.content == same(FIRST) == b'{"amount":12.5,"orders":[17,18],"step":"waiting"}'
    assert read["ETag"] == made["ETag"] == made.json()["etag"]
    entry = AuditEntry.objects.get(code="run.state_saved")
    assert (entry.actor_key, str(entry.run_id), entry.data["version"]) == (writer.actor.key, run, 1)
    assert entry.data["digest"] == made.json()["digest"]
    assert "waiting" not in str(entry.data)
    assert OutboxEvent.objects.filter(name="RunStateSaved", subject=f"run:{run}").count() == 1


def test_what_was_read_and_is_still_so_is_304(writer: Robot, run: str) -> None:
    etag = save(writer, run, FIRST)["ETag"]
    read = writer.api().get(f"/api/v1/runs/{run}/state", HTTP_IF_NONE_MATCH=etag)

    assert (read.status_code, read.content, read["ETag"]) == (304, b"", etag)


def test_a_save_on_top_of_what_was_read_is_the_next_version(writer: Robot, triage: Robot, run: str) -> None:
    first = save(writer, run, FIRST)
    second = save(triage, run, {"step": "done"}, etag=first["ETag"])
    versions = writer.api().get(f"/api/v1/runs/{run}/state/versions").json()["items"]

    assert second.status_code == 200
    assert [(one["version"], one["saved_by"]) for one in versions] == [(2, triage.agent.name), (1, writer.agent.name)]
    assert writer.api().get(f"/api/v1/runs/{run}/state/versions/1").content == same(FIRST)
    assert writer.api().get(f"/api/v1/runs/{run}/state").content == same({"step": "done"})


def test_a_save_on_top_of_what_is_no_more_is_412_and_changes_nothing(writer: Robot, triage: Robot, run: str) -> None:
    etag = save(writer, run, FIRST)["ETag"]
    current = save(triage, run, {"step": "done"}, etag=etag)["ETag"]
    stale, again = save(writer, run, {"step": "lost"}, etag=etag), save(writer, run, {"step": "lost"})

    for refused in (stale, again):
        assert (refused.status_code, refused.json()["code"]) == (412, "state.stale")
        assert refused.json()["etag"] == current
        assert triage.agent.name in refused.json()["detail"]
    assert writer.api().get(f"/api/v1/runs/{run}/state").content == same({"step": "done"})


def test_going_back_to_an_earlier_content_is_still_another_version(writer: Robot, run: str) -> None:
    first = save(writer, run, FIRST)["ETag"]
    second = save(writer, run, {"step": "done"}, etag=first)["ETag"]
    third = save(writer, run, FIRST, etag=second)["ETag"]

    assert len({first, second, third}) == 3
    assert save(writer, run, {"step": "lost"}, etag=first).status_code == 412


@pytest.mark.parametrize("condition", [{}, {"HTTP_IF_MATCH": "*"}, {"HTTP_IF_NONE_MATCH": '"1-abc"'}])
def test_a_save_that_does_not_say_what_was_read_is_428(writer: Robot, run: str, condition: dict[str, Any]) -> None:
    refused = writer.api().put(f"/api/v1/runs/{run}/state", FIRST, format="json", **condition)

    assert (refused.status_code, refused.json()["code"]) == (428, "state.precondition_required")
    assert not StateVersion.objects.exists()


def test_a_name_of_a_version_where_there_is_none_is_412(writer: Robot, run: str) -> None:
    refused = save(writer, run, FIRST, etag='"1-abc"')
    assert (refused.status_code, refused.json()["etag"]) == (412, None)


def test_no_state_is_404(writer: Robot, run: str) -> None:
    for path in ("state", "state/versions/1"):
        missing = writer.api().get(f"/api/v1/runs/{run}/{path}")
        assert (missing.status_code, missing.json()["code"]) == (404, "state.not_found")


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        ({"text": "x" * 300_000}, 413, "state.too_large"),
        ({"n": 2**60}, 422, "json.not_canonical"),
        ([[[]] * 6000, [[]] * 6000], 422, "state.too_much"),
    ],
    ids=["large", "inexact", "many"],
)
def test_what_is_too_much_is_refused(writer: Robot, run: str, document: Any, status: int, code: str) -> None:
    refused = save(writer, run, document)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert not StateVersion.objects.exists()


def test_no_body_is_no_state(writer: Robot, run: str) -> None:
    refused = writer.api().generic("PUT", f"/api/v1/runs/{run}/state", HTTP_IF_NONE_MATCH="*")
    assert (refused.status_code, refused.json()["code"]) == (400, "state.empty")


def test_any_json_is_a_state(writer: Robot, run: str) -> None:
    etag = ""
    documents: list[Any] = [None, "text", 0, [], {"ü": "\u2028"}]
    for document in documents:
        saved = save(writer, run, document, etag=etag)
        etag = saved["ETag"]
        assert writer.api().get(f"/api/v1/runs/{run}/state").content == same(document)


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_nothing_is_saved_once_the_run_has_ended(writer: Robot, run: str, end: str) -> None:
    etag = save(writer, run, FIRST)["ETag"]
    writer.api().patch(f"/api/v1/runs/{run}", {"state": end}, format="json")
    refused = save(writer, run, {"step": "late"}, etag=etag)

    assert (refused.status_code, refused.json()["code"]) == (409, "run.ended")
    assert writer.api().get(f"/api/v1/runs/{run}/state").content == same(FIRST)


def test_nothing_is_saved_when_the_time_of_the_run_is_over(writer: Robot, time_passes: Callable[..., None]) -> None:
    body = {"title": "Within the minute", "time_budget_seconds": 60}
    run = writer.api().post("/api/v1/runs", body, format="json").json()["id"]
    time_passes(minutes=2)
    token = robot_named("writer")

    assert save(token, run, FIRST).json()["code"] == "run_time_over"


def test_under_a_hold_an_agent_may_save_what_it_remembers_and_under_a_stop_not(writer: Robot, run: str) -> None:
    halt("hold", "agent", "writer")
    etag = save(writer, run, FIRST)["ETag"]
    halt("stop", "agent", "writer")

    assert etag
    assert save(writer, run, {"step": "late"}, etag=etag).json()["code"] == "run.ended"


def test_who_is_no_agent_of_the_run_saves_nothing(writer: Robot, api: Callable[[str], APIClient], run: str) -> None:
    payer = save(robot_named("payer"), run, FIRST)
    person = api("omar").put(f"/api/v1/runs/{run}/state", FIRST, format="json", HTTP_IF_NONE_MATCH="*")

    assert (payer.status_code, payer.json()["code"]) == (404, "run.not_found")
    assert (person.status_code, person.json()["code"]) == (403, "agents.only")


def test_people_see_the_state_as_its_class_lets_them(writer: Robot, api: Callable[[str], APIClient], run: str) -> None:
    save(writer, run, FIRST, data_class="personal")

    assert api("omar").get(f"/api/v1/runs/{run}/state").content == same(FIRST)
    assert api("dana").get(f"/api/v1/runs/{run}/state").content == b'"masked: personal"'
    assert api("otto").get(f"/api/v1/runs/{run}/state").status_code == 404


def test_without_a_word_of_the_agent_its_state_is_personal(writer: Robot, run: str) -> None:
    path = f"/api/v1/runs/{run}/state"
    assert writer.api().put(path, FIRST, format="json", HTTP_IF_NONE_MATCH="*").json()["data_class"] == "personal"


def test_revealing_a_state_takes_a_reason_and_is_logged(
    writer: Robot, api: Callable[[str], APIClient], run: str
) -> None:
    save(writer, run, FIRST, data_class="personal")
    path = f"/api/v1/runs/{run}/state/reveal"
    chen = api("chen")
    revealed = chen.post(path, {"reason": "Complaint 17"}, format="json")

    assert (revealed.status_code, revealed.json()["document"]) == (200, FIRST)
    assert chen.post(path, {"reason": " "}, format="json").status_code == 422
    assert api("dana").post(path, {"reason": "Curious"}, format="json").status_code == 403
    assert api("priya").post(path, {"reason": "Complaint 17"}, format="json").json()["code"] == "reveal.nothing_masked"
    entry = AuditEntry.objects.get(code="payload.revealed")
    assert (entry.actor_key, entry.reason, entry.data["classes"]) == (actor("chen").key, "Complaint 17", ["personal"])


def test_what_is_secret_is_revealed_to_nobody(writer: Robot, api: Callable[[str], APIClient], run: str) -> None:
    save(writer, run, FIRST, data_class="secret")
    refused = api("chen").post(f"/api/v1/runs/{run}/state/reveal", {"reason": "Complaint 17"}, format="json")

    assert refused.json()["code"] == "reveal.nothing_masked"
    assert api("priya").get(f"/api/v1/runs/{run}/state").content == b'"masked: secret"'
    assert writer.api().get(f"/api/v1/runs/{run}/state").content == same(FIRST)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_save_at_once_one_gets_through_each_time(writer: Robot) -> None:
    run = open_run(writer)
    etag = save(writer, run, {"count": 0})["ETag"]
    for _ in range(3):
        saves: list[Callable[[], Any]] = [partial(save, writer, run, {"count": n}, etag=etag) for n in range(6)]
        answers = at_once(saves)
        [through] = [answer for answer in answers if answer.status_code == 200]
        assert [answer.status_code for answer in answers].count(412) == 5
        etag = through["ETag"]
    assert [one.number for one in StateVersion.objects.filter(run=UUID(run))] == [1, 2, 3, 4]


@pytest.mark.django_db(transaction=True)
def test_a_save_and_the_end_of_the_run_come_one_after_the_other(writer: Robot) -> None:
    for number in range(5):
        run = open_run(writer, f"Race {number}")
        end = partial(writer.api().patch, f"/api/v1/runs/{run}", {"state": "succeeded"}, format="json")
        saved, ended = at_once([partial(save, writer, run, FIRST), end])
        assert ended.status_code == 200
        assert saved.status_code in (201, 409)
        assert StateVersion.objects.filter(run=UUID(run)).count() == (saved.status_code == 201)


def test_the_database_lets_nobody_change_a_version(writer: Robot, run: str) -> None:
    save(writer, run, FIRST)
    with pytest.raises(Exception, match="Cannot update"):
        StateVersion.objects.update(size_bytes=1)


def test_a_page_of_a_run_shows_its_state(writer: Robot, sign_in: Callable[[str], Client], run: str) -> None:
    save(writer, run, FIRST, data_class="personal")

    assert "waiting" in sign_in("omar").get(f"/runs/{run}/").content.decode()
    masked = sign_in("dana").get(f"/runs/{run}/").content.decode()
    assert "masked: personal" in masked
    assert "waiting" not in masked


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ('{"step": ', "application/json", 400),
        ('{"a": 1, "a": 2}', "application/json", 400),
        ("NaN", "application/json", 400),
        ("[" * 2000 + "]" * 2000, "application/json", 400),
        ("{}", "text/plain", 415),
    ],
)
def test_what_is_no_json_is_no_state(writer: Robot, run: str, body: str, content_type: str, status: int) -> None:
    path, condition = f"/api/v1/runs/{run}/state", {"HTTP_IF_NONE_MATCH": "*"}
    refused = writer.api().generic("PUT", path, body, content_type=content_type, **condition)  # type: ignore[arg-type]

    assert refused.status_code == status
    assert not StateVersion.objects.exists()
