"""Releases are swapped while calls are decided: no call is lost, and none is decided by releases that were never active
together.
"""

import itertools
import threading
import time
from dataclasses import dataclass

import pytest
from django.db import transaction

from apps.core.actor import system_actor
from apps.gateway.models import Decision
from apps.policies.models import ActiveRelease
from apps.policies.services import publish_release
from apps.registry.models import Process
from tests.conftest import at_once
from tests.policies.reviewing import SET

pytestmark = pytest.mark.django_db(transaction=True)
CALLERS, SECONDS = 8, 5.0
SETUP = system_actor("tests")
# In even rounds calls are allowed, in odd ones the process forbids them; the global set says the round alone.
RULE = '@id("round-{n}") @says("Round {n}")\n{effect} (principal, action, resource in Connector::"erp");\n'
MARK = '@id("mark-{n}") @says("Mark {n}")\nforbid (principal, action, resource) when {{ context.run.calls < -{n} }};\n'


@dataclass(frozen=True, slots=True)
class Made:
    """One call: the rounds that were committed before it began and after it was answered."""

    key: str
    status: int
    state: str
    before: int
    after: int


def test_each_call_is_decided_by_a_pair_that_was_active_within_it(writer):
    process = Process.objects.get(slug=SET)
    rounds = itertools.count(1)
    committed, over = [0], threading.Event()

    def swap() -> int:
        """Both sets in one transaction, so that one of them alone is never active with the other's last."""
        number = next(rounds)
        effect = "forbid" if number % 2 else "permit"
        with transaction.atomic():
            for name, owner, text in (
                ("global", None, MARK.format(n=number)),
                (SET, process, RULE.format(n=number, effect=effect)),
            ):
                publish_release(
                    policy_set=name,
                    process=owner,
                    text=text,
                    parameters={},
                    environments=["production"],
                    actor=SETUP,
                )
        committed[0] = number
        return number

    swap()
    swap()
    first = {row.policy_set.slug: row.release.version - 2 for row in _active()}

    def call(caller: int) -> list[Made]:
        made = []
        for number in itertools.count():
            if over.is_set():
                return made
            before, key = committed[0], f"call-{caller}-{number}"
            answer = writer.call("180.00", key=key)
            made.append(Made(key, answer.status_code, answer.json().get("state", ""), before, committed[0]))
        return made

    def swapper() -> int:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            last = swap()
        over.set()
        return last

    last, *callers = at_once([swapper, *(lambda caller=caller: call(caller) for caller in range(CALLERS))])
    made = {each.key: each for calls in callers for each in calls}
    decisions = Decision.objects.filter(tool_call__idempotency_key__in=made).select_related("tool_call")
    assert last > 5
    assert len(made) > CALLERS
    assert decisions.count() == len(made)
    seen = set()
    for decision in decisions:
        each = made[decision.tool_call.idempotency_key]
        versions = {release["set"]: release["version"] - first[release["set"]] for release in decision.releases}
        number = versions[SET]
        assert versions == {"global": number, SET: number}, "releases that were never active together"
        # a swap is noted down a moment after it is committed
        assert each.before <= number <= each.after + 1
        allowed = number % 2 == 0
        assert decision.errors == []
        assert [policy["id"] for policy in decision.policies] == [f"round-{number}"]
        assert (each.status, each.state) == ((200, "succeeded") if allowed else (403, "denied"))
        seen.add(number)
    assert len(seen) > 2


def _active() -> list[ActiveRelease]:
    return list(ActiveRelease.objects.filter(environment="production").select_related("policy_set", "release"))
