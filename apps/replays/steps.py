"""What becomes of one call of a run when it is replayed: decided again, and answered from the record. Pure.

Nothing is sent anywhere. What another decision leads to is told as far as the record says it, and no further.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models

from apps.gateway.models import CallState, Outcome
from apps.replays.comparing import Again
from apps.replays.kinds import REASONS, Kind


class StepKind(models.TextChoices):
    SAME = "same", "The same"
    TAKEN = "taken", "Taken from the record"
    OTHERWISE = "otherwise", "Decided otherwise"
    NOT_ASKED = "not-asked", "Would not have been asked for"
    NO_ANSWER = "no-answer", "No recorded answer"
    NOT_REPLAYED = "not-replayed", "Could not be decided again"
    NOT_KNOWN = "not-known", "Not known"


SENTENCES = {
    StepKind.SAME: "Decided as it was then, and answered from the record.",
    StepKind.TAKEN: "A halt or a budget turned it away. Those are not replayed, so it is taken as it was.",
    StepKind.OTHERWISE: "Decided otherwise.",
    StepKind.NOT_ASKED: "It would not have been asked for.",
    StepKind.NO_ANSWER: "It would have been sent, and there is no recorded answer.",
    StepKind.NOT_REPLAYED: "It could not be decided again.",
    StepKind.NOT_KNOWN: "Nobody knows whether it would have been asked for.",
}
# The rest of the run as it was rests on an answer that was not the one given here.
ENDS_HERE = "Everything after it is not known."


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the record says of a call: how it was answered, and whether that answer is still there to give again.
    `is_undoing_nothing`: it undoes a call that would not have happened.
    """

    state: str
    error_code: str
    was_sent: bool
    is_as_asked: bool
    has_answer: bool
    is_undoing_nothing: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """`cause` is the kind of difference in the decision, or why there is none to compare. `goes_on`: what came after it
    still follows from what its agent would have been told.
    """

    kind: StepKind
    goes_on: bool
    cause: str = ""
    state: str = ""
    error_code: str = ""


def step_of(recorded: Recorded, again: Again | None, *, is_known: bool) -> Step:
    """`again` is its decision made again, None where there was none; `is_known` whether it would have been asked."""
    cause = again.kind.value if again is not None and again.kind is not None else ""
    if not is_known:
        return Step(StepKind.NOT_KNOWN, goes_on=False, cause=cause)
    if recorded.is_undoing_nothing:
        return Step(StepKind.NOT_ASKED, goes_on=True, cause=cause)
    if again is None:
        return Step(StepKind.TAKEN, goes_on=True, state=recorded.state, error_code=recorded.error_code)
    if again.kind == Kind.TOOL_GONE:
        return Step(StepKind.NOT_ASKED, goes_on=False, cause=cause)
    if again.kind in REASONS or again.verdict is None:
        return Step(StepKind.NOT_REPLAYED, goes_on=False, cause=cause)
    if again.kind is None:
        return Step(StepKind.SAME, goes_on=True, state=recorded.state, error_code=recorded.error_code)
    return _otherwise(recorded, again.verdict.outcome, again.verdict.code, cause)


def _otherwise(recorded: Recorded, outcome: str, code: str, cause: str) -> Step:
    if outcome == Outcome.DENY:
        return Step(StepKind.OTHERWISE, goes_on=False, cause=cause, state=CallState.DENIED, error_code=code or "denied")
    if outcome == Outcome.REQUIRE_APPROVAL:
        # what people would have said is on no record
        return Step(StepKind.OTHERWISE, goes_on=False, cause=cause, state=CallState.AWAITING_APPROVAL)
    # with other arguments than those that were sent its system would have answered something else
    if recorded.was_sent and recorded.is_as_asked and recorded.has_answer:
        return Step(StepKind.OTHERWISE, goes_on=True, cause=cause, state=recorded.state, error_code=recorded.error_code)
    return Step(StepKind.NO_ANSWER, goes_on=False, cause=cause)


def sentence_of(kind: str, cause: str, state: str) -> str:
    """What is said of a step on its page and to programs."""
    named = Kind(cause).label if cause else ""
    said = SENTENCES[StepKind(kind)]
    if kind == StepKind.OTHERWISE:
        said = f"Decided otherwise: {named}."
        if state == CallState.DENIED:
            return f"{said} What its agent would have done then is on no record. {ENDS_HERE}"
        if state == CallState.AWAITING_APPROVAL:
            return f"{said} What people would have said is on no record. {ENDS_HERE}"
        return f"{said} Its answer is that of the record."
    if kind == StepKind.NOT_ASKED:
        return f"{said} Its tool is gone. {ENDS_HERE}" if cause else f"{said} What it undoes would not have happened."
    if kind == StepKind.NOT_REPLAYED:
        return f"{said} {named}. {ENDS_HERE}"
    if kind == StepKind.NO_ANSWER:
        return f"{said} {ENDS_HERE}"
    if kind == StepKind.NOT_KNOWN:
        then = f"this would be different: {named}" if cause else "it would be decided as it was"
        return f"{said} If it were, {then}."
    return said
