"""The receiver of webhooks, on loopback, which has to be allowed for it; and a request whose news goes there."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Robot
from tests.external.asking import asked
from tests.external.receiver import Receiver, running_receiver


@pytest.fixture(scope="session")
def receiver_server() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(receiver_server: Receiver, settings: Any) -> Receiver:
    """Where callbacks may go in this test, its letter box empty."""
    settings.EXTERNAL_ALLOW_PRIVATE = True
    receiver_server.reset()
    return receiver_server


@pytest.fixture
def hooked(writer: Robot, receiver: Receiver) -> dict[str, Any]:
    """A request whose news is wanted."""
    return asked(writer, callback_url=f"{receiver.url}/hooks?team=7")
