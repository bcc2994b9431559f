"""A page or list may answer 200 and still tell what its reader may not know (I13): these look at its words."""

import pytest

from tests.access.scene import Scene
from tests.access.table import AGENTS, ROWS, Row
from tests.conftest import Robot
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

# What the writer's work is made of: its own name, the invoice and customer, the money, the words of people on it.
SECRETS = ("Order-to-cash writer", "INV-1042", "C-204", "1,280.00", "128000", "1,410.00", "141000", "Seen by insiders")
READS = [row for row in ROWS if row.method == "GET" and row.path not in ("/healthz", "/readyz", "/api/schema/")]


@pytest.fixture
def scene(world: FakeErp, writer: Robot, erp: FakeErp) -> Scene:
    """Work of the writer in every state: done, waiting, being executed, halted."""
    scene = Scene()
    assert writer.call("130.00", key="done", rationale="Seen by insiders").status_code == 200
    erp.faults = ["500"]
    assert writer.call("130.00", key="executing").json()["state"] == "executing"
    assert scene.call
    assert scene.external
    assert scene.unknown
    assert scene.done_call
    assert scene.budget
    assert scene.mesh_budget
    assert scene.rate
    assert scene.run_hold
    assert scene.mesh_halt
    assert scene.halt
    assert writer.call("130.00", key="halted").status_code == 423
    return scene


def told_to(scene: Scene, role: str, row: Row) -> set[str]:
    """The secrets that the answer to this line contains."""
    response = scene.ask(row, role)
    text = response.content.decode()
    return {secret for secret in SECRETS if secret in text} if response.status_code == 200 else set()


def rows_for(role: str) -> list[Row]:
    return [row for row in READS if row.answers[role] == "200"]


@pytest.mark.parametrize("role", ["stranger", "otto", *AGENTS[1:]])
def test_an_outsider_reads_nothing_of_the_writers_work(scene: Scene, role: str) -> None:
    told = {str(row): told_to(scene, role, row) for row in rows_for(role)}

    assert {line: secrets for line, secrets in told.items() if secrets} == {}


def test_an_insider_does_read_it(scene: Scene) -> None:
    """The counterpart, without which the test above could pass on empty pages."""
    told = set().union(*(told_to(scene, "omar", row) for row in rows_for("omar")))

    assert {"Order-to-cash writer", "INV-1042", "C-204", "1,280.00"} <= told
