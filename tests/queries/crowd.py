"""A busy day: so many of everything that pages list, made by the builders and services that make it elsewhere."""

import datetime as dt
from typing import Any

from apps.accounts import services as accounts
from apps.approvals import services as approvals
from apps.approvals.models import ConsentRules
from apps.core import clock
from apps.core.actor import system_actor
from apps.gateway.models import ToolCall
from apps.halts import services as halts
from apps.policies import services as policies
from apps.registry import services as registry
from apps.registry.definitions import definition_of
from apps.registry.models import Agent, Connector, ConnectorEndpoint, Process, Tool
from apps.replays.kinds import Kind
from apps.replays.models import ReplayedDecision, ReplayState, RunReplay, RunReplayStep
from apps.replays.steps import StepKind
from apps.retention import services as retention
from apps.runs.models import Run
from tests.access.scene import Scene, exception
from tests.artifacts.keeping import open_run
from tests.budgets.builders import make_budget, make_rate
from tests.conftest import Robot, actor, parked, person, robot_named
from tests.gateway.unknowns import make_unknown
from tests.policies.reviewing import limit, raised
from tests.retention.building import make_rule
from tests.telemetry.prices import make_price
from tests.telemetry.ungoverned import make_ungoverned
from tests.world import POLICY

SETUP = system_actor("tests")
# What can be halted without halting the writer, whose calls are measured.
HALTED = (("tool", "erp.write_off"), ("tool", "erp.open_ticket"), ("agent", "triage"))


class Crowd:
    """Grows on demand, halts in force included."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.size = 0
        assert self.scene.endpoint
        assert self.scene.tried == 2
        assert self.scene.policy_review
        ConnectorEndpoint.objects.create(
            connector=Connector.objects.get(slug="erp"), environment="staging", base_url="http://127.0.0.1:9"
        )
        # every approval is drawn for a second look, so that none costs more than another by chance
        for process in Process.objects.all():
            ConsentRules.objects.create(process=process, second_look_percent=100)

    def grow_to(self, size: int) -> None:
        for number in range(self.size, size):
            self._add(number)
        self.size = size

    def _add(self, number: int) -> None:
        assert self.scene.budget
        writer, run = self.scene.writer, str(self.scene.run)
        for key, amount in (("alone", "180.00"), ("denied", "0.00")):
            writer.call(amount, key=f"{key}-{number}", **({"run_id": run} if key == "alone" else {}))
        waiting = parked(writer, key=f"waiting-{number}", run_id=run)[0]
        _would_be_another(self.scene, waiting)
        _replay_once_more(self.scene, waiting, number)
        make_unknown(writer, f"unknown-{number}")
        make_ungoverned(writer, f"tool-{number}", count=2)
        make_price(f"model-{number}")
        _, refused = parked(writer, key=f"refused-{number}")
        approvals.cast_vote(
            actor=actor("dana"),
            approval_id=refused.id,
            verdict="reject",
            digest=refused.digest,
            reason_code="other",
            comment="The price list says otherwise",
        )
        approvals.save_view(actor=actor("dana"), name=f"View {number}", query="risk=high")
        raised(f"{900 + number}.00")
        policies.publish_release(
            policy_set="order-to-cash",
            process=Process.objects.get(slug="order-to-cash"),
            text=POLICY,
            parameters=limit(f"{600 + number}.00"),
            environments=["staging"],
            actor=SETUP,
        )
        policies.request_exception(actor=actor("priya"), policy_set="order-to-cash", **exception())
        _delegate(number)
        self.scene.look_at(f"looked-{number}")
        accounts.make_token(user=person("dana"), name=f"script {number}", days=1, actor=actor("dana"))
        registry.set_data_class_rule(data_class=f"class-{number}", roles=["owner"], process=None, actor=SETUP)
        make_rule("calls", 90 + number, data_class=f"class-{number}")
        _hold(writer, number)
        _halt(number)
        halts.lift_halt(actor=actor("omar"), halt_id=_halt(number).id, reason="Drill over")
        _agent_with_tool(number)
        _watch_and_try(number)
        self.scene.hold_a_run(f"in-circles-{number}")
        make_budget(cap=10**12, scope_reference=f"colleague-{number}")
        make_rate(scope_reference=f"colleague-{number}")


def _replay_once_more(scene: Scene, call: ToolCall, number: int) -> None:
    """One more step of the replay that waits, and one more replay that has ended."""
    replay = RunReplay.objects.get(id=scene.run_replay)
    RunReplayStep.objects.create(
        replay=replay,
        position=number + 1,
        tool_call=call,
        decision=call.decisions.get(),
        kind=StepKind.SAME,
    )
    RunReplay.objects.create(
        run_id=scene.carried_run, state=ReplayState.DONE, asked_at=replay.asked_at, moved_at=replay.asked_at
    )


def _would_be_another(scene: Scene, call: ToolCall) -> None:
    """As a replay that is under way would list it."""
    ReplayedDecision.objects.create(
        replay_id=scene.policy_replay,
        kind=Kind.APPROVAL_TO_ALLOW,
        decision=call.decisions.get(),
        tool_call=call,
        process_id=call.process_id,
        outcome_before="require_approval",
        outcome_after="allow",
    )


def _delegate(number: int) -> None:
    starts_at = clock.now() + dt.timedelta(days=number + 1)
    approvals.delegate(
        actor=actor("dana"), receiver="felix", starts_at=starts_at, ends_at=starts_at + dt.timedelta(hours=1)
    )


def _hold(writer: Robot, number: int) -> None:
    """Of a run that is over as soon as it began."""
    run = Run.objects.get(id=open_run(writer, f"Held {number}"))
    retention.place_legal_hold(actor=actor("chen"), process=run.process, run=run, reason="Case 4711")


def _halt(number: int) -> Any:
    scope_type, reference = HALTED[number % len(HALTED)]
    return halts.place_halt(
        actor=actor("omar"),
        scope_type=scope_type,
        scope_reference=reference,
        environment="production",
        mode="hold",
        reason_code="drill",
    )


def _agent_with_tool(number: int) -> None:
    """One more colleague of the writer's, and a tool that both may use."""
    writer: Agent = robot_named("writer").agent
    like = definition_of(Tool.objects.select_related("connector").get(name="erp.find"))
    tool = registry.register_tool(definition={**like, "name": f"erp.find_{number}"}, actor=SETUP)
    agent = registry.register_agent(
        slug=f"colleague-{number}",
        name=f"Colleague {number}",
        process=writer.process,
        environment=writer.environment,
        owner_team=writer.owner_team,
        built_by=writer.built_by,
        actor=SETUP,
    )
    for one in (agent, writer):
        registry.give_grant(agent=one, tool=tool, reason="Its job", actor=SETUP)


def _watch_and_try(number: int) -> None:
    """A rule and a drill of the newest colleague."""
    slug = f"colleague-{number}"
    text = halts.RuleText(
        scope_type="agent",
        scope_reference=slug,
        environment="production",
        condition="consecutive_failures",
        threshold=5,
        window_seconds=300,
    )
    halts.set_rule(actor=actor("priya"), slug=f"watch-{slug}", text=text)
    tomorrow = clock.now() + dt.timedelta(days=1)
    halts.schedule_drill(actor=actor("omar"), agent=slug, planned_for=tomorrow)
