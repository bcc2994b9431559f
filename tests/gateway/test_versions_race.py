"""An edit at the same instant as something else: one of the two happens, whole, and the other is told so (I3, I4)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from apps.approvals import services as approvals
from apps.approvals.models import Approval, ApprovalState
from apps.core.errors import MeshError
from apps.gateway import services
from apps.gateway.models import CallState, ToolCall
from tests.conftest import Robot, at_once, credit, parked, settle_news
from tests.fakes.erp import FakeErp
from tests.gateway.test_edit_tool_call import edit, vote
from tests.gateway.test_revise_tool_call import asked_to_change

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 12


def code_of(act: Callable[[], Any]) -> str:
    """ "done", or the code of the refusal."""
    try:
        act()
    except MeshError as refusal:
        return refusal.code
    return "done"


def race(*acts: Callable[[], Any]) -> list[str]:
    return at_once([lambda act=act: code_of(act) for act in acts])  # type: ignore[misc]


def whole(call: ToolCall) -> ToolCall:
    """The call, whatever happened: one version to each change, and its row carries the last one."""
    found = ToolCall.objects.select_related("approval").get(id=call.id)
    versions = list(found.versions.all())
    assert [version.number for version in versions] == (list(range(1, found.version + 1)) if found.version > 1 else [])
    if versions:
        last = versions[-1]
        assert (last.digest, last.request_id, last.approval_id) == (found.digest, found.request_id, found.approval_id)
    open_ones = Approval.objects.filter(subject_id=found.id, state__in=["pending", "changes_requested"])
    assert open_ones.count() <= 1
    return found


def test_an_edit_and_the_last_vote(writer: Robot, erp: FakeErp) -> None:
    for number in range(ROUNDS):
        call, approval = parked(writer, key=f"race-{number}")
        codes = race(lambda a=approval: edit(a, "1400.00"), lambda a=approval: vote(a, "felix"))  # type: ignore[misc]
        settle_news()
        found = whole(call)

        assert sorted(codes) == ["approval.already_decided", "done"], codes
        posted = [entry["amount"] for entry in erp.ledger if entry["reference"].endswith(f"/race-{number}")]
        if codes[0] == "done":
            assert (found.state, found.version, posted) == (CallState.AWAITING_APPROVAL, 2, [])
        else:
            assert (found.state, found.version, posted) == (CallState.SUCCEEDED, 1, ["1280.00"])


def test_two_edits(writer: Robot, erp: FakeErp) -> None:
    for number in range(ROUNDS):
        call, approval = parked(writer, key=f"race-{number}")
        codes = race(
            lambda a=approval: edit(a, "1100.00"),  # type: ignore[misc]
            lambda a=approval: edit(a, "1000.00", by="felix"),  # type: ignore[misc]
        )
        settle_news()
        found = whole(call)

        assert sorted(codes) == ["approval.already_decided", "done"], codes
        posted = [entry["amount"] for entry in erp.ledger if entry["reference"].endswith(f"/race-{number}")]
        assert posted == ["1100.00" if codes[0] == "done" else "1000.00"]
        assert (found.state, found.version) == (CallState.SUCCEEDED, 2)


def test_an_edit_and_a_cancellation(writer: Robot, erp: FakeErp) -> None:
    agent = writer.actor
    for number in range(ROUNDS):
        call, approval = parked(writer, key=f"race-{number}")
        edited, cancelled = race(
            lambda a=approval: edit(a, "1400.00"),  # type: ignore[misc]
            lambda c=call: services.cancel_tool_call(actor=agent, call_id=c.id),  # type: ignore[misc]
        )
        settle_news()
        found = whole(call)

        # taking it back is possible before the edit and after it
        assert cancelled == "done"
        assert edited in ("done", "approval.already_decided")
        assert found.state == CallState.CANCELLED
        assert found.approval is not None
        assert found.approval.state == ApprovalState.CANCELLED
        assert found.version == (2 if edited == "done" else 1)
    assert erp.requests == []


def test_an_edit_and_the_expiry(writer: Robot, erp: FakeErp) -> None:
    """The clock of the database stands still: the time of the approval runs out between the two."""
    for number in range(ROUNDS):
        call, approval = parked(writer, key=f"race-{number}")
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE approvals_approval SET expires_at = now() + interval '15 milliseconds' WHERE id = %s",
                [approval.id],
            )
        edited, _ = race(lambda a=approval: edit(a, "1400.00"), _expire_for_a_while)  # type: ignore[misc]
        settle_news()
        found = whole(call)

        assert edited in ("done", "approval.expired", "approval.already_decided")
        expected = CallState.AWAITING_APPROVAL if edited == "done" else CallState.EXPIRED
        if found.state != expected:  # refused for its time, and the job had looked just before
            approvals.expire_due()
            settle_news()
            found = whole(call)
        assert found.state == expected
    assert erp.requests == []


def _expire_for_a_while() -> None:
    for _ in range(20):
        approvals.expire_due()


def test_an_edit_and_the_release_of_what_was_approved(writer: Robot, erp: FakeErp) -> None:
    for number in range(ROUNDS):
        call, approval = parked(writer, key=f"race-{number}")
        vote(approval, "felix")
        codes = race(
            lambda a=approval: edit(a, "1400.00"),  # type: ignore[misc]
            lambda c=call: services.release_tool_call(c.id),  # type: ignore[misc]
        )
        assert codes == ["approval.already_decided", "done"]
        assert whole(call).state == CallState.SUCCEEDED
    assert [entry["amount"] for entry in erp.ledger] == ["1280.00"] * ROUNDS


def test_the_agents_answer_twice_at_once_is_one_version(writer: Robot) -> None:
    agent = writer.actor
    for number in range(ROUNDS):
        call, _ = asked_to_change(writer, key=f"race-{number}")
        act = lambda c=call: services.revise_tool_call(  # noqa: E731
            actor=agent, call_id=c.id, arguments=credit("900.00")
        )
        assert race(act, act) == ["done", "done"]
        assert whole(call).version == 2


def test_the_agents_answer_and_its_cancellation(writer: Robot, erp: FakeErp) -> None:
    agent = writer.actor
    for number in range(ROUNDS):
        call, _ = asked_to_change(writer, key=f"race-{number}")
        answered, cancelled = race(
            lambda c=call: services.revise_tool_call(  # type: ignore[misc]
                actor=agent, call_id=c.id, arguments=credit("900.00")
            ),
            lambda c=call: services.cancel_tool_call(actor=agent, call_id=c.id),  # type: ignore[misc]
        )
        assert cancelled == "done"
        assert answered in ("done", "tool_call.not_asked_to_change")
        assert whole(call).state == CallState.CANCELLED


def test_a_crash_in_the_middle_leaves_the_version_before(
    writer: Robot, erp: FakeErp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything of an edit is in one transaction: here the process dies with the new approval written."""
    call, approval = parked(writer)

    def dies(*_: Any, **__: Any) -> None:
        raise SystemExit("killed")

    monkeypatch.setattr("apps.gateway.services.changing.start_human_wait", dies)
    with pytest.raises(SystemExit):
        edit(approval, "1400.00")
    monkeypatch.undo()

    assert whole(call).version == 1
    approval.refresh_from_db()
    assert approval.state == ApprovalState.PENDING
    vote(approval, "felix")
    settle_news()
    assert [entry["amount"] for entry in erp.ledger] == ["1280.00"]
