"""What cannot be made again is counted, named and listed, never left out."""

from typing import Any

import pytest
from django.db import connection

from apps.gateway.models import Decision
from apps.policies import releases
from apps.policies.models import PolicyRelease
from apps.registry.models import Tool
from apps.replays import services
from apps.replays.models import ImpactReplay
from apps.replays.services import running
from apps.vault.models import Payload
from tests.conftest import Robot, actor
from tests.policies.reviewing import raised
from tests.replays.histories import carried_out, facts, kinds, listed, stored

pytestmark = pytest.mark.django_db


def replayed(**content: Any) -> ImpactReplay:
    draft = raised("750.00", **content)
    return carried_out(services.replay_draft(actor=actor("priya"), draft_id=draft.id))


def bodies(decision: Decision) -> Any:
    return Payload.objects.filter(id=decision.input_id)


def test_what_was_erased_is_counted_with_its_money(writer: Robot) -> None:
    gone, kept = stored([facts("600.00"), facts("610.00")])
    bodies(gone).update(body=None, erased_at=gone.decided_at)
    replay = replayed()
    assert kinds(replay) == {"erased": 1, "approval-to-allow": 1}
    assert listed(replay) == {gone.id: "erased", kept.id: "approval-to-allow"}
    assert replay.rows.get(kind="erased").money_minor == 60000


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"tool": null}', b'"' + b"x" * 50, b"[" * 200_000])
def test_what_cannot_be_read_is_no_error(writer: Robot, body: bytes) -> None:
    [broken] = stored([facts("600.00")])
    bodies(broken).update(body=body)
    assert kinds(replayed()) == {"unreadable": 1}


def test_a_release_beside_it_that_is_not_what_it_was_is_named(writer: Robot) -> None:
    stored([facts("600.00")])
    table = PolicyRelease._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(
            f"UPDATE {table} SET content_hash = 'other' WHERE policy_set_id IN "
            "(SELECT id FROM policies_policyset WHERE slug = 'global')"
        )
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    releases._releases.clear()  # another process, after the disk has gone bad
    assert kinds(replayed()) == {"release-gone": 1}
    releases._releases.clear()


def test_a_tool_that_changed_since_is_not_said_to_be_forbidden(writer: Robot) -> None:
    stored([facts("600.00"), facts("100.00")])
    tool = Tool.objects.get(name="erp.issue_credit_memo")
    schema = {**tool.input_schema, "properties": {**tool.input_schema["properties"], "urgent": {"type": "boolean"}}}
    Tool.objects.filter(id=tool.id).update(
        input_schema={**schema, "required": [*schema["required"], "urgent"]}, definition_digest="of another time"
    )
    text = raised().versions.get(number=1).text + (
        '@id("urgent") @says("Nothing urgent") forbid (principal, action == Action::"erp.issue_credit_memo", resource) '
        "when { context.arguments.urgent };"
    )
    assert kinds(replayed(text=text)) == {"tool-changed": 2}


def test_an_error_on_a_tool_as_it_is_counts_as_what_it_is(writer: Robot) -> None:
    stored([facts("600.00")])
    text = raised().versions.get(number=1).text + (
        '@id("sum") @says("Too much") forbid (principal, action == Action::"erp.issue_credit_memo", resource) '
        "when { context.money.minor * 9223372036854775807 > 1 };"
    )
    assert kinds(replayed(text=text)) == {"approval-to-deny": 1}


def test_a_list_that_is_too_long_says_so_and_all_are_counted(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MOST_LISTED", 3)
    stored([facts("600.00") for _ in range(5)])
    replay = replayed()
    assert replay.tally["kinds"]["approval-to-allow"] == [5, 3, {"EUR": 300000}]
    assert replay.rows.count() == 3
