"""What on-call is told of now: the numbers are those of the rows."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.core import observing
from apps.core.tasks import report_levels
from apps.core.tracing import TraceContext
from tests.conftest import Robot, parked

pytestmark = pytest.mark.django_db


@dataclass
class Heard:
    """A sink that keeps what it was told."""

    steps: list[str] = field(default_factory=list)
    levels: dict[str, dict[tuple[tuple[str, Any], ...], float]] = field(default_factory=dict)

    def step(
        self, name: str, kind: str, attributes: Mapping[str, Any], parent: TraceContext | None
    ) -> AbstractContextManager[None]:
        self.steps.append(name)
        return nullcontext()

    def note(self, attributes: Mapping[str, Any]) -> None:
        assert set(attributes) <= observing.KEYS

    def count(self, name: str, by: int, attributes: Mapping[str, Any]) -> None:
        assert set(attributes) <= observing.METRIC_KEYS

    def level(self, name: str, value: float, attributes: Mapping[str, Any]) -> None:
        self.levels.setdefault(name, {})[tuple(sorted(attributes.items()))] = value

    def here(self) -> TraceContext | None:
        return None

    def headers(self) -> dict[str, str]:
        return {}


@pytest.fixture
def heard() -> Iterator[Heard]:
    sink = Heard()
    with observing.told_to(sink):
        yield sink


def test_levels_are_the_rows(writer: Robot, heard: Heard) -> None:
    parked(writer, key="one")
    parked(writer, key="two")
    report_levels()
    waiting = (("mesh.call.state", "awaiting_approval"), ("mesh.environment", "production"))
    assert heard.levels["tool_calls.open"][waiting] == 2
    assert heard.levels["approvals.waiting"][(("mesh.process", "order-to-cash"),)] == 2
    assert heard.levels["outbox.waiting"][()] >= 2
    assert heard.steps == ["tool_call.intake", "tool_call.decide"] * 2


def test_where_nobody_collects_nothing_is_read(writer: Robot, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        report_levels()
