"""Somewhere to send to."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.notifications.receiver import Receiver, receiving


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """A program on loopback, which this installation permits."""
    settings.NOTIFY_ALLOW_PRIVATE = True
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def mail(settings: Any) -> None:
    """A mail server is set up; Django keeps what is sent in `django.core.mail.outbox`."""
    settings.EMAIL_HOST = "mail.example.com"
    settings.NOTIFY_FROM = "console@example.com"
