"""A process's delegation of authority: who may approve how much."""

import pytest

from apps.approvals import services
from apps.approvals.models import AuthorityLimit
from apps.approvals.queries import approvals_in_view
from apps.audit.models import AuditEntry
from apps.core.errors import MeshError, NotAllowed
from tests.approvals.questions import ask, join, state_of, vote
from tests.conftest import actor
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world(world: FakeErp) -> None:
    """Everybody is there."""


def limit(minor: int, currency: str = "EUR", **whose: str) -> AuthorityLimit:
    return services.set_limit(
        actor=actor("priya"),
        process="order-to-cash",
        currency=currency,
        limit_minor=minor,
        reason="Signed by the CFO",
        **(whose or {"team": "finance-approvers"}),
    )


def code_of(username: str, approval: object, verdict: str = "approve") -> str:
    try:
        vote(username, approval, verdict)  # type: ignore[arg-type]
    except MeshError as refusal:
        return refusal.code
    return "cast"


def test_a_process_without_a_table_has_no_limits() -> None:
    assert code_of("dana", ask(amount="900000.00")) == "cast"


def test_the_limit_itself_is_within_and_a_cent_more_is_not() -> None:
    limit(128000)
    assert code_of("dana", ask(amount="1280.00")) == "cast"
    above = ask(amount="1280.01")
    assert code_of("dana", above) == "approval.over_limit"
    assert state_of(above) == "pending"
    assert not above.votes.exists()


def test_saying_no_needs_no_limit() -> None:
    limit(100)
    assert code_of("dana", ask(), "reject") == "cast"
    assert code_of("dana", ask(), "request_changes") == "cast"


def test_a_currency_without_a_line_approves_nothing() -> None:
    limit(10**9)
    assert code_of("dana", ask(amount="1.00", currency="USD")) == "approval.over_limit"


def test_ones_own_line_counts_before_those_of_ones_teams() -> None:
    limit(500000)
    limit(1000, person="dana")
    assert code_of("dana", ask()) == "approval.over_limit"
    assert code_of("felix", ask()) == "cast"


def test_of_several_teams_the_highest_counts() -> None:
    limit(100)
    limit(500000, team="cfo-office")
    join("dana", "cfo-office")
    assert code_of("dana", ask()) == "cast"


def test_a_new_line_ends_the_one_before_and_the_last_one_gone_lifts_all_limits() -> None:
    first, second = limit(100), limit(200)
    first.refresh_from_db()
    assert first.ended_at is not None
    services.end_limit(actor=actor("priya"), limit_id=second.id)
    assert code_of("dana", ask()) == "cast"
    codes = AuditEntry.objects.filter(code__startswith="authority.").order_by("seq").values_list("code", flat=True)
    assert list(codes) == ["authority.limit_set", "authority.limit_set", "authority.limit_ended"]


@pytest.mark.parametrize("username", ["dana", "omar", "alex", "chen"])
def test_only_who_governs_the_process_keeps_the_table(username: str) -> None:
    with pytest.raises(NotAllowed):
        services.set_limit(
            actor=actor(username),
            process="order-to-cash",
            team="finance-approvers",
            currency="EUR",
            limit_minor=1,
            reason="Because",
        )
    assert not AuthorityLimit.objects.exists()


def test_what_is_over_my_limit_does_not_wait_for_me() -> None:
    limit(128000)
    within, above = ask(amount="1280.00"), ask(amount="1280.01")
    mine = set(approvals_in_view(actor("dana"), "mine").values_list("id", flat=True))
    team = set(approvals_in_view(actor("dana"), "team").values_list("id", flat=True))
    assert mine == {within.id}
    assert team == {within.id, above.id}
