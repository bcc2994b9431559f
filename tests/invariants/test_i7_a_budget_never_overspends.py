"""I7: under any concurrency settled + reserved ≤ cap, and at the end all can be used. Unknown cost is not zero."""

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.budgets import services
from apps.budgets.charges import Charge, Reach, budgets_over
from apps.budgets.models import Budget, BudgetPeriod, Measure, ReservationState
from apps.budgets.refusals import BudgetRefusal
from apps.core.ids import uuid7
from apps.core.money import Money
from apps.gateway.models import ToolCall
from apps.registry.models import Agent
from tests.budgets.builders import check_ledger, counter_of, make_budget
from tests.conftest import Robot, at_once
from tests.fakes.erp import FakeErp

RESERVERS = 64
ROUNDS = 12
CAP = 1_000_00
AMOUNT = 2_50


def reach() -> Reach:
    return Reach.of(Agent.objects.select_related("process").get(slug="writer"))


def take(minor: int, *, over: Reach, call_id: UUID | None = None) -> UUID | None:
    """Reserve in a transaction of its own, as intake does; the call's id, None when there was no room."""
    charge = Charge(call_id or uuid7(), uuid7(), Money(minor, "EUR"), moves_money=True)
    try:
        with transaction.atomic():
            services.reserve(charge, budgets_over(over))
    except BudgetRefusal:
        return None
    return charge.call_id


@pytest.mark.django_db(transaction=True)
def test_the_sum_is_never_above_the_cap_and_all_of_it_can_be_used() -> None:
    wide = make_budget(cap=CAP, scope_type="mesh", scope_reference="")
    narrow = make_budget(cap=3 * CAP)
    over = reach()
    stop = threading.Event()
    worst: list[int] = []

    def watch() -> None:
        while not stop.is_set():
            worst.extend(period.used for period in BudgetPeriod.objects.filter(budget=wide))
            time.sleep(0.002)
        connections.close_all()

    def spend(seed: int) -> Callable[[], int]:
        chance = random.Random(seed)

        def work() -> int:
            settled = 0
            for _ in range(ROUNDS):
                call_id = take(AMOUNT, over=over)
                if call_id is None:
                    continue
                with transaction.atomic():
                    if chance.random() < 0.6:
                        services.settle(call_id)
                        services.settle(call_id)  # heard twice
                        settled += AMOUNT
                    else:
                        services.release(call_id)
                        services.settle(call_id)  # too late: it is free already
            return settled

        return work

    watcher = threading.Thread(target=watch)
    watcher.start()
    settled = sum(at_once([spend(seed) for seed in range(RESERVERS)]))
    while take(AMOUNT, over=over) is not None:  # what is left, one after another
        pass
    stop.set()
    watcher.join()

    counter = counter_of(wide)
    assert worst
    assert max(worst) <= CAP
    assert counter.settled == settled
    assert counter.used >= 0.99 * CAP
    assert counter.used <= CAP
    assert counter_of(narrow).used == counter.used
    check_ledger()


@pytest.mark.django_db(transaction=True)
def test_many_at_once_for_the_last_of_it(writer: Robot, erp: FakeErp) -> None:
    """Whole calls, through the URL: as many succeed as there is money for."""
    budget = make_budget(cap=5_00)

    calls = at_once([partial(writer.call, "1.00", key=f"k{n}") for n in range(16)])
    codes = [call.status_code for call in calls]

    assert sorted(codes) == [200] * 5 + [429] * 11
    assert len(erp.ledger) == 5
    assert (counter_of(budget).settled, counter_of(budget).reserved) == (5_00, 0)
    check_ledger()


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_dies_takes_nothing() -> None:
    budget = make_budget(cap=CAP)
    over = reach()

    def die() -> None:
        charge = Charge(uuid7(), uuid7(), Money(AMOUNT, "EUR"), moves_money=True)
        try:
            with transaction.atomic():
                services.reserve(charge, budgets_over(over))
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        except Exception:  # the connection is gone, as when the process is killed
            connections.close_all()

    at_once([die] * 4)

    assert not BudgetPeriod.objects.filter(budget=budget, reserved__gt=0).exists()
    assert take(CAP, over=over) is not None


@pytest.mark.django_db(transaction=True)
def test_two_workers_end_one_call_once() -> None:
    budget = make_budget(cap=CAP)
    call_id = take(AMOUNT, over=reach())
    assert call_id is not None

    def end(act: Callable[[UUID], None]) -> Callable[[], None]:
        def work() -> None:
            with transaction.atomic():
                act(call_id)

        return work

    at_once([end(services.settle)] * 4 + [end(services.release)] * 4)

    counter = counter_of(budget)
    assert (counter.settled, counter.reserved) in ((AMOUNT, 0), (0, 0))
    check_ledger()


@pytest.mark.django_db(transaction=True)
def test_a_budget_holds_for_calls_decided_after_it_was_set(writer: Robot, erp: FakeErp) -> None:
    stop = threading.Event()

    def call_without_pause(client: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            writer.call("1.00", key=f"{client}-{number}")
        connections.close_all()

    threads = [threading.Thread(target=call_without_pause, args=(client,)) for client in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    make_budget(cap=0)
    count_when_set = executed()
    time.sleep(0.4)
    stop.set()
    for thread in threads:
        thread.join()

    assert count_when_set > 0
    assert executed() == count_when_set


def executed() -> int:
    return ToolCall.objects.exclude(executing_at=None).count()


@pytest.mark.django_db
def test_an_unknown_amount_is_not_nothing() -> None:
    over = reach()
    budget = make_budget(cap=CAP)
    unknown = Charge(uuid7(), uuid7(), None, moves_money=True)

    with pytest.raises(BudgetRefusal) as refusal:
        services.reserve(unknown, budgets_over(over))
    make_budget(cap=CAP, estimate=700_00)
    services.reserve(unknown, budgets_over(over))

    assert refusal.value.code == "budget.unknown_cost"
    assert counter_of(budget).reserved == 700_00


@pytest.mark.django_db
def test_an_unknown_report_counts_as_the_estimate_and_closes_the_budget(writer: Robot) -> None:
    over = reach()
    budget = make_budget(cap=1_000, measure=Measure.TOKENS, estimate=600)
    services.record_usage(actor=writer.actor, agent=writer.agent, key="a", tokens=None)
    services.record_usage(actor=writer.actor, agent=writer.agent, key="a", tokens=None)
    services.record_usage(actor=writer.actor, agent=writer.agent, key="b", tokens=None)

    counter = counter_of(budget)
    assert (counter.settled, counter.overrun) == (1_000, 200)
    with pytest.raises(BudgetRefusal):
        services.reserve(Charge(uuid7(), uuid7(), None, moves_money=False), budgets_over(over))
    check_ledger()


AMOUNTS = st.integers(0, 60)


class LedgerMachine(RuleBasedStateMachine):
    """Any order of reserving, changing, settling for more or less, releasing, and moving the cap, each act now and then
    repeated. A model of plain sums says what must come of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.point = transaction.savepoint()
        self.budget: Budget = make_budget(cap=100)
        self.over = reach()
        self.held: dict[UUID, int] = {}
        self.ended: list[UUID] = []
        self.used = 0

    @property
    def room(self) -> int:
        return self.budget.cap - self.used - sum(self.held.values())

    def charge(self, call_id: UUID, minor: int) -> Charge:
        return Charge(call_id, call_id, Money(minor, "EUR"), moves_money=True)

    def tried(self, act: Callable[[], Any]) -> bool:
        try:
            with transaction.atomic():
                act()
        except BudgetRefusal:
            return False
        return True

    @rule(minor=AMOUNTS)
    def reserve(self, minor: int) -> None:
        call_id, room = uuid7(), self.room
        done = self.tried(lambda: services.reserve(self.charge(call_id, minor), [self.budget]))
        assert done == (minor <= room)
        if done:
            self.held[call_id] = minor

    @rule(minor=AMOUNTS, data=st.data())
    def change(self, minor: int, data: st.DataObject) -> None:
        if not self.held:
            return
        call_id = data.draw(st.sampled_from(sorted(self.held)))
        more = minor - self.held[call_id]
        done = self.tried(lambda: services.reserve_again(self.charge(call_id, minor), [self.budget]))
        assert done == (more <= 0 or more <= self.room)
        if done:
            self.held[call_id] = minor

    @rule(actual=st.none() | AMOUNTS, times=st.integers(1, 2), data=st.data())
    def settle(self, actual: int | None, times: int, data: st.DataObject) -> None:
        if not self.held:
            return
        call_id = data.draw(st.sampled_from(sorted(self.held)))
        for _ in range(times):
            services.settle(call_id, actual)
        reserved = self.held.pop(call_id)
        self.used += reserved if actual is None else actual
        self.ended.append(call_id)

    @rule(times=st.integers(1, 2), data=st.data())
    def release(self, times: int, data: st.DataObject) -> None:
        if not self.held:
            return
        call_id = data.draw(st.sampled_from(sorted(self.held)))
        for _ in range(times):
            services.release(call_id)
        del self.held[call_id]
        self.ended.append(call_id)

    @rule(data=st.data())
    def end_again(self, data: st.DataObject) -> None:
        """News that comes late changes nothing."""
        if self.ended:
            call_id = data.draw(st.sampled_from(self.ended))
            services.release(call_id)
            services.settle(call_id)

    @rule(cap=st.integers(0, 150))
    def set_cap(self, cap: int) -> None:
        self.budget = make_budget(cap=cap)

    @invariant()
    def the_ledger_is_what_the_model_says(self) -> None:
        check_ledger()
        period = BudgetPeriod.objects.filter(budget=self.budget).first()
        if period is not None:
            assert period.reserved == sum(self.held.values())
            assert period.settled + period.overrun == self.used
            rows = period.reservations.filter(state=ReservationState.RESERVED)
            assert {row.source_id for row in rows} == set(self.held)

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.point)


@pytest.mark.django_db
def test_any_order_of_acts_leaves_the_ledger_true() -> None:
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
