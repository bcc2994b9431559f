"""The acts on halts."""

from apps.halts.services.drills import cancel_drill, carry_out_drills, schedule_drill
from apps.halts.services.expiry import tell_expired_halts
from apps.halts.services.lifting import lift_halt, may_lift
from apps.halts.services.placing import DEFAULT_DURATION, may_place, place_halt
from apps.halts.services.ramping import answer_lift_request, finish_ramps, hold_again
from apps.halts.services.rules import RuleText, retire_rule, set_rule, watch_rules

__all__ = [
    "DEFAULT_DURATION",
    "RuleText",
    "answer_lift_request",
    "cancel_drill",
    "carry_out_drills",
    "finish_ramps",
    "hold_again",
    "lift_halt",
    "may_lift",
    "may_place",
    "place_halt",
    "retire_rule",
    "schedule_drill",
    "set_rule",
    "tell_expired_halts",
    "watch_rules",
]
