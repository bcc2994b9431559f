"""When a call that could not be finished is tried again."""

import pytest

from apps.core import backoff, clock
from apps.gateway.models import CallState, ToolCall
from tests.conftest import Robot
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("share", "seconds"), [(0, 0), (0.5, 0.5), (1, 1)])
def test_the_next_attempt_is_drawn_from_its_range(writer: Robot, erp: FakeErp, share: float, seconds: float) -> None:
    erp.faults = ["lost"]
    with backoff.fixed(share):
        before = clock.now()
        writer.call()
    call = ToolCall.objects.get()

    assert (call.state, call.attempt_count) == (CallState.EXECUTING, 1)
    assert call.deadline_at is not None
    assert seconds <= (call.deadline_at - before).total_seconds() < seconds + 0.9
