"""I15: a bulk act works on the rows that were shown when they were picked, whatever the filter would find by now."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Team
from apps.approvals import services
from apps.approvals.bulk import outcomes_of
from apps.approvals.filters import QueueFilter
from apps.approvals.models import Approval, BulkOutcome, Vote
from apps.approvals.services import bulk as bulk_service
from tests.access.scene import undone
from tests.approvals.asking import SETUP, ask, ask_many, vote
from tests.conftest import actor, person
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


def voted_by_dana() -> set[object]:
    return set(Vote.objects.filter(voter=person("dana")).values_list("approval_id", flat=True))


def test_what_the_filter_finds_by_now_does_not_matter(world: FakeErp) -> None:
    """New rows match, picked ones match no more: exactly the frozen ones are voted on."""
    picked = ask_many(4, currency="EUR")
    query = QueueFilter(currency="EUR")
    selection = services.select(actor=actor("dana"), query=query)
    later = ask_many(3)
    Approval.objects.filter(id=picked[0].id).update(currency="USD")
    moved_in = ask("7.00", "USD")
    Approval.objects.filter(id=moved_in.id).update(currency="EUR")
    now = set(query.apply(actor("dana")).values_list("id", flat=True))
    services.bulk_vote(actor=actor("dana"), selection_id=selection.id, verdict="approve")

    assert {approval.id for approval in later} | {moved_in.id} < now
    assert voted_by_dana() == {approval.id for approval in picked}


def test_what_changes_between_two_portions_is_explained_and_the_rest_is_done(
    world: FakeErp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_service, "PORTION", 2)
    picked = ask_many(6)
    selection = services.select(actor=actor("dana"), query=QueueFilter(), ids=[approval.id for approval in picked])
    bulk = services.bulk_vote(actor=actor("dana"), selection_id=selection.id, verdict="approve")
    ask_many(2)
    vote("felix", picked[3])
    services.cancel_approval(approval_id=picked[4].id, actor=SETUP)
    services.run_bulk_vote(bulk.id)
    result = outcomes_of(actor("dana"), bulk.id)

    assert voted_by_dana() == {approval.id for approval in picked} - {picked[3].id, picked[4].id}
    assert result.counts == {"done": 4, "approval.already_decided": 2}
    assert {row.approval_id for row in result.not_done} == {picked[3].id, picked[4].id}


def test_a_version_that_nobody_saw_is_not_voted_on(world: FakeErp) -> None:
    seen, changed = ask_many(2)
    selection = services.select(actor=actor("dana"), query=QueueFilter())
    Approval.objects.filter(id=changed.id).update(version=2)
    services.bulk_vote(actor=actor("dana"), selection_id=selection.id, verdict="approve")

    assert voted_by_dana() == {seen.id}


MEANWHILE = {
    "nothing": lambda approval: None,
    "approved": lambda approval: vote("felix", approval),
    "rejected": lambda approval: vote("felix", approval, "reject", reason_code="other"),
    "held back": lambda approval: vote("felix", approval, undo_seconds=30),
    "cancelled": lambda approval: services.cancel_approval(approval_id=approval.id, actor=SETUP),
    "touched": lambda approval: Approval.objects.filter(id=approval.id).update(version=9),
    "other team": lambda approval: Approval.objects.filter(id=approval.id).update(
        open_team=Team.objects.get(slug="cfo-office"), version=9
    ),
    "joined by a new one": lambda approval: ask("1.00"),
}


@given(meanwhile=st.lists(st.sampled_from(sorted(MEANWHILE)), min_size=1, max_size=8), portion=st.integers(1, 4))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_happens_meanwhile_each_frozen_row_has_one_answer_and_no_other_row_a_vote(
    world: FakeErp, monkeypatch: pytest.MonkeyPatch, meanwhile: list[str], portion: int
) -> None:
    monkeypatch.setattr(bulk_service, "PORTION", portion)
    undone(lambda: _picked_and_voted(meanwhile))


def _picked_and_voted(meanwhile: list[str]) -> None:
    picked = ask_many(len(meanwhile))
    selection = services.select(actor=actor("dana"), query=QueueFilter(sort="oldest"))
    for approval, event in zip(picked, meanwhile, strict=True):
        MEANWHILE[event](approval)
    bulk = services.bulk_vote(actor=actor("dana"), selection_id=selection.id, verdict="approve")
    services.run_bulk_vote(bulk.id)
    outcomes = dict(BulkOutcome.objects.filter(bulk_vote=bulk).values_list("approval_id", "code"))

    assert list(outcomes) == [approval.id for approval in picked]
    untouched = {"nothing", "joined by a new one"}
    expected = {approval.id for approval, event in zip(picked, meanwhile, strict=True) if event in untouched}
    assert voted_by_dana() == {row for row, code in outcomes.items() if code == "done"} == expected
