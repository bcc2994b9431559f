"""Who hears of a call whose outcome nobody knows, and until when."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.gateway import services as gateway
from apps.gateway.models import ToolCall
from apps.gateway.services.resolving import Evidence
from apps.notifications import services
from apps.notifications.models import Notice
from tests.conftest import Robot, actor
from tests.fakes.erp import FakeErp
from tests.gateway.unknowns import maker_of_unknowns
from tests.notifications.receiver import Receiver
from tests.notifications.telling import connected, heard, spread, states, sweep

pytestmark = pytest.mark.django_db
FOUND = Evidence(finding="happened", words="In the ledger", reference="CM-1")


@pytest.fixture
def unknown(writer: Robot, erp: FakeErp, time_passes: Callable[..., None]) -> Callable[..., ToolCall]:
    return maker_of_unknowns(writer, erp, time_passes)


def test_owners_and_who_is_on_call_hear_of_it_once(unknown: Callable[..., ToolCall]) -> None:
    unknown()
    spread()
    spread()

    assert heard("omar") == heard("priya") == heard("alex") == ["unknown"]
    assert heard("dana") == heard("chen") == heard("otto") == []


def test_once_it_is_known_nobody_is_asked_any_more(unknown: Callable[..., ToolCall]) -> None:
    call = unknown()
    spread()
    gateway.resolve_tool_call(actor=actor("omar"), call_id=call.id, evidence=FOUND)
    spread()

    assert heard("priya") == []
    assert Notice.objects.count() == 3


def test_what_was_settled_before_it_was_told_is_told_to_nobody(unknown: Callable[..., ToolCall]) -> None:
    call = unknown()
    gateway.resolve_tool_call(actor=actor("omar"), call_id=call.id, evidence=FOUND)
    spread()
    assert not Notice.objects.exists()


def test_a_channel_says_as_much_as_it_may(unknown: Callable[..., ToolCall], receiver: Receiver, settings: Any) -> None:
    settings.BASE_URL = "https://mesh.example.com"
    channel = connected("omar", receiver)
    call = unknown()
    sweep()

    assert states(channel) == ["sent"]
    [said] = receiver.got
    assert "Somebody has to find out." in str(said)
    assert f"https://mesh.example.com/unknown/{call.id}/" in str(said)
    assert "T-k-1" not in str(said)


def test_a_message_that_waited_too_long_is_dropped(unknown: Callable[..., ToolCall], receiver: Receiver) -> None:
    channel = connected("omar", receiver)
    call = unknown()
    spread()
    gateway.resolve_tool_call(actor=actor("priya"), call_id=call.id, evidence=FOUND)
    services.send_due()
    assert states(channel) == ["dropped"]


def test_the_list_leads_to_the_call(unknown: Callable[..., ToolCall], sign_in: Callable[[str], Client]) -> None:
    call = unknown()
    spread()
    listed = sign_in("omar").get("/notifications/").content.decode()

    assert f'href="/unknown/{call.id}/"' in listed
    assert "Open ticket T-k-1" in listed
