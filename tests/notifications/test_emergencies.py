"""Who hears of policies that one person released alone: those who answer for the process, until it was agreed to."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.core.models import OutboxEvent
from apps.policies import services as policies
from tests.fakes.erp import FakeErp
from tests.notifications.telling import heard, spread
from tests.policies.reviewing import voted
from tests.policies.test_emergency_release import alone, rejected

pytestmark = pytest.mark.django_db


def test_those_on_call_and_the_owners_hear_of_it_once_but_not_who_did_it(world: FakeErp) -> None:
    emergency = alone()
    spread()
    OutboxEvent.objects.update(delivered_at=None)
    spread()
    assert [heard(who).count("alone") for who in ("omar", "alex", "priya", "dana", "chen")] == [1, 1, 0, 0, 0]
    voted(emergency.request)
    spread()
    assert "alone" not in heard("omar")


def test_a_no_is_told_to_who_did_it_too(world: FakeErp, sign_in: Callable[[str], Client]) -> None:
    rejected(alone())
    spread()
    assert [heard(who).count("refused") for who in ("omar", "alex", "priya")] == [1, 1, 1]
    page = sign_in("omar").get("/notifications/").content.decode()
    assert "Rejected afterwards: Priya Nair released version 2" in page


def test_no_answer_in_time_is_told_to_the_same_people(world: FakeErp, time_passes: Callable[..., None]) -> None:
    alone()
    time_passes(days=10)
    policies.mark_overdue_emergencies()
    spread()
    assert [heard(who).count("refused") for who in ("omar", "priya", "dana")] == [1, 1, 0]
