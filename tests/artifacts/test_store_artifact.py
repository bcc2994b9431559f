"""Files that agents keep with a run: whole or not at all, once each, and given out as attachments."""

import base64
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from apps.artifacts import files
from apps.artifacts.models import Artifact
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.models import OutboxEvent
from tests.artifacts.keeping import content_of, open_run, send_file
from tests.conftest import Robot, actor, at_once, robot_named

pytestmark = pytest.mark.django_db

CONTENT = b"Price list\n" * 1000
SHA256 = hashlib.sha256(CONTENT)


@pytest.fixture
def run(writer: Robot) -> str:
    return open_run(writer)


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """Files on the disk, as an installation has them."""
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "artifacts": backend}
    return tmp_path


def on_disk(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def digest_of(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def test_a_file_is_kept_and_given_out_as_it_was(writer: Robot, triage: Robot, run: str, folder: Path) -> None:
    made = send_file(writer, run, CONTENT, HTTP_CONTENT_DIGEST=f"sha-256=:{digest_of(CONTENT)}:")
    artifact = made.json()
    path = f"/api/v1/runs/{run}/artifacts/{artifact['id']}"
    given = triage.api().get(f"{path}/content")

    assert made.status_code == 201
    assert (artifact["sha256"], artifact["bytes"]) == (SHA256.hexdigest(), len(CONTENT))
    assert (artifact["name"], artifact["media_type"], artifact["data_class"]) == (
        "prices.txt",
        "text/plain",
        "internal",
    )
    assert triage.api().get(path).json() == artifact
    assert triage.api().get(f"/api/v1/runs/{run}/artifacts").json()["items"] == [artifact]
    assert content_of(given) == CONTENT
    assert given["Content-Disposition"] == 'attachment; filename="prices.txt"'
    assert (given["X-Content-Type-Options"], given["Content-Type"]) == ("nosniff", "application/octet-stream")
    assert len(on_disk(folder)) == 1
    assert {entry.code: entry.actor_key for entry in AuditEntry.objects.filter(run_id=run)} == {
        "run.opened": writer.actor.key,
        "run.artifact_stored": writer.actor.key,
        "run.artifact_downloaded": triage.actor.key,
    }
    assert OutboxEvent.objects.filter(name="ArtifactStored", subject=f"run:{run}").count() == 1


def test_a_form_does_as_well(writer: Robot, run: str) -> None:
    file = SimpleUploadedFile("prices.csv", CONTENT, content_type="text/csv")
    body = {"file": file, "data_class": "financial"}
    made = writer.api().post(f"/api/v1/runs/{run}/artifacts", body, format="multipart")

    assert made.status_code == 201
    assert (made.json()["name"], made.json()["media_type"]) == ("prices.csv", "text/csv")
    assert (made.json()["data_class"], made.json()["sha256"]) == ("financial", SHA256.hexdigest())


@pytest.mark.parametrize("body", [{}, {"name": "nothing"}])
def test_a_form_without_a_file_is_refused(writer: Robot, run: str, body: dict[str, str]) -> None:
    refused = writer.api().post(f"/api/v1/runs/{run}/artifacts", body, format="multipart")
    assert (refused.status_code, refused.json()["code"]) == (422, "artifact.one_file")


def test_a_form_that_is_none_is_refused(writer: Robot, run: str) -> None:
    refused = send_file(writer, run, b"no form", media_type="multipart/form-data; boundary=x")
    assert refused.status_code in (400, 422)
    assert not Artifact.objects.exists()


def test_the_same_content_is_kept_once_in_a_run(writer: Robot, triage: Robot, run: str, folder: Path) -> None:
    first, again = send_file(writer, run), send_file(triage, run, name="other.txt")
    elsewhere = send_file(writer, open_run(writer, "Another"))

    assert (first.status_code, again.status_code, elsewhere.status_code) == (201, 200, 201)
    assert again.json() == first.json()
    assert len(on_disk(folder)) == 2


@pytest.mark.parametrize("header", ["HTTP_CONTENT_DIGEST", "HTTP_DIGEST"])
def test_what_is_not_what_its_digest_says_is_not_kept(writer: Robot, run: str, header: str, folder: Path) -> None:
    told = digest_of(b"something else")
    value = f"sha-256=:{told}:" if header == "HTTP_CONTENT_DIGEST" else f"md5=abc, SHA-256={told}"
    refused = send_file(writer, run, **{header: value})

    assert (refused.status_code, refused.json()["code"]) == (422, "artifact.digest_differs")
    assert send_file(writer, run, HTTP_CONTENT_DIGEST="sha-256=:@@:").json()["code"] == "artifact.bad_digest"
    assert not Artifact.objects.exists()
    assert not on_disk(folder)


def test_more_than_may_be_kept_is_refused_before_it_is_read(writer: Robot, run: str, settings: Any) -> None:
    settings.ARTIFACT_MAX_BYTES, settings.ARTIFACT_BODY_BYTES = 1000, 2000
    at_the_door, inside = send_file(writer, run, b"x" * 2001), send_file(writer, run, b"x" * 1001)

    assert [(one.status_code, one.json()["code"]) for one in (at_the_door, inside)] == [
        (413, "request.too_large"),
        (413, "artifact.too_large"),
    ]
    assert send_file(writer, run, b"x" * 1000).status_code == 201


def test_other_bodies_are_as_small_as_ever(writer: Robot, run: str) -> None:
    large: Any = b"x" * (2 * 1024 * 1024)
    assert send_file(writer, run, large).status_code == 201
    refused = writer.api().generic("PUT", f"/api/v1/runs/{run}/state", large, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (413, "request.too_large")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "artifact.bad_name"),
        ({"name": "../etc/passwd"}, "artifact.bad_name"),
        ({"name": "a%0Ab"}, "artifact.bad_name"),
        ({"name": "x" * 201}, "artifact.bad_name"),
        ({"data_class": "no%20class"}, "data_class.invalid"),
        ({"media_type": "nonsense"}, "artifact.bad_media_type"),
    ],
)
def test_what_is_told_of_a_file_is_checked(writer: Robot, run: str, change: dict[str, Any], code: str) -> None:
    refused = send_file(writer, run, **change)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


def test_nothing_is_kept_once_the_run_has_ended(writer: Robot, run: str, folder: Path) -> None:
    writer.api().patch(f"/api/v1/runs/{run}", {"state": "succeeded"}, format="json")
    refused = send_file(writer, run)

    assert (refused.status_code, refused.json()["code"]) == (409, "run.ended")
    assert send_file(robot_named("payer"), run).status_code == 404
    assert not on_disk(folder)


def test_who_does_not_see_its_class_does_not_get_it(
    writer: Robot, api: Callable[[str], APIClient], sign_in: Callable[[str], Client], run: str
) -> None:
    artifact = send_file(writer, run, data_class="personal").json()["id"]
    path = f"/api/v1/runs/{run}/artifacts/{artifact}"
    masked, seen = api("dana").get(f"{path}/content"), api("omar").get(f"{path}/content")

    assert (masked.status_code, masked.json()["code"]) == (403, "artifact.masked")
    assert content_of(seen) == b"Price list"
    assert api("otto").get(f"{path}/content").status_code == 404
    assert api("dana").post(f"{path}/reveal", {"reason": "Curious"}, format="json").status_code == 403
    revealed = api("chen").post(f"{path}/reveal", {"reason": "Complaint 17"}, format="json")
    assert content_of(revealed) == b"Price list"
    assert AuditEntry.objects.get(code="payload.revealed").reason == "Complaint 17"
    page = f"/runs/{run}/artifacts/{artifact}/"
    assert sign_in("dana").get(page).status_code == 403
    assert content_of(sign_in("omar").get(page)) == b"Price list"
    assert "Why you need to see it" in sign_in("chen").get(f"{page}reveal/").content.decode()
    assert content_of(sign_in("chen").post(f"{page}reveal/", {"reason": "Complaint 17"})) == b"Price list"


@pytest.mark.django_db(transaction=True)
def test_of_many_who_send_the_same_at_once_one_is_kept(writer: Robot, folder: Path) -> None:
    run = open_run(writer)
    answers = at_once([partial(send_file, writer, run) for _ in range(6)])

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(on_disk(folder)) == 1


def test_a_file_that_nobody_keeps_is_removed_when_no_upload_can_want_it_any_more(
    writer: Robot, run: str, folder: Path, time_passes: Callable[..., None]
) -> None:
    kept = send_file(writer, run).json()["id"]
    day = folder / files.ROOT / f"{clock.now():%Y-%m-%d}"
    left_over = day / Artifact().id.hex
    left_over.write_bytes(b"half of")

    assert files.remove_left_over() == 0
    time_passes(hours=3)
    assert files.remove_left_over() == 1
    assert [path.name for path in on_disk(folder)] == [Artifact.objects.get(id=kept).id.hex]


def test_an_upload_that_took_longer_than_the_sweeper_waits_is_refused(
    writer: Robot, run: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST_UPLOAD", timedelta(0))
    refused = send_file(writer, run)

    assert (refused.status_code, refused.json()["code"]) == (503, "artifact.too_slow")
    assert not on_disk(folder)


KILLED = """
import os, signal, django
django.setup()
from django.db import connection, connections
connections["default"].settings_dict["NAME"] = os.environ["THE_DATABASE"]
from django.conf import settings
from apps.artifacts import files
from apps.artifacts.services import storing
from django.core.files.storage import storages
storages.backends
storages._storages["artifacts"] = storages.create_storage({
    "BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": os.environ["THE_FOLDER"]}})
keep = files.keep
def keep_and_die(*given):
    keep(*given)
    os.kill(os.getpid(), signal.SIGKILL)
files.keep = keep_and_die
from tests.conftest import robot_named
from tests.artifacts.keeping import send_file
send_file(robot_named("writer"), os.environ["THE_RUN"])
"""


@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_killed_leaves_no_row_without_its_file(
    writer: Robot, folder: Path, time_passes: Callable[..., None]
) -> None:
    """Killed with the file written and the row not."""
    run = open_run(writer)
    told = {
        "THE_DATABASE": str(connection.settings_dict["NAME"]),
        "THE_FOLDER": str(folder),
        "THE_RUN": run,
    }
    done = subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, **told}, check=False, timeout=60)

    assert done.returncode == -signal.SIGKILL
    assert len(on_disk(folder)) == 1
    assert not Artifact.objects.exists()
    again = send_file(writer, run)
    assert again.status_code == 201
    time_passes(hours=3)
    assert files.remove_left_over() == 1
    [kept] = on_disk(folder)
    assert kept.name == Artifact.objects.get().id.hex


def test_every_file_taken_is_in_the_log_under_who_took_it(
    writer: Robot, api: Callable[[str], APIClient], run: str
) -> None:
    artifact = send_file(writer, run).json()["id"]
    api("dana").get(f"/api/v1/runs/{run}/artifacts/{artifact}/content")

    entry = AuditEntry.objects.get(code="run.artifact_downloaded")
    assert (entry.actor_key, entry.data["artifact_id"]) == (actor("dana").key, artifact)
