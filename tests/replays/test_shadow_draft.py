"""A draft follows what is decided: the same buckets, within seconds, and never in a call's way."""

import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.gateway.models import ToolCall
from apps.policies import services as policies
from apps.replays import services
from apps.replays.models import ImpactReplay
from tests.access.scene import undone
from tests.conftest import Robot, actor
from tests.policies.reviewing import raised, sent, voted
from tests.replays.histories import carried_out, kinds


def followed(value: str = "750.00", days: int = 7) -> ImpactReplay:
    return services.shadow_draft(actor=actor("priya"), draft_id=raised(value).id, days=days)


@pytest.mark.django_db
def test_what_is_decided_from_now_on_is_decided_again(writer: Robot, time_passes: Any) -> None:
    writer.call("610.00", key="before")
    shadow = followed()
    writer.call("620.00", key="asked"), writer.call("20.00", key="alone")
    assert not carried_out(shadow).done_count  # too near: an id is made before its row is committed
    time_passes(seconds=5)
    assert services.replays_to_advance() == [shadow.id]
    assert (carried_out(shadow).done_count, kinds(shadow)) == (2, {"approval-to-allow": 1})
    writer.call("630.00", key="later")
    time_passes(seconds=10)
    assert kinds(carried_out(shadow)) == {"approval-to-allow": 2}
    assert shadow.state == "running"
    codes = AuditEntry.objects.filter(subject_id=str(shadow.id)).values_list("code", flat=True)
    assert list(codes) == ["policy_shadow.started"]


@pytest.mark.django_db
def test_it_ends_by_itself_and_with_its_draft(writer: Robot, time_passes: Any) -> None:
    shadow = followed(days=1)
    writer.call("620.00")
    time_passes(hours=25)
    assert services.replays_to_advance() == [shadow.id]
    assert (carried_out(shadow).state, shadow.done_count) == ("done", 1)
    other = followed("800.00")
    assert other.draft_version
    policies.discard_draft(actor=actor("priya"), draft_id=other.draft_version.draft_id, version=2)
    services.replays_to_advance()
    time_passes(hours=26)
    assert carried_out(other).state == "done"


@pytest.mark.django_db
def test_it_goes_on_in_review_and_ends_at_the_release(writer: Robot, time_passes: Any) -> None:
    draft = raised("750.00")
    shadow = services.shadow_draft(actor=actor("priya"), draft_id=draft.id)
    request = sent(draft)
    services.replays_to_advance()
    assert carried_out(shadow).state == "running"
    voted(request)
    services.replays_to_advance()
    time_passes(seconds=10)
    assert carried_out(shadow).state == "done"


@pytest.mark.django_db
def test_who_may_write_starts_and_stops_it_one_at_a_time(writer: Robot) -> None:
    shadow = followed()
    with pytest.raises(NotAllowed):
        services.cancel_replay(actor=actor("dana"), replay_id=shadow.id)
    with pytest.raises(Conflict, match=r"replay\.under_way"):
        followed("800.00")
    with pytest.raises(Invalid, match=r"replay\.bad_window"):
        followed(days=15)
    services.cancel_replay(actor=actor("alex"), replay_id=shadow.id)
    assert not services.advance_replay(shadow.id)
    codes = AuditEntry.objects.filter(subject_id=str(shadow.id)).order_by("seq").values_list("code", "actor_name")
    assert list(codes)[-1] == ("policy_shadow.stopped", "Alex Novak")


@pytest.mark.django_db
def test_a_call_asks_nothing_more_of_the_database_and_its_answer_is_the_same(writer: Robot) -> None:
    def asked(key: str) -> tuple[int, str]:
        with CaptureQueriesContext(connection) as captured:
            answer = writer.call("620.00", key=key).json()
        return len(captured), answer["decision"]["outcome"]

    asked("warm")
    without = undone(lambda: asked("k"))
    shadow = followed("0.01")
    assert undone(lambda: asked("k")) == without == (without[0], "require_approval")
    assert shadow.state == "running"


@pytest.mark.django_db(transaction=True)
def test_a_call_passes_while_every_row_of_the_shadow_is_locked(writer: Robot) -> None:
    shadow = followed()
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE replays_impactreplay, replays_replaychunk, replays_replayeddecision")
                locked.set()
                done.wait(20)
        finally:
            connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert locked.wait(20)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '5s'")
        assert writer.call("20.00", key="meanwhile").status_code == 200
    finally:
        done.set()
        holder.join()
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
    assert ToolCall.objects.get(idempotency_key="meanwhile").state == "succeeded"
    assert shadow.is_open
