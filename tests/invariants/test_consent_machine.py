"""I4, I5 and I8 together: whatever people, agents, clocks and halts do in whatever order, what was executed had the
consent it needed.

Hypothesis plays sequences of acts against the real services, database and business system, and an auditor who knows
nothing of their code reads the tables afterwards. `CONSENT_EXAMPLES=5000` plays that many sequences.
"""

import datetime as dt
import os
from contextlib import suppress
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import F
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.approvals import services as approvals
from apps.approvals.models import Approval, Delegation, Vote
from apps.core import clock
from apps.core.errors import MeshError
from apps.gateway import services as gateway
from apps.gateway.models import ToolCall
from apps.halts import services as halts
from apps.halts.models import Halt
from apps.policies.services import publish_release
from apps.registry.models import Process
from tests.approvals.questions import newcomer
from tests.conftest import Robot, actor, credit, robot_named, settle_news
from tests.fakes.erp import FakeErp
from tests.world import PARAMETERS, POLICY

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("CONSENT_EXAMPLES", "60"))
STEPS = 14
VOTERS = ("dana", "felix", "nora", "carla", "omar")
AMOUNTS = ("1280.00", "900.00", "6000.00", "100.00")

# Up to 5,000 two of finance, above it one of finance and one of the CFO office.
TWO_OF_FINANCE = POLICY.replace(
    '@approval("finance-approvers:1") @expires', '@approval("finance-approvers:2") @expires', 1
)

people = st.sampled_from(VOTERS)
amounts = st.sampled_from(AMOUNTS)
verdicts = st.sampled_from(("approve", "approve", "request_changes", "request_changes", "reject"))
rarely, often = st.sampled_from((False, False, True)), st.sampled_from((True, True, False))


class Consent(RuleBasedStateMachine):
    """One call of an agent and what everybody may do to it; `asked_by` is the person the agent acted for, or nobody."""

    writer: Robot
    erp: FakeErp

    def __init__(self) -> None:
        super().__init__()
        self.now = dt.timedelta(0)
        self.seen_digests: list[str] = []
        self.held_ledger: int | None = None
        self.erp.reset()
        self._rolled_back = transaction.atomic()
        self._rolled_back.__enter__()

    def teardown(self) -> None:
        clock.shift(dt.timedelta(0))
        transaction.set_rollback(True)
        self._rolled_back.__exit__(None, None, None)

    # --- acts ---------------------------------------------------------------------------------------------------------

    @initialize(
        amount=st.sampled_from(("1280.00", "900.00", "6000.00")),
        asked_by=st.sampled_from(("", "dana", "dana", "carla")),
    )
    def the_agent_asks(self, amount: str, asked_by: str) -> None:
        self.writer = robot_named("writer")  # with a token of its own: thousands of sequences outlast one
        more = {"on_behalf_of": asked_by} if asked_by else {}
        answer = self.writer.call(amount, key="k-1", **more)
        assert answer.status_code in (200, 202)
        self.call_id = answer.json()["id"]
        self._look()

    @rule(who=people, verdict=verdicts, is_stale=rarely, undo=st.sampled_from((0, 0, 10)), is_told=often)
    def somebody_votes(self, who: str, verdict: str, is_stale: bool, undo: int, is_told: bool) -> None:
        self._vote(who, verdict, self._seen(is_stale), undo)
        if is_told:
            settle_news()

    # What gets things done comes up three times, so that much of what is played leads somewhere.

    @rule(who=st.permutations(VOTERS))
    def everybody_approves(self, who: list[str]) -> None:
        for name in who:
            self._vote(name, "approve", self._seen(), 0)
        settle_news()

    @rule(who=st.permutations(VOTERS))
    def everybody_approves_and_may_undo(self, who: list[str]) -> None:
        for name in who:
            self._vote(name, "approve", self._seen(), 10)

    @rule(who=people, is_stale=rarely)
    def somebody_approves(self, who: str, is_stale: bool) -> None:
        self._vote(who, "approve", self._seen(is_stale), 0)
        settle_news()

    @rule()
    def the_agent_asks_again(self) -> None:
        self.writer.call("1280.00", key="k-1")

    @rule(who=people)
    def somebody_takes_a_vote_back(self, who: str) -> None:
        with suppress(MeshError):
            approvals.withdraw_vote(actor=actor(who), approval_id=self._approval_id())

    @rule(who=people, amount=amounts)
    def somebody_edits(self, who: str, amount: str) -> None:
        approval = self._call().approval
        if approval is None:
            return
        with suppress(MeshError), transaction.atomic():
            gateway.edit_tool_call(
                actor=actor(who), approval_id=approval.id, digest=approval.digest, arguments=credit(amount)
            )
        self._look()

    @rule(amount=amounts)
    def the_agent_answers_with_a_new_version(self, amount: str) -> None:
        with suppress(MeshError), transaction.atomic():
            gateway.revise_tool_call(actor=self.writer.actor, call_id=self._call().id, arguments=credit(amount))
        self._look()

    @rule(
        giver=st.sampled_from(VOTERS[:3]),
        receiver=st.sampled_from(("carla", "omar", "dana")),
        hours=st.sampled_from((1, 5, 48)),
    )
    def somebody_delegates(self, giver: str, receiver: str, hours: int) -> None:
        now = clock.now()
        with suppress(MeshError):
            approvals.delegate(
                actor=actor(giver), receiver=receiver, starts_at=now, ends_at=now + dt.timedelta(hours=hours)
            )

    @precondition(lambda self: Delegation.objects.filter(ended_at=None).exists())
    @rule()
    def a_delegation_ends(self) -> None:
        delegation = Delegation.objects.filter(ended_at=None).select_related("giver").earliest("id")
        with suppress(MeshError):
            approvals.end_delegation(actor=actor(delegation.giver.username), delegation_id=delegation.id)

    @rule(seconds=st.sampled_from((11, 5 * 3600, 20 * 3600)))
    def time_passes(self, seconds: int) -> None:
        self.now += dt.timedelta(seconds=seconds)
        clock.shift(self.now)

    @rule()
    def the_worker_comes_by(self) -> None:
        approvals.settle_due()
        approvals.expire_due()
        settle_news()
        gateway.release_tool_call(self._call().id)

    @rule(mode=st.sampled_from(("hold", "hold", "stop")), is_meant=rarely)
    def omar_halts_the_agent(self, mode: str, is_meant: bool) -> None:
        if not is_meant or Halt.objects.in_force().exists():
            return
        halts.place_halt(
            actor=actor("omar"),
            scope_type="agent",
            scope_reference="writer",
            environment="production",
            mode=mode,
            reason_code="drill",
        )
        self.held_ledger = len(self.erp.ledger)

    @rule()
    def omar_lifts_the_halt(self) -> None:
        for halt in Halt.objects.in_force():
            halts.lift_halt(actor=actor("omar"), halt_id=halt.id, reason="over")
        self.held_ledger = None

    @rule(is_meant=rarely)
    def the_agent_takes_it_back(self, is_meant: bool) -> None:
        if not is_meant:
            return
        with suppress(MeshError), transaction.atomic():
            gateway.cancel_tool_call(actor=self.writer.actor, call_id=self._call().id)

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_runs_twice_or_under_a_halt(self) -> None:
        assert len(self.erp.ledger) <= 1
        if self.held_ledger is not None and Halt.objects.in_force().exists():
            assert len(self.erp.ledger) == self.held_ledger

    @invariant()
    def every_vote_is_on_what_was_shown(self) -> None:
        assert not Vote.objects.exclude(digest=F("approval__digest")).exists()

    @invariant()
    def what_ran_had_the_consent_it_needed(self) -> None:
        for entry in self.erp.ledger:
            call = ToolCall.objects.select_related("approval").get(id=self.call_id)
            assert call.executing_at is not None
            if call.approval is None:
                assert entry["amount"] == "100.00"
                continue
            audit_of(call, call.approval, entry)

    # --- plumbing -----------------------------------------------------------------------------------------------------

    def _seen(self, is_stale: bool = False) -> str:
        """The digest of the card that was loaded last, or first."""
        return self.seen_digests[0 if is_stale else -1] if self.seen_digests else "0" * 64

    def _vote(self, who: str, verdict: str, digest: str, undo: int) -> None:
        with suppress(MeshError):
            approvals.cast_vote(
                actor=actor(who),
                approval_id=self._approval_id(),
                verdict=verdict,
                digest=digest,
                reason_code="other",
                undo_seconds=undo,
            )

    def _call(self) -> ToolCall:
        return ToolCall.objects.get(id=self.call_id)

    def _approval_id(self) -> Any:
        return self._call().approval_id or self.call_id

    def _look(self) -> None:
        """Somebody loads the card; what they saw may be stale when they vote."""
        approval = self._call().approval
        if approval is not None and approval.digest not in self.seen_digests:
            self.seen_digests.append(approval.digest)


def audit_of(call: ToolCall, approval: Approval, entry: dict[str, Any]) -> None:
    """Whether the executed call had consent, from the tables alone."""
    assert approval.state == "approved"
    assert approval.digest == call.digest
    assert entry["amount"] == f"{(call.money_minor or 0) / 100:.2f}"
    votes = list(approval.votes.filter(withdrawal=None))
    assert {vote.verdict for vote in votes} == {"approve"}
    assert {vote.digest for vote in votes} == {call.digest}
    behind = [vote.voter_id for vote in votes] + [vote.on_behalf_of_id for vote in votes if vote.on_behalf_of_id]
    assert len(behind) == len(set(behind)), "one person counted twice"
    assert not set(behind) & set(approval.barred_people), "a maker was a checker"
    if call.on_behalf_of:
        assert call.on_behalf_of not in behind
    raised_by = {
        UUID(later.made_by.removeprefix("person:"))
        for earlier, later in pairwise(call.versions.order_by("number"))
        if later.made_by.startswith("person:") and (later.money_minor or 0) >= (earlier.money_minor or 0)
    }
    assert not set(behind) & raised_by, "who raised the amount approved it"
    for stage in approval.stages.all():
        seated = [vote for vote in votes if vote.stage_id == stage.id]
        assert len(seated) >= stage.quorum
        members = set(stage.team.members.values_list("id", flat=True))
        assert all((vote.on_behalf_of_id or vote.voter_id) in members for vote in seated)
    assert all(vote.cast_at < approval.expires_at for vote in votes), "decided by time"


def test_no_sequence_of_acts_executes_what_consent_forbids(world: FakeErp, writer: Robot, erp: FakeErp) -> None:
    Consent.writer, Consent.erp = writer, erp
    newcomer("nora", teams=("finance-approvers",))
    publish_release(
        policy_set="order-to-cash",
        process=Process.objects.get(slug="order-to-cash"),
        text=TWO_OF_FINANCE,
        parameters=PARAMETERS,
        environments=["production"],
        actor=actor("priya"),
    )
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Consent,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # a sequence is short enough to read as it was found, and making it shorter would take minutes
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            print_blob=True,
        ),
    )
