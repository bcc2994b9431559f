"""A draft is replayed over the decisions there are: counted in buckets, with money and the list behind each number."""

import datetime as dt

import pytest

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.policies import services as policies
from apps.replays import services
from apps.replays.kinds import Kind
from apps.replays.models import ImpactReplay
from apps.replays.tally import Tally
from tests.conftest import Robot, actor
from tests.policies.reviewing import raised
from tests.replays.histories import carried_out, facts, kinds, listed, stored

pytestmark = pytest.mark.django_db
PRIYA = "priya"


def replayed(draft_id: object, **window: object) -> ImpactReplay:
    return carried_out(services.replay_draft(actor=actor(PRIYA), draft_id=draft_id, **window))  # type: ignore[arg-type]


def test_a_raised_limit_no_longer_asks_anyone_between_the_limits(writer: Robot) -> None:
    history = stored(facts(amount) for amount in ("180.00", "500.01", "620.00", "750.00", "750.01", "6000.00"))
    replay = replayed(raised("750.00").id)
    assert (replay.state, replay.total_count, replay.done_count) == ("done", 6, 6)
    assert kinds(replay) == {"approval-to-allow": 3}
    assert [str(money) for money in Tally.from_json(replay.tally).kinds[Kind.APPROVAL_TO_ALLOW].sums] == ["€1,870.01"]
    assert set(listed(replay)) == {decision.id for decision in history[1:4]}
    row = replay.rows.get(decision=history[2])
    assert (row.outcome_before, row.outcome_after) == ("require_approval", "allow")
    assert [rule["id"] for rule in row.rules] == ["credit-alone"]
    codes = AuditEntry.objects.filter(subject_id=str(replay.id)).order_by("seq").values_list("code", "actor_name")
    assert [code for code, _ in codes] == ["impact_replay.started", "impact_replay.ended"]


def test_a_lowered_limit_asks_people_first_and_money_stays_in_its_currency(writer: Robot) -> None:
    stored([facts("180.00"), facts("90.00"), facts("600.00")])
    draft = raised("100.00")
    replay = replayed(draft.id)
    assert kinds(replay) == {"allow-to-approval": 1}


def test_other_people_for_the_same_outcome_are_a_bucket_of_their_own(writer: Robot) -> None:
    stored([facts("600.00"), facts("100.00")])
    text = (
        raised()
        .versions.get(number=1)
        .text.replace('"finance-approvers:1") @expires', '"finance-approvers:2") @expires')
    )
    replay = replayed(raised("500.00", text=text).id)
    assert kinds(replay) == {"other-demands": 1}


def test_the_released_text_itself_changes_nothing(writer: Robot) -> None:
    stored(facts(amount) for amount in ("180.00", "620.00", "6000.00"))
    writer.call("20.00"), writer.call("620.00", key="k-2")
    draft = policies.start_draft(actor=actor(PRIYA), policy_set="order-to-cash")
    replay = replayed(draft.id)
    assert (replay.done_count, kinds(replay)) == (5, {})


def test_only_the_window_is_decided_again(writer: Robot) -> None:
    now = clock.now()
    stored([facts("600.00")], at=now - dt.timedelta(days=40))
    stored([facts("610.00")], at=now - dt.timedelta(days=5))
    draft = raised()
    assert replayed(draft.id, since=now - dt.timedelta(days=30)).total_count == 1
    assert replayed(draft.id, until=now - dt.timedelta(days=30)).total_count == 1
    assert replayed(draft.id).total_count == 2
    with pytest.raises(Invalid):
        services.replay_draft(actor=actor(PRIYA), draft_id=draft.id, since=now, until=now - dt.timedelta(days=1))


def test_a_call_is_counted_as_it_was_asked_for_and_once(writer: Robot) -> None:
    writer.call("620.00")
    stored([facts("600.00", environment="staging")])
    assert replayed(raised().id).total_count == 1


def test_who_may_not_write_the_set_may_not_replay_and_two_do_not_run_at_once(writer: Robot) -> None:
    draft, other = raised(), raised("800.00")
    with pytest.raises(NotAllowed):
        services.replay_draft(actor=actor("dana"), draft_id=draft.id)
    first = services.replay_draft(actor=actor(PRIYA), draft_id=draft.id)
    assert services.replay_draft(actor=actor("alex"), draft_id=draft.id) == first
    with pytest.raises(Conflict, match=r"replay\.under_way"):
        services.replay_draft(actor=actor(PRIYA), draft_id=other.id)
    services.cancel_replay(actor=actor(PRIYA), replay_id=first.id)
    assert not services.advance_replay(first.id)
    with pytest.raises(Conflict, match=r"replay\.ended"):
        services.cancel_replay(actor=actor(PRIYA), replay_id=first.id)
    assert replayed(other.id).state == "done"


def test_a_text_with_mistakes_is_not_replayed(writer: Robot) -> None:
    with pytest.raises(Invalid, match=r"policy\.invalid"):
        services.replay_draft(actor=actor(PRIYA), draft_id=raised(text="permit (principal, action, resource)").id)
