"""The queue and the rule book agree: what waits for me is exactly what I could approve, in my own name or lent."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.approvals import services
from apps.approvals.models import Approval
from apps.approvals.queries import approvals_in_view, approvals_visible_to
from apps.core.errors import MeshError
from tests.approvals.questions import ask, join, vote
from tests.approvals.test_delegate import lend
from tests.conftest import actor
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

PEOPLE = ("dana", "felix", "carla", "omar", "priya", "otto")
TEAMS = ("finance-approvers", "cfo-office")


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    people = st.sampled_from(PEOPLE)
    return {
        "joined": draw(st.lists(st.tuples(people, st.sampled_from(TEAMS)), max_size=2)),
        "limits": draw(
            st.lists(
                st.tuples(st.sampled_from(TEAMS), st.sampled_from(("EUR", "USD")), st.integers(0, 3000_00)), max_size=3
            )
        ),
        "lent": draw(st.lists(st.tuples(people, people, st.sampled_from((None, {"EUR": 1500_00}))), max_size=4)),
        "questions": draw(
            st.lists(
                st.tuples(
                    st.sampled_from(("finance-approvers:1", "cfo-office:1", "finance-approvers:2, cfo-office:1")),
                    st.sampled_from(("100.00", "1280.00", "2900.00", None)),
                    st.sampled_from(("EUR", "USD")),
                    st.lists(people, max_size=1),
                    st.lists(st.tuples(people, st.sampled_from(("approve", "reject"))), max_size=2),
                ),
                min_size=1,
                max_size=4,
            )
        ),
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=worlds())
def test_the_queue_is_what_the_rules_let_through(world: FakeErp, drawn: dict[str, Any]) -> None:
    with transaction.atomic():
        _make(drawn)
        _compare()
        transaction.set_rollback(True)


def _make(drawn: dict[str, Any]) -> None:
    for username, team in set(drawn["joined"]):
        _try(join, username, team)
    for team, currency, minor in drawn["limits"]:
        services.set_limit(
            actor=actor("priya"), process="order-to-cash", team=team, currency=currency, limit_minor=minor, reason="R"
        )
    for giver, receiver, caps in drawn["lent"]:
        _try(lend, giver, receiver, caps=caps)
    for stages, amount, currency, barred, votes in drawn["questions"]:
        approval = ask(stages, amount=amount, currency=currency, barred=tuple(barred))
        for username, verdict in votes:
            _try(vote, username, approval, verdict)


def _try(act: Callable[..., Any], *values: Any, **more: Any) -> None:
    with suppress(MeshError, IntegrityError), transaction.atomic():
        act(*values, **more)


def _compare() -> None:
    for username in PEOPLE:
        who = actor(username)
        mine, lent = (set(approvals_in_view(who, view).values_list("id", flat=True)) for view in ("mine", "delegated"))
        possible = {
            approval.id for approval in approvals_visible_to(who) if services.refusal_of_vote(who, approval) is None
        }
        assert mine | lent == possible, username


def test_every_view_shows_only_what_one_may_see(world: FakeErp) -> None:
    approval = ask()
    for username, view in itertools.product(PEOPLE, ("mine", "team", "delegated", "snoozed", "decided", "all")):
        seen = set(approvals_in_view(actor(username), view))
        assert seen <= set(approvals_visible_to(actor(username)))
    assert Approval.objects.filter(id=approval.id).exists()
