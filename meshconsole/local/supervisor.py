"""Keeps programs running: starts them in order, starts again what ends, stops them in the reverse order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from meshconsole.local.stopping import StopRequest
from meshconsole.local.terminal import Trouble

LOOK_EVERY_SECONDS = 0.2
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 15.0
# Whoever ran this long and then ended is not failing at its start: its next wait is the first one again.
SETTLED_SECONDS = 10.0


class Member(Protocol):
    """What the supervisor keeps: a child or a store."""

    name: str

    def start(self) -> None: ...

    def exit_code(self) -> int | None: ...

    def ask_to_stop(self) -> None: ...

    def finish(self) -> None: ...


@dataclass
class _Kept:
    member: Member
    failures: int = 0
    started_at: float = 0.0
    due_at: float | None = None

    def start(self) -> None:
        self.started_at, self.due_at = time.monotonic(), None
        self.member.start()

    def plan_restart(self) -> float:
        """Sets when to start it again and says in how many seconds that is."""
        settled = time.monotonic() - self.started_at > SETTLED_SECONDS
        self.failures = 0 if settled else self.failures + 1
        wait: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** max(0, self.failures - 1))
        self.due_at = time.monotonic() + wait
        return wait


class Supervisor:
    """One tier after the other up, the same way back down."""

    def __init__(self, stop: StopRequest, say: Callable[[str], None]) -> None:
        self._stop, self._say = stop, say
        self._tiers: list[list[_Kept]] = []

    def start(self, *members: Member) -> None:
        """Starts a tier, remembered before it is started: what fails half-way is stopped like all the rest."""
        tier = [_Kept(member) for member in members]
        self._tiers.append(tier)
        for kept in tier:
            kept.start()

    def wait(self, seconds: float) -> bool:
        """Looks after the members for that long. True as soon as stopping was asked for."""
        deadline = time.monotonic() + seconds
        while not self._stop.wait(min(LOOK_EVERY_SECONDS, max(0.0, deadline - time.monotonic()))):
            self._look()
            if time.monotonic() >= deadline:
                return False
        return True

    def _look(self) -> None:
        for kept in (kept for tier in self._tiers for kept in tier):
            if kept.due_at is None and (code := kept.member.exit_code()) is not None:
                self._restart_later(kept, _how_it_ended(code))
            elif kept.due_at is not None and time.monotonic() >= kept.due_at and not self._stop.is_asked:
                try:
                    kept.start()
                except Trouble as trouble:
                    self._restart_later(kept, f"did not start: {trouble}")

    def failures(self, name: str) -> int:
        """How often in a row a member ended soon after its start."""
        return sum(kept.failures for tier in self._tiers for kept in tier if kept.member.name == name)

    def _restart_later(self, kept: _Kept, why: str) -> None:
        self._say(f"{kept.member.name} {why}; starting it again in {kept.plan_restart():g} s.")

    def stop(self) -> None:
        """Stops all, the last tier first; within a tier all at once. Nothing of them is left when it returns."""
        while self._tiers:
            tier = self._tiers.pop()
            for kept in tier:
                kept.member.ask_to_stop()
            for kept in tier:
                kept.member.finish()


def _how_it_ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
