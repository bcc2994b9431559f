"""One marker in a marked field, and every face asked for it: whoever should not see it reads it nowhere."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.core.models import OutboxEvent
from apps.gateway.models import ToolCall
from apps.runs.models import Run, Span
from tests.access.scene import Scene
from tests.access.table import ROWS, Row
from tests.conftest import Robot, credit, parked
from tests.fakes.erp import FakeErp
from tests.notifications.conftest import mail, receiver
from tests.notifications.receiver import Receiver
from tests.notifications.telling import connected, sweep
from tests.redaction.marking import MARKER, mark

__all__ = ["mail", "receiver"]

pytestmark = pytest.mark.django_db

READS = [row for row in ROWS if row.method == "GET" and row.path != "/api/schema/"]
QUOTED: dict[str, Any] = {
    "rationale": f"Customer {MARKER} was billed too much, says {MARKER.lower()}.",
    "evidence": [{"title": f"Contract of {MARKER}", "uri": f"urn:crm:{MARKER}", "sha256": "a" * 64}],
}


@pytest.fixture
def scene(world: FakeErp, writer: Robot, erp: FakeErp) -> Scene:
    """Memos whose customer is personal, in every state, quoted in the agent's own words and named in the answer."""
    mark(customer_id="personal", note="health")
    scene = Scene()
    assert writer.call("130.00", key="done", **QUOTED).status_code == 200
    erp.faults = ["400"]
    assert writer.call("131.00", key="failed").status_code == 502
    assert parked(writer, key="quoted", **QUOTED)
    return scene


# Halts last: under one nothing else can be made.
MADE = (
    "call external unknown done_call budget mesh_budget rate run_hold look snoozed held saved_view selection bulk asked"
    " returned consented rule drill endpoint marked_call data_class_rule halt mesh_halt"
)


def told(scene: Scene, role: str, rows: list[Row]) -> set[str]:
    """The lines whose answer holds the marker."""
    assert all(getattr(scene, name) for name in MADE.split())
    found = set()
    for row in rows:
        if row.answers[role] in ("200", "202") and MARKER in scene.ask(row, role).content.decode():
            found.add(str(row))
    return found


@pytest.mark.parametrize("role", ["carla", "chen", "alex", "otto"])
def test_whoever_does_not_act_on_the_call_reads_it_nowhere(scene: Scene, role: str) -> None:
    assert told(scene, role, READS) == set()


def test_operators_and_owners_read_it(scene: Scene) -> None:
    """The counterpart, without which the test above could pass on empty pages."""
    for role in ("omar", "priya"):
        assert {"GET /inbox/{approval}/", "GET /api/v1/approvals/{approval}", "GET /unknown/"} <= told(
            scene, role, READS
        )


def test_whoever_is_asked_reads_what_they_are_asked_and_no_more(scene: Scene, writer: Robot) -> None:
    """Dana decides, so she sees the cards that ask her. She operates nothing: what is unknown is not hers to see."""
    seen = told(scene, "dana", READS)
    assert {"GET /inbox/", "GET /inbox/{approval}/", "GET /inbox/{approval}/edit/"} <= seen
    assert {"GET /inbox/export.csv", "GET /api/v1/approvals"} <= seen
    assert not {line for line in seen if "unknown" in line or "unwind" in line or "tool-calls" in line}


def test_masks_stand_where_it_stood(scene: Scene, api: Callable[[str], Any]) -> None:
    _, approval = parked(scene.writer, key="again", **QUOTED)
    card = api("chen").get(f"/api/v1/approvals/{approval.id}").json()["card"]

    assert card["sentence"] == "Credit €1,280.00 to masked: personal on invoice INV-1042"
    assert ["Customer id", "masked: personal"] in card["facts"]
    assert card["statement"] == "Customer masked: personal was billed too much, says masked: personal."
    assert card["evidence"][0] == {
        "title": "Contract of masked: personal",
        "uri": "urn:crm:masked: personal",
        "sha256": "a" * 64,
    }
    assert card["masked"] == ["personal"]
    assert "veiled" not in card


def test_no_column_outside_the_vault_holds_it(scene: Scene) -> None:
    assert scene.call
    assert scene.unknown
    assert scene.done_call
    for model in (AuditEntry, OutboxEvent, Span, Run, ToolCall):
        assert MARKER not in str(list(model.objects.values())), model


def test_no_log_line_holds_it(scene: Scene, caplog: pytest.LogCaptureFixture, capsys: Any, erp: FakeErp) -> None:
    with caplog.at_level(0):
        erp.faults = ["500", "timeout_after"]
        for n in range(2):
            assert scene.writer.call("140.00", key=f"log-{n}").json()["state"] == "executing"
        assert scene.writer.call(key="log-3", arguments=credit("wrong")).status_code == 422
        told(scene, "chen", READS)
    out = capsys.readouterr()
    assert MARKER not in caplog.text + out.out + out.err


def test_what_leaves_the_product_does_not_hold_it(scene: Scene, receiver: Receiver) -> None:
    connected("dana", receiver, allows="summary")
    parked(scene.writer, key="told")
    sweep()

    assert "Credit" in str(receiver.got)
    assert MARKER not in str(receiver.got)


@pytest.mark.parametrize("path", ["/api/v1/tool-calls", "/api/v1/approvals?view=all", "/inbox/?view=all"])
def test_many_masks_need_no_more_queries_than_few(scene: Scene, api: Callable[[str], Any], path: str) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert "masked: personal" in api("chen").get(path).content.decode() or "tool-calls" in path
        return len(queries)

    count()  # fills what the process remembers
    few = count()
    for n in range(6):
        assert parked(scene.writer, key=f"more-{n}", **QUOTED)
        assert scene.writer.call("12.00", key=f"done-{n}").status_code == 200
    assert count() == few


def test_the_agent_sees_its_own_call(scene: Scene, erp: FakeErp) -> None:
    erp.answer = b'{"id": "CM-1", "to": "C-204"}'
    answer = scene.writer.call("12.00", key="own").json()
    assert answer["result"] == {"id": "CM-1", "to": MARKER}
