"""Delegation and absence: dated, scoped, capped, not passed on, and no way around maker and checker (I5)."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from apps.approvals import services
from apps.approvals.models import Approval, Delegation
from apps.approvals.queries import approvals_in_view, approvals_visible_to
from apps.core import clock
from apps.core.errors import MeshError
from apps.registry.models import Process
from tests.approvals.questions import ask, newcomer, state_of, vote
from tests.conftest import actor, person
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world(world: FakeErp) -> None:
    """Everybody is there."""


def lend(giver: str, receiver: str, *, days: float = 5, starts_in: float = 0, **more: Any) -> Delegation:
    starts_at = clock.now() + dt.timedelta(days=starts_in)
    return services.delegate(
        actor=actor(giver), receiver=receiver, starts_at=starts_at, ends_at=starts_at + dt.timedelta(days=days), **more
    )


def code_of(username: str, approval: Approval, verdict: str = "approve", **more: Any) -> str:
    try:
        vote(username, approval, verdict, **more)
    except MeshError as refusal:
        return refusal.code
    return "cast"


def in_view(username: str, view: str) -> set[Any]:
    return set(approvals_in_view(actor(username), view).values_list("id", flat=True))


def test_the_receiver_votes_in_the_givers_name_and_both_are_on_the_vote() -> None:
    approval = ask("cfo-office:1")
    delegation = lend("carla", "dana")
    assert in_view("dana", "delegated") == {approval.id}
    assert in_view("dana", "mine") == set()
    cast = vote("dana", approval)
    assert (cast.voter, cast.on_behalf_of, cast.delegation) == (person("dana"), person("carla"), delegation)
    assert state_of(approval) == "approved"


def test_without_it_the_same_person_is_refused() -> None:
    assert code_of("dana", ask("cfo-office:1")) == "approval.not_your_stage"


def test_somebody_outside_the_process_sees_what_was_lent_to_them_and_nothing_else() -> None:
    approval, other = ask("cfo-office:1"), ask("finance-approvers:1", process="procure-to-pay")
    assert code_of("otto", approval) == "approval.not_found"
    lend("carla", "otto", process="order-to-cash")
    assert set(approvals_visible_to(actor("otto")).values_list("id", flat=True)) == {approval.id}
    assert code_of("otto", other) == "approval.not_found"
    assert code_of("otto", approval) == "cast"


@pytest.mark.parametrize(("starts_in", "days"), [(1, 5), (-6, 5.9)])
def test_before_and_after_its_time_it_counts_for_nothing(
    starts_in: float, days: float, time_passes: Callable[..., None]
) -> None:
    if starts_in < 0:
        lend("carla", "dana", days=days)
        time_passes(days=6)
    else:
        lend("carla", "dana", starts_in=starts_in, days=days)
    assert code_of("dana", ask("cfo-office:1")) == "approval.not_your_stage"


def test_who_lent_it_and_who_holds_it_may_end_it() -> None:
    first, second = lend("carla", "dana"), lend("carla", "felix")
    services.end_delegation(actor=actor("carla"), delegation_id=first.id)
    services.end_delegation(actor=actor("felix"), delegation_id=second.id)
    approval = ask("cfo-office:1")
    assert code_of("dana", approval) == code_of("felix", approval) == "approval.not_your_stage"
    with pytest.raises(MeshError) as refusal:
        services.end_delegation(actor=actor("omar"), delegation_id=first.id)
    assert refusal.value.code == "delegation.not_found"


def test_caps_are_per_currency_and_another_currency_is_not_covered() -> None:
    lend("carla", "dana", caps={"EUR": 100000})
    assert code_of("dana", ask("cfo-office:1", amount="1000.00")) == "cast"
    assert code_of("dana", ask("cfo-office:1", amount="1000.01")) == "approval.not_your_stage"
    assert code_of("dana", ask("cfo-office:1", amount="1.00", currency="USD")) == "approval.not_your_stage"


def test_it_is_not_passed_on() -> None:
    lend("carla", "dana")
    lend("dana", "otto")
    approval = ask("cfo-office:1")
    assert code_of("otto", approval) == "approval.not_found"
    with pytest.raises(MeshError) as refusal:
        lend("dana", "otto", approval_id=approval.id)
    assert refusal.value.code == "delegation.not_passed_on"


def test_the_givers_limit_holds_for_the_receiver() -> None:
    services.set_limit(
        actor=actor("priya"), process="order-to-cash", team="cfo-office", currency="EUR", limit_minor=100, reason="Low"
    )
    lend("carla", "dana")
    assert code_of("dana", ask("cfo-office:1")) == "approval.not_your_stage"


def test_a_giver_who_lost_the_right_lends_nothing() -> None:
    lend("carla", "dana")
    carla = person("carla")
    carla.is_active = False
    carla.save()
    assert code_of("dana", ask("cfo-office:1")) == "approval.not_your_stage"


# --- the known traps (I5) -------------------------------------------------------------------------------------------


def test_the_delegate_of_the_requester_does_not_vote_in_their_name() -> None:
    approval = ask("cfo-office:1", barred=("carla",))
    lend("carla", "dana")
    assert code_of("dana", approval) == "approval.not_your_stage"
    assert in_view("dana", "delegated") == set()


def test_the_requester_does_not_vote_as_a_delegate() -> None:
    approval = ask("cfo-office:1", barred=("dana",))
    lend("carla", "dana")
    assert code_of("dana", approval) == "approval.own_request"


def test_who_is_stood_in_for_does_not_decide_what_their_stand_in_asked_for() -> None:
    lend("carla", "dana")
    approval = ask("cfo-office:1", barred=("dana",))
    assert code_of("carla", approval) == "approval.own_request"
    assert in_view("carla", "mine") == set()


def test_ending_the_delegation_afterwards_does_not_change_that() -> None:
    delegation = lend("carla", "dana")
    approval = ask("cfo-office:1", barred=("dana",))
    services.end_delegation(actor=actor("carla"), delegation_id=delegation.id)
    assert code_of("carla", approval) == "approval.own_request"


def test_a_delegation_that_was_over_before_does_not_matter(time_passes: Callable[..., None]) -> None:
    lend("carla", "dana", days=1)
    time_passes(days=2)
    approval = ask("cfo-office:1", barred=("dana",))
    assert code_of("carla", approval) == "cast"


def test_two_who_delegate_to_each_other_are_two_people_and_no_more() -> None:
    lend("dana", "felix")
    lend("felix", "dana")
    approval = ask("finance-approvers:3")
    assert code_of("dana", approval) == "cast"
    assert code_of("felix", approval) == "cast"
    assert code_of("dana", approval, on_behalf_of="felix") == "approval.already_voted"
    assert code_of("felix", approval, on_behalf_of="dana") == "approval.already_voted"
    assert state_of(approval) == "pending"


def test_who_was_voted_for_does_not_vote_again() -> None:
    lend("felix", "carla")
    approval = ask("finance-approvers:2")
    assert code_of("carla", approval) == "cast"
    assert code_of("felix", approval) == "approval.already_voted"
    assert code_of("dana", approval) == "cast"
    assert state_of(approval) == "approved"


def test_one_person_through_two_delegations_is_one_vote() -> None:
    lend("dana", "carla")
    lend("felix", "carla")
    approval = ask("finance-approvers:2")
    assert code_of("carla", approval) == "cast"
    assert code_of("carla", approval, on_behalf_of="felix") == "approval.already_voted"
    assert state_of(approval) == "pending"


def test_one_person_to_whom_two_delegated_votes_for_each_in_turn_through_two_people_only() -> None:
    lend("dana", "carla")
    newcomer("nora", role=None)
    lend("dana", "nora")
    approval = ask("finance-approvers:2")
    assert code_of("carla", approval) == "cast"
    assert code_of("nora", approval) != "cast"
    assert state_of(approval) == "pending"


def test_a_person_votes_in_their_own_name_when_they_can() -> None:
    lend("felix", "dana")
    approval = ask("finance-approvers:2")
    cast = vote("dana", approval)
    assert cast.on_behalf_of is None
    assert code_of("felix", approval) == "cast"


def test_an_unknown_giver_lends_nothing() -> None:
    assert code_of("dana", ask(), on_behalf_of="carla") == "approval.no_delegation"


# --- one approval handed on -----------------------------------------------------------------------------------------


def test_one_approval_handed_on_leaves_my_queue_and_comes_into_theirs() -> None:
    approval, other = ask(), ask()
    lend("dana", "carla", approval_id=approval.id)
    assert in_view("dana", "mine") == {other.id}
    assert in_view("dana", "team") == {approval.id, other.id}
    assert in_view("carla", "delegated") == {approval.id}
    assert code_of("carla", other) == "approval.not_your_stage"
    assert code_of("carla", approval) == "cast"


def test_it_is_not_handed_to_who_asked_for_it() -> None:
    approval = ask(barred=("carla",))
    with pytest.raises(MeshError) as refusal:
        lend("dana", "carla", approval_id=approval.id)
    assert refusal.value.code == "delegation.receiver_asked"
    assert not Delegation.objects.exists()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"receiver": "dana"}, "delegation.to_oneself"),
        ({"receiver": "nobody"}, "person.unknown"),
        ({"receiver": "felix", "days": 120}, "delegation.too_long"),
        ({"receiver": "felix", "days": -1}, "delegation.bad_time"),
        ({"receiver": "felix", "starts_in": -9}, "delegation.bad_time"),
        ({"receiver": "felix", "process": "unheard-of"}, "process.not_found"),
        ({"receiver": "felix", "caps": {"XXX1": 5}}, "authority.bad_amount"),
        ({"receiver": "felix", "caps": {"EUR": -5}}, "authority.bad_amount"),
    ],
)
def test_what_makes_no_sense_is_refused_and_writes_nothing(more: dict[str, Any], code: str) -> None:
    with pytest.raises(MeshError) as refusal:
        lend("dana", more.pop("receiver"), **more)
    assert refusal.value.code == code
    assert not Delegation.objects.exists()


def test_who_has_no_vote_has_none_to_lend() -> None:
    with pytest.raises(MeshError) as refusal:
        lend("omar", "dana")
    assert refusal.value.code == "delegation.nothing_to_lend"


def test_a_delegation_of_one_approval_bars_nobody_from_another() -> None:
    lend("dana", "carla", approval_id=ask().id)
    assert code_of("dana", ask(barred=("carla",))) == "cast"


def test_a_delegation_in_one_process_bars_nobody_in_another() -> None:
    lend("carla", "dana", process="order-to-cash")
    delegation = Delegation.objects.get()
    elsewhere = Process.objects.get(slug="procure-to-pay")
    Delegation.objects.filter(id=delegation.id).update(process=elsewhere)
    assert code_of("carla", ask("cfo-office:1", barred=("dana",))) == "cast"
