"""The acts of the gateway."""

from apps.gateway.services.asking_again import ask_again, questioned_calls
from apps.gateway.services.cancellation import cancel_tool_call, end_calls_of_run, end_calls_under, stops_to_carry_out
from apps.gateway.services.clocks import keep_clocks
from apps.gateway.services.compensation import compensate_tool_call
from apps.gateway.services.editing import EditOutcome, edit_tool_call, refusal_of_edit
from apps.gateway.services.intake import Intake, preview_tool_call, request_tool_call
from apps.gateway.services.recovery import overdue_calls, recover_tool_call, resolved_but_parked_calls
from apps.gateway.services.release import release_tool_call
from apps.gateway.services.resolving import resolve_tool_call
from apps.gateway.services.revealing import reveal_payload
from apps.gateway.services.revision import Revision, revise_tool_call
from apps.gateway.services.sending import calls_to_let_go
from apps.gateway.services.unwinding import advance_unwind, advance_unwinds, unwind_run, waiting_unwinds

__all__ = [
    "EditOutcome",
    "Intake",
    "Revision",
    "advance_unwind",
    "advance_unwinds",
    "ask_again",
    "calls_to_let_go",
    "cancel_tool_call",
    "compensate_tool_call",
    "edit_tool_call",
    "end_calls_of_run",
    "end_calls_under",
    "keep_clocks",
    "overdue_calls",
    "preview_tool_call",
    "questioned_calls",
    "recover_tool_call",
    "refusal_of_edit",
    "release_tool_call",
    "request_tool_call",
    "resolve_tool_call",
    "resolved_but_parked_calls",
    "reveal_payload",
    "revise_tool_call",
    "stops_to_carry_out",
    "unwind_run",
    "waiting_unwinds",
]
