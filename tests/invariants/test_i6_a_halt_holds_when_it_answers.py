"""I6: when the request that placed a halt has returned, no call in its scope becomes executing any more."""

import threading
import time

import pytest
from django.db import connections

from apps.gateway.models import ToolCall
from apps.halts import services as halts
from apps.halts.models import Halt
from tests.conftest import Robot, actor
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 6
HALTS = 12


def test_no_call_becomes_executing_after_the_halt_answered(writer: Robot, erp: FakeErp) -> None:
    stop = threading.Event()
    codes: list[int] = []

    def call_without_pause(client: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            codes.append(writer.call("10.00", key=f"{client}-{number}").status_code)
        connections.close_all()

    threads = [threading.Thread(target=call_without_pause, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    windows = []
    omar = actor("omar")
    for _ in range(HALTS):
        time.sleep(0.1)
        halt = halts.place_halt(
            actor=omar,
            scope_type="agent",
            scope_reference="writer",
            environment="production",
            mode="hold",
            reason_code="drill",
        )
        executing_when_answered = set(ToolCall.objects.exclude(executing_at=None).values_list("id", flat=True))
        time.sleep(0.1)
        executing_later = set(ToolCall.objects.exclude(executing_at=None).values_list("id", flat=True))
        windows.append(executing_later - executing_when_answered)
        halts.lift_halt(actor=omar, halt_id=halt.id, reason="drill over")
    stop.set()
    for thread in threads:
        thread.join()

    assert windows == [set()] * HALTS
    assert 200 in codes
    assert 423 in codes
    assert set(codes) == {200, 423}
    assert Halt.objects.count() == HALTS
