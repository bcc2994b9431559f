"""Carrying the replay of a run out: a chunk of calls in their order, one worker at a time.

Whoever works holds the lock of the replay's row and commits steps, counts and place together: of a worker that was
killed nothing is left, and the next one goes on where it was. No lock is taken that a call takes, no connector asked.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Q

from apps.core import clock, outbox
from apps.gateway.models import CallState, Decision, DecisionMoment, ToolCall
from apps.policies.detectors import installed
from apps.policies.evaluation import LoadedRelease
from apps.policies.queries import active_releases
from apps.registry.models import Environment, Tool
from apps.replays.comparing import Again, Present, Stored, decide_again, money_then, told
from apps.replays.events import RunReplayEnded
from apps.replays.models import OPEN_STATES, ReplayState, RunReplay, RunReplayStep, Under
from apps.replays.queries import Beside, candidate_in
from apps.replays.services.running import STALLED
from apps.replays.steps import Recorded, step_of
from apps.replays.telling import ACTOR, record_run_replay

# A few tenths of a second; what calls wait for has its turn between two of them.
CHUNK_SIZE = 200
SENT_AND_DONE = (CallState.SUCCEEDED, CallState.COMPENSATED)


def advance_run_replay(replay_id: UUID) -> bool:
    """Do one chunk of it. True while there is more. Safe to call anywhere, any number of times."""
    try:
        with transaction.atomic():
            replay = _held(replay_id)
            return replay is not None and _do_chunk(replay)
    except DatabaseError:
        raise  # it is tried again
    except Exception as error:
        _fail(replay_id, error)
        raise


def run_replays_to_advance() -> list[UUID]:
    """Those that nobody has moved for a while: their worker was killed, or their task was lost."""
    stalled = RunReplay.objects.filter(state__in=OPEN_STATES, moved_at__lt=clock.now() - STALLED)
    return list(stalled.order_by("id").values_list("id", flat=True))


def _held(replay_id: UUID) -> RunReplay | None:
    """None where somebody is at it, or it has ended."""
    replays = RunReplay.objects.select_for_update(of=("self",), skip_locked=True)
    parts = ("run__process", "draft_version__draft__policy_set")
    return replays.select_related(*parts).filter(id=replay_id, state__in=OPEN_STATES).first()


def _do_chunk(replay: RunReplay) -> bool:
    calls = _next_calls(replay)
    steps = _steps(replay, calls) if calls else []
    RunReplayStep.objects.bulk_create(steps)
    for step in steps:
        replay.tally[step.kind] = replay.tally.get(step.kind, 0) + 1
    replay.done_count += len(calls)
    replay.done_to = calls[-1].id if calls else replay.done_to
    replay.state, replay.moved_at = ReplayState.RUNNING, clock.now()
    is_more = len(calls) == CHUNK_SIZE
    if not is_more:
        _end(replay, ReplayState.DONE)
    replay.save(
        update_fields=[
            "tally",
            "done_count",
            "done_to",
            "state",
            "moved_at",
            "parted_at",
            "ended_at",
            "total_count",
        ]
    )
    return is_more


def _next_calls(replay: RunReplay) -> list[ToolCall]:
    calls = ToolCall.objects.filter(run_id=replay.run_id).select_related("result").defer("result__salt")
    after = Q(id__gt=replay.done_to) if replay.done_to else Q()
    return list(calls.filter(after).order_by("id")[:CHUNK_SIZE])


def _steps(replay: RunReplay, calls: Sequence[ToolCall]) -> list[RunReplayStep]:
    asked = Decision.objects.filter(tool_call__in=calls, moment=DecisionMoment.INTAKE).select_related("input")
    decisions = {decision.tool_call_id: decision for decision in asked}
    policies = _Policies(replay)
    present = Present(dict(Tool.objects.values_list("name", "definition_digest")), installed())
    ended = _ended_as(replay, calls)
    steps = []
    for position, call in enumerate(calls, start=replay.done_count + 1):
        decision = decisions.get(call.id)
        again = _again(call, decision, policies, present) if decision is not None else None
        undone = ended.get(call.compensates_id) if call.compensates_id else None
        recorded = _recorded(call, is_undoing_nothing=undone is not None and undone not in SENT_AND_DONE)
        step = step_of(recorded, again, is_known=replay.is_known)
        ended[call.id] = step.state
        if replay.is_known and not step.goes_on:
            replay.parted_at = position
        verdict = again.verdict if again is not None else None
        steps.append(
            RunReplayStep(
                replay=replay,
                position=position,
                tool_call=call,
                decision=decision,
                kind=step.kind,
                cause=step.cause,
                outcome_after=verdict.outcome if verdict else "",
                state_after=step.state,
                error_after=step.error_code,
                after=told(verdict) if verdict and step.cause else {},
            )
        )
    return steps


def _ended_as(replay: RunReplay, calls: Sequence[ToolCall]) -> dict[UUID, str]:
    """How what these calls undo has ended here, as far as it is of this run."""
    undone = [call.compensates_id for call in calls if call.compensates_id]
    return dict(replay.steps.filter(tool_call__in=undone).values_list("tool_call_id", "state_after")) if undone else {}


def _recorded(call: ToolCall, *, is_undoing_nothing: bool) -> Recorded:
    is_erased = call.result is not None and call.result.body is None
    return Recorded(
        state=call.state,
        error_code=call.error_code,
        was_sent=call.executing_at is not None,
        is_as_asked=call.version == 1,
        has_answer=call.state in (*SENT_AND_DONE, CallState.FAILED) and not is_erased,
        is_undoing_nothing=is_undoing_nothing,
    )


def _again(call: ToolCall, decision: Decision, policies: "_Policies", present: Present) -> Again:
    body = decision.input.body
    stored = Stored(
        decision.id,
        call.id,
        call.process_id,
        decision.outcome,
        decision.obligations,
        bool(decision.errors),
        None if body is None else bytes(body),
        money_then(call.version, call.money_minor, call.currency),
    )
    return decide_again(stored, policies.for_decision(decision), present)


class _Policies:
    """Under what each decision is made again."""

    def __init__(self, replay: RunReplay) -> None:
        self._beside: Beside | None = None
        self._active: tuple[LoadedRelease, ...] = ()
        version = replay.draft_version
        if version is not None:
            self._beside = Beside(candidate_in(version, policy_set=version.draft.policy_set.slug))
        elif replay.under == Under.THEN:
            self._beside = Beside()
        else:
            environment = Environment.SANDBOX if replay.under == Under.SANDBOX else replay.run.environment
            self._active = active_releases(process_id=replay.run.process_id, environment=environment)

    def for_decision(self, decision: Decision) -> tuple[LoadedRelease, ...] | None:
        return self._active if self._beside is None else self._beside.releases(decision.releases)


def _end(replay: RunReplay, state: ReplayState) -> None:
    """The caller holds the replay's lock, and saves it."""
    replay.state, replay.ended_at, replay.total_count = state, clock.now(), replay.done_count
    record_run_replay(ACTOR, "ended", replay)
    outbox.add(RunReplayEnded(str(replay.id), str(replay.run_id), replay.state))


def _fail(replay_id: UUID, error: Exception) -> None:
    with transaction.atomic():
        replay = _held(replay_id)
        if replay is not None:
            replay.failure = f"It could not go on: {type(error).__name__}."
            _end(replay, ReplayState.FAILED)
            replay.save(update_fields=["state", "ended_at", "total_count", "failure"])
