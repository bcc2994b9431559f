"""Waits grow, have an end, and differ."""

import pytest

from apps.core import backoff
from apps.core.backoff import wait_seconds


@pytest.fixture
def by_chance() -> None:
    """As it is outside of tests."""
    backoff._fixed_share = None


def test_on_average_they_double_up_to_the_longest() -> None:
    assert [wait_seconds(n, first=0.5, longest=32) for n in range(8)] == [0.5, 1, 2, 4, 8, 16, 16, 16]


@pytest.mark.parametrize(("share", "waits"), [(0, [0, 0, 0]), (1, [2, 4, 8])])
def test_each_is_between_nothing_and_twice_that(share: float, waits: list[float]) -> None:
    with backoff.fixed(share):
        assert [wait_seconds(n, first=1, longest=100) for n in range(3)] == waits


def test_none_is_longer_than_the_longest() -> None:
    with backoff.fixed(1):
        assert wait_seconds(10_000, first=1, longest=300) == 300
        assert wait_seconds(10_000, first=1, longest=300, at_least_share=0.5) == 300


def test_who_must_not_ask_too_soon_does_not() -> None:
    with backoff.fixed(0):
        assert wait_seconds(3, first=1, longest=100, at_least_share=0.5) == 4


def test_what_failed_together_does_not_come_back_together(by_chance: None) -> None:
    waits = {wait_seconds(4, first=1, longest=300) for _ in range(50)}

    assert len(waits) > 40
    assert all(0 <= wait <= 32 for wait in waits)
