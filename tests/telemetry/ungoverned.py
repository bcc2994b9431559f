"""Ungoverned actions, made as they come about."""

import datetime as dt

from apps.core import clock
from apps.telemetry.models import ToolReport, UngovernedAction
from apps.telemetry.ungoverned import PATIENCE, find_ungoverned_actions
from tests.conftest import Robot
from tests.telemetry.exporting import tell, tool_span


def make_ungoverned(robot: Robot, tool: str = "mail.send", *, count: int = 1) -> UngovernedAction:
    """The agent told of so many executions a while ago, and no call is behind any of them."""
    tell(robot, *[tool_span(tool) for _ in range(count)])
    ToolReport.objects.update(received_at=clock.now() - PATIENCE - dt.timedelta(seconds=1))
    find_ungoverned_actions()
    return UngovernedAction.objects.get(agent=robot.agent, tool_name=tool, acknowledged_at=None)
