"""The loop every agent runs: read the feed and the tray, take the case that is due, work one turn of it.

The feed and the trays only say that there is something to do. What it is about is read, and everything is done, through
the console.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from examples.order_to_cash.agents.case import Case, GivenUp, Parked
from examples.order_to_cash.agents.console_client import Console, Credentials, Later, Refused
from examples.order_to_cash.agents.handovers import Trays
from examples.order_to_cash.agents.store import CaseRow, CaseState, Store

Event = dict[str, Any]
NewCase = tuple[str, dict[str, Any]]

FEED_PAGE = 500
FEED_TIMEOUT_SECONDS = 10.0
LONG_POLL_SECONDS = 25
PAUSE_AFTER_BUG_SECONDS = 60.0


@dataclass(frozen=True)
class Agent:
    """What tells one agent from another."""

    slug: str
    work: Callable[[Case], None]
    event_type: str | None = None
    cases_of: Callable[[Sequence[Event]], list[NewCase]] = lambda events: [_case_of(event) for event in events]
    takes_handovers: bool = False
    keeps_handovers: bool = False
    """A tray that is a notice board: documents stay until their giver takes them back."""


class Runner:
    """One agent at work: a main thread that listens and several that work."""

    def __init__(self, agent: Agent, options: argparse.Namespace) -> None:
        self._agent = agent
        self._poll_seconds: float = options.poll
        self._worker_count: int = options.workers
        self._is_once: bool = options.once
        self._store = Store(options.state)
        self._trays = Trays(options.handovers or options.state.parent / "handovers")
        self._console = Console(options.console, Credentials.read(options.credentials, agent.slug))
        self._feed = httpx.Client(base_url=options.feed, timeout=FEED_TIMEOUT_SECONDS, trust_env=False)
        self._long_poll = threading.BoundedSemaphore(1)  # the console keeps few seats for waiting requests
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop; with --once until all that is left waits for people and no thread works any more."""
        self._store.wake()
        workers = [threading.Thread(target=self._work_turns, daemon=True) for _ in range(self._worker_count)]
        for worker in workers:
            worker.start()
        while not self._stop.is_set():
            has_news = self._listen()
            if self._is_once and not has_news and not self._store.count(CaseState.OPEN):
                self._lay_down_work(workers)
            elif not has_news:
                self._stop.wait(self._poll_seconds)

    def _lay_down_work(self, workers: Sequence[threading.Thread]) -> None:
        """Stop, and return when the last turn is over: a case belongs to one agent's process at a time."""
        self._stop.set()
        self._store.call_together()
        for worker in workers:
            worker.join()

    def _listen(self) -> bool:
        """Take in what is new; a feed that does not answer is asked again at the next round."""
        try:
            return self._read_feed() + self._read_tray() > 0
        except (httpx.HTTPError, ValueError) as problem:
            self._say(f"the feed does not answer: {problem or type(problem).__name__}")
            return False

    def _read_feed(self) -> int:
        if self._agent.event_type is None:
            return 0
        after = self._store.mark("feed", "0")
        query: dict[str, str | int] = {"after": after, "limit": FEED_PAGE, "type": self._agent.event_type}
        answer = self._feed.get("/events", params=query).raise_for_status().json()
        if not answer["items"]:
            return 0
        return self._store.add_cases(self._agent.cases_of(answer["items"]), mark=("feed", str(answer["next"])))

    def _read_tray(self) -> int:
        if not self._agent.takes_handovers:
            return 0
        documents = list(self._trays.documents(self._agent.slug))
        if not documents:
            return 0
        added = self._store.add_cases([(document["id"], document) for document in documents])
        if not self._agent.keeps_handovers:
            for document in documents:
                self._trays.remove(self._agent.slug, document["id"])
        return added

    def _work_turns(self) -> None:
        while not self._stop.is_set():
            row = self._store.take()
            if row is not None:
                self._work_turn(row)

    def _work_turn(self, row: CaseRow) -> None:
        """One turn of one case. Whatever happens, the case is given back."""
        try:
            case = Case(row, store=self._store, console=self._console, trays=self._trays, patience=self._lend_patience)
            self._work_to_an_end(case)
        except Parked as parked:
            self._store.park(row.id, parked.seconds, is_waiting=parked.is_waiting)
        except Later as later:
            self._say(f"{row.id}: again in {later.seconds:.0f} s, {later}")
            self._store.park(row.id, later.seconds, is_waiting=False)
        except Exception:  # a bug in one case must not stop the others
            traceback.print_exc()
            self._store.park(row.id, PAUSE_AFTER_BUG_SECONDS, is_waiting=False)

    def _work_to_an_end(self, case: Case) -> None:
        try:
            self._agent.work(case)
        except (GivenUp, Refused) as reason:
            self._say(f"{case.id}: given up, {reason}")
            self._close_run_of(case)
            self._store.end(case.id, CaseState.FAILED, str(reason))
        else:
            self._store.end(case.id, CaseState.DONE)

    def _close_run_of(self, case: Case) -> None:
        try:
            case.end_run("failed")
        except Refused as reason:
            self._say(f"{case.id}: its run stays open, {reason}")

    @contextmanager
    def _lend_patience(self) -> Iterator[int]:
        """One thread may sit and wait for one call, as long as another is left for the rest."""
        may_sit = self._worker_count > 1 and not self._is_once
        has_seat = may_sit and self._long_poll.acquire(blocking=False)
        try:
            yield LONG_POLL_SECONDS if has_seat else 0
        finally:
            if has_seat:
                self._long_poll.release()

    def _say(self, sentence: str) -> None:
        print(f"{self._agent.slug}: {sentence}", flush=True)


def _case_of(event: Event) -> NewCase:
    case_id = f"{event['invoice_id']}/{event['type']}/{event['id']}"
    return case_id, {"invoice_id": event["invoice_id"], "event_id": event["id"]}


def read_options(
    agent: Agent, arguments: Sequence[str] | None = None, *, workers: int = 2, poll: float = 1.0
) -> argparse.Namespace:
    """The command line every agent has."""
    parser = argparse.ArgumentParser(prog=agent.slug, description=sys.modules[agent.work.__module__].__doc__)
    parser.add_argument("--console", required=True, metavar="URL")
    parser.add_argument("--credentials", type=Path, required=True, metavar="FILE", help="client_id and client_secret")
    parser.add_argument("--feed", required=True, metavar="URL", help="the ERP, for its open feed of events alone")
    parser.add_argument("--state", type=Path, required=True, metavar="FILE", help="what the agent remembers")
    parser.add_argument("--handovers", type=Path, metavar="DIR", help="trays of the mesh; beside the state by default")
    parser.add_argument("--workers", type=int, default=workers, metavar="N")
    parser.add_argument("--poll", type=float, default=poll, metavar="SECONDS", help="how often feed and tray are read")
    parser.add_argument("--once", action="store_true", help="end when only people are waited for")
    return parser.parse_args(arguments)


def main(agent: Agent, *, workers: int = 2, poll: float = 1.0) -> None:
    """Run one agent as a program until SIGTERM or SIGINT."""
    options = read_options(agent, workers=workers, poll=poll)
    runner = Runner(agent, options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    runner.run()
    sys.stdout.flush()
    # Threads may sit in long polls for half a minute; all that counts is committed already.
    os._exit(0)
