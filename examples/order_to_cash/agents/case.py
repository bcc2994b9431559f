"""One piece of work, written as straight-line code and carried out in turns.

`Agent.work(case)` runs from its top at every turn. A step that is finished answers from the store at once; one that is
not asks the console, and when the answer is not there yet the turn ends with `Parked` and the thread is free for other
cases. So hundreds of cases wait for people at the price of a row each, and a killed agent goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

from examples.order_to_cash.agents.console_client import Console, ToolCall
from examples.order_to_cash.agents.handovers import Trays
from examples.order_to_cash.agents.store import CaseRow, CaseState, Step, Store

PROCESS = "order-to-cash"
RETRYABLE_STATES = frozenset({"failed", "halted", "invalidated"})
PERMANENT_ERRORS = frozenset({"connector.refused", "connector.not_configured", "connector.private_address"})
LAST_ATTEMPT = 40  # with the pauses below about ten minutes of a system being down
FIRST_PAUSE_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 15.0
POLLS_PER_SECOND = 10  # all of one agent's waiting calls together
UNKNOWN_PAUSE_SECONDS = 30.0


class Parked(Exception):
    """This turn is over; look again after so many seconds."""

    def __init__(self, seconds: float, *, is_waiting: bool = False) -> None:
        super().__init__(f"parked for {seconds:.1f} s")
        self.seconds = seconds
        self.is_waiting = is_waiting


class GivenUp(Exception):
    """The work cannot be finished; the sentence says why."""


Patience = Callable[[], AbstractContextManager[int]]
"""Lends out how many seconds a turn may sit and wait for one call; 0 when other cases need the thread."""


@dataclass(frozen=True)
class Answer:
    """Another version of a call, for the person who asked for one. `statement` is what is said about it anew."""

    arguments: dict[str, Any]
    statement: dict[str, Any]


Reviser = Callable[[ToolCall], Answer | None]
"""What to answer when a person asks for changes; None when nothing else can be justified."""


class Case:
    """One piece of work during one turn."""

    def __init__(self, row: CaseRow, *, store: Store, console: Console, trays: Trays, patience: Patience) -> None:
        self.id = row.id
        self.document = row.document
        self.trays = trays
        self.store = store
        self.run_id: str | None = row.document.get("run_id")
        self._console = console
        self._patience = patience
        self._steps = store.steps(row.id)

    def open_run(self, title: str) -> str:
        """Open the run all later calls belong to. Once per case."""
        business_key = self.document.get("invoice_id", self.id)
        self.run_id = self.once(
            "open_run",
            lambda: self._console.open_run(
                title=title, business_key=business_key, process=PROCESS, idempotency_key=f"{self.id}/run"
            ),
        )
        return str(self.run_id)

    def end_run(self, state: str) -> None:
        if self.run_id:
            run_id = self.run_id
            self.once("end_run", lambda: self._console.end_run(run_id, state))

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        """What `work` gave the first time. Killed inside it, the agent runs it again, so it must bear that."""
        known = self._steps.get(name)
        if known is None:
            known = Step(outcome=work())
            self._save(name, known)
        return known.outcome

    def read(self, tool: str, arguments: dict[str, Any], key: str) -> dict[str, Any]:
        """The answer of a tool that reads. GivenUp when there is none to be had."""
        call = self.call(tool, arguments, key)
        if call.state != "succeeded" or not isinstance(call.result, dict):
            raise GivenUp(f"{tool}: {call.sentence}")
        return call.result

    def tell(self, tool: str, arguments: dict[str, Any], key: str) -> None:
        """Write a remark. One whose outcome stays unknown is left at that: a second one would only confuse."""
        self.call(tool, arguments, key, unknown_is_an_end=True)

    def call(
        self,
        tool: str,
        arguments: dict[str, Any],
        key: str,
        *,
        unknown_is_an_end: bool = False,
        on_waiting: Callable[[ToolCall], None] | None = None,
        on_changes: Reviser | None = None,
        **statement: Any,
    ) -> ToolCall:
        """The call once it has ended. `key` names the business fact, and with it the call, for good.

        A failed, halted or invalidated call certainly had no effect; it is asked for again under the key's next number.
        `on_waiting` is told once when people are asked, and may be told twice when the agent is killed just then. When
        a person asks for changes, `on_changes` has the answer; without one the call is taken back.
        """
        step = self._steps.get(key, Step())
        if step.outcome is not None:
            return ToolCall(**step.outcome)
        waited = 0
        if step.call_id is None:
            numbered = f"{key}/{step.attempt + 1}" if step.attempt else key
            call = self._console.request_call(tool, arguments, numbered, self.run_id, **statement)
        else:
            with self._patience() as waited:
                call = self._console.read_call(step.call_id, waited)
        if call.state == "awaiting_approval" and step.call_id is None and on_waiting:
            on_waiting(call)
        if call.is_asked_to_change:
            call = self._answer_changes(call, on_changes)
        if call.is_pending:
            self._wait_for(key, step, call, has_waited=waited > 0)
        if call.state == "outcome_unknown" and not unknown_is_an_end:
            self._save(key, replace(step, call_id=call.id))
            raise Parked(UNKNOWN_PAUSE_SECONDS)
        if call.state in RETRYABLE_STATES and step.attempt < LAST_ATTEMPT and not _is_permanent(call):
            self._save(key, Step(attempt=step.attempt + 1))
            raise Parked(_pause(step.attempt))
        self._save(key, replace(step, call_id=call.id, outcome=asdict(call)))
        return call

    def _answer_changes(self, call: ToolCall, on_changes: Reviser | None) -> ToolCall:
        """Killed in here, the agent finds the call waiting for people again or ended, and goes on from there."""
        answer = on_changes(call) if on_changes else None
        if answer is None:
            return self._console.cancel_call(str(call.id))
        return self._console.answer_changes(str(call.id), answer.arguments, **answer.statement)

    def _wait_for(self, key: str, step: Step, call: ToolCall, *, has_waited: bool) -> None:
        self._save(key, replace(step, call_id=call.id, polls=step.polls + 1))
        is_waiting = call.state == "awaiting_approval"
        crowd = self.store.count(CaseState.WAITING) / POLLS_PER_SECOND if is_waiting else 0
        pause = FIRST_PAUSE_SECONDS if has_waited else max(_pause(step.polls), crowd)
        raise Parked(call.retry_after or pause, is_waiting=is_waiting)

    def _save(self, name: str, step: Step) -> None:
        self.store.save_step(self.id, name, step)
        self._steps[name] = step


def _pause(times: int) -> float:
    """Pauses that double up to a ceiling."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(times, 10))


def _is_permanent(call: ToolCall) -> bool:
    """Whether the business system refused the request itself, so that asking again cannot help."""
    return call.error is not None and call.error.get("code") in PERMANENT_ERRORS
