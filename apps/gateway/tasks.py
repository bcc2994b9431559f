"""Celery entries of the gateway: an id in, one service call."""

from uuid import UUID

from celery import shared_task

from apps.gateway import services


@shared_task
def release_tool_call(call_id: str) -> None:
    """The one behind it in the queue of its system follows at once, and not with the next sweep."""
    behind = services.release_tool_call(UUID(call_id))
    if behind is not None:
        release_tool_call.delay(str(behind))


@shared_task
def recover_tool_call(call_id: str) -> None:
    services.recover_tool_call(UUID(call_id))


@shared_task
def ask_again(call_id: str) -> None:
    services.ask_again(UUID(call_id))


@shared_task
def advance_unwinds(call_id: str) -> None:
    services.advance_unwinds(UUID(call_id))


@shared_task
def advance_unwind(unwind_id: str) -> None:
    services.advance_unwind(UUID(unwind_id))


@shared_task
def recover_tool_calls() -> None:
    """Every second: calls past their deadline, calls whose release was lost or waited for a halt, calls whose system is
    back or is to be tried, stops whose news was lost, questions that nobody has put yet, unwinds whose next step is
    due.
    """
    for call_id in services.overdue_calls():
        recover_tool_call.delay(str(call_id))
    for call_id in services.resolved_but_parked_calls():
        release_tool_call.delay(str(call_id))
    for call_id in services.calls_to_let_go():
        release_tool_call.delay(str(call_id))
    for halt_id in services.stops_to_carry_out():
        end_calls_under.delay(str(halt_id))
    for call_id in services.questioned_calls():
        ask_again.delay(str(call_id))
    for unwind_id in services.waiting_unwinds():
        advance_unwind.delay(str(unwind_id))


@shared_task
def keep_clocks() -> None:
    """On news of a halt, and every few seconds for halts that run out and news that was lost."""
    services.keep_clocks()


@shared_task
def end_calls_of_run(run_id: str) -> None:
    services.end_calls_of_run(UUID(run_id))


@shared_task
def end_calls_under(halt_id: str) -> None:
    services.end_calls_under(UUID(halt_id))
