"""What the replay of a run came to, as people and programs read it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.gateway.stored import sentences_of
from apps.replays.models import ReplayState, RunReplay, RunReplayStep
from apps.replays.steps import StepKind, sentence_of

# How a headline counts them: one, several.
COUNTED = {
    StepKind.SAME: "the same",
    StepKind.TAKEN: "taken from the record",
    StepKind.OTHERWISE: "decided otherwise",
    StepKind.NOT_ASKED: "would not have been asked for",
    StepKind.NO_ANSWER: "without a recorded answer",
    StepKind.NOT_REPLAYED: "could not be decided again",
    StepKind.NOT_KNOWN: "not known",
}
NOT_REPLAYED = (
    "Decisions are made again, one by one, on the input of then. Halts, budgets, rates, grants, breakers and the time "
    "of the run are not: what they did is taken as it was. People do not vote again, and the agent does not run again. "
    "Answers come from the record, and nothing is sent to any system."
)


@dataclass(frozen=True, slots=True)
class RunResult:
    replay: RunReplay

    @property
    def headline(self) -> str:
        """“3 calls: 2 the same, 1 not known.”"""
        done, tally = self.replay.done_count, self.replay.tally
        if not done:
            return ""
        parts = [f"{tally[kind]:,} {words}" for kind, words in COUNTED.items() if tally.get(kind)]
        return f"{done:,} call{'' if done == 1 else 's'}: {', '.join(parts)}."

    @property
    def verdict(self) -> str:
        """Whether the run would have gone as it did."""
        if self.replay.state != ReplayState.DONE:
            return ""
        if self.replay.parted_at is not None:
            return f"It follows what was recorded up to step {self.replay.parted_at}. Behind it nothing is known."
        if set(self.replay.tally) <= {StepKind.SAME, StepKind.TAKEN}:
            return "Each call would have been decided as it was, and the run would have gone as it did."
        return "Something would have been decided otherwise, and all of it can be answered from the record."

    @property
    def percent(self) -> int:
        return min(100, 100 * self.replay.done_count // max(1, self.replay.total_count))

    @property
    def mark(self) -> str:
        """Changes with everything that a page shows of it."""
        return f"{self.replay.state}-{self.replay.done_count}"

    def as_json(self) -> dict[str, Any]:
        replay, version = self.replay, self.replay.draft_version
        return {
            "id": str(replay.id),
            "run_id": str(replay.run_id),
            "under": replay.under,
            "draft_id": str(version.draft_id) if version else None,
            "draft_version": version.number if version else None,
            "state": replay.state,
            "failure": replay.failure,
            "total": replay.total_count,
            "done": replay.done_count,
            "counts": {kind.value: replay.tally.get(kind, 0) for kind in StepKind},
            "known_up_to": replay.parted_at,
            "sentence": " ".join(filter(None, (self.headline, self.verdict))),
            "not_replayed": NOT_REPLAYED,
            "asked_by": replay.asked_by_name,
            "asked_at": rfc3339(replay.asked_at),
            "ended_at": rfc3339(replay.ended_at),
        }


@dataclass(frozen=True, slots=True)
class StepShown:
    """A step with what this reader may see of its call."""

    step: RunReplayStep
    what: str

    @property
    def sentence(self) -> str:
        return sentence_of(self.step.kind, self.step.cause, self.step.state_after)

    @property
    def is_same(self) -> bool:
        return self.step.kind in (StepKind.SAME, StepKind.TAKEN)

    def as_json(self) -> dict[str, Any]:
        step, call, decision = self.step, self.step.tool_call, self.step.decision
        return {
            "position": step.position,
            "kind": step.kind,
            "cause": step.cause or None,
            "sentence": self.sentence,
            "tool_call_id": str(call.id),
            "agent": call.agent.slug,
            "tool": call.tool.name,
            "what": self.what,
            "before": {
                "outcome": decision.outcome if decision else None,
                "obligations": decision.obligations if decision else None,
                "state": call.state,
                "error": call.error_code or None,
            },
            "after": {
                "outcome": step.outcome_after or None,
                "obligations": step.after.get("obligations"),
                "policies": step.after.get("policies"),
                "errors": step.after.get("errors"),
                "state": step.state_after or None,
                "error": step.error_after or None,
            },
        }


def shown_steps(steps: Collection[RunReplayStep], actor: Actor) -> list[StepShown]:
    """As this actor reads them: one query for what their calls do."""
    said = sentences_of([step.tool_call for step in steps], actor)
    return [StepShown(step, said[step.tool_call_id]) for step in steps]
