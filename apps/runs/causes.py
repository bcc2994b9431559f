"""Why work went wrong, in six words that mean the same for every tool, agent and system."""

from collections.abc import Sequence

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.runs.facts import CallTold
from apps.runs.models import Run, RunState


class Cause(models.TextChoices):
    TIME_OUT = "time_out", _("Time ran out")
    PERMISSION = "permission", _("Permission was not given")
    BAD_DATA = "bad_data", _("The data were not accepted")
    DEPENDENCY = "dependency", _("A business system did not work")
    POLICY = "policy", _("Policy forbade it")
    MODEL = "model", _("The agent went in circles")


BY_CODE = {
    "connector.timeout": Cause.TIME_OUT,
    "run_time_over": Cause.TIME_OUT,
    "approval_too_old": Cause.TIME_OUT,
    "grant_gone": Cause.PERMISSION,
    "connector.refused": Cause.BAD_DATA,
    "digest_differs": Cause.BAD_DATA,
    "erased": Cause.BAD_DATA,
    "resolved.no_effect": Cause.DEPENDENCY,
    "tool_changed": Cause.POLICY,
    "decision_changed": Cause.POLICY,
    "loop_detected": Cause.MODEL,
}
BY_STATE = {
    "expired": Cause.TIME_OUT,
    "timed_out": Cause.TIME_OUT,
    "rejected": Cause.PERMISSION,
    "halted": Cause.PERMISSION,
    "denied": Cause.POLICY,
    "invalidated": Cause.POLICY,
    "failed": Cause.DEPENDENCY,
    "outcome_unknown": Cause.DEPENDENCY,
}


def cause_of(state: str, code: str = "") -> Cause | None:
    """Of a call's end, or of a run's; None where nothing went wrong. The code says more than the state."""
    if state not in BY_STATE:
        return None
    return BY_CODE.get(code, BY_STATE[state])


def cause_of_run(run: Run, calls: Sequence[CallTold]) -> Cause | None:
    """Of a run that ended without success: its own end, else the last of its calls that went wrong."""
    if run.state in (RunState.OPEN, RunState.SUCCEEDED, RunState.CANCELLED):
        return None
    if run.state in (RunState.TIMED_OUT, RunState.HALTED):
        return cause_of(run.state)
    causes = [cause for call in calls if (cause := cause_of(call.state, call.error_code)) is not None]
    return causes[-1] if causes else None
