"""Runs that hold something, ended, and rules about it."""

from typing import Any

from apps.core.actor import system_actor
from apps.registry.models import Process
from apps.retention import services
from apps.retention.models import RetentionRule
from apps.runs.models import Run
from tests.artifacts.keeping import open_run, save, send_file
from tests.conftest import Robot

TESTS = system_actor("tests")


def make_rule(content: str, days: int, *, data_class: str = "", process: str | None = None) -> RetentionRule:
    place = Process.objects.get(slug=process) if process else None
    return services.set_retention_rule(content=content, data_class=data_class, days=days, process=place, actor=TESTS)


def full_run(robot: Robot, key: str = "k-1", *, is_ended: bool = True, data_class: str = "personal") -> Run:
    """With a call, two versions of a state and a file."""
    run = open_run(robot, f"Dispute {key}")
    answer: Any = robot.call("180.00", key=key, run_id=run)
    assert answer.status_code == 200, answer.content
    etag = save(robot, run, {"customer": "Acme"}, data_class=data_class)["ETag"]
    save(robot, run, {"customer": "Acme", "step": "done"}, etag=etag, data_class=data_class)
    send_file(robot, run, key.encode(), data_class=data_class)
    if is_ended:
        end(robot, run)
    return Run.objects.get(id=run)


def end(robot: Robot, run: str) -> None:
    assert robot.api().patch(f"/api/v1/runs/{run}", {"state": "succeeded"}, format="json").status_code == 200
