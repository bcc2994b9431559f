"""Two runs beside each other: what is the same, what is other, and who may see it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page
from rest_framework.test import APIClient

from apps.runs.aligning import aligned
from apps.runs.models import Run
from tests.accessibility.looking import Looker
from tests.conftest import Robot
from tests.fakes.erp import FakeErp
from tests.telemetry.exporting import span, tell
from tests.telemetry.test_joined_rows import chat

Api = Callable[[str], APIClient]
SignIn = Callable[[str], Client]
letters = st.lists(st.sampled_from("abcd"), max_size=12)


def longest(first: list[str], second: list[str]) -> int:
    """Of a common subsequence, by trying everything."""
    if not first or not second:
        return 0
    if first[0] == second[0]:
        return 1 + longest(first[1:], second[1:])
    return max(longest(first[1:], second), longest(first, second[1:]))


@given(letters, letters)
def test_both_lists_are_told_whole_in_order_and_as_much_as_can_be_side_by_side(
    first: list[str], second: list[str]
) -> None:
    pairs = aligned(first, second)
    assert [i for i, _ in pairs if i is not None] == list(range(len(first)))
    assert [j for _, j in pairs if j is not None] == list(range(len(second)))
    both = [(i, j) for i, j in pairs if i is not None and j is not None]
    assert all(first[i] == second[j] for i, j in both)
    assert len(both) == longest(first, second)


def run_of(robot: Robot, key: str, amounts: list[str], erp: FakeErp, *, trace: str = "", fails: int = -1) -> Run:
    """One that asked for these credits; the call of this number is refused by its system."""
    header = {"traceparent": f"00-{trace}-{'ab' * 8}-01"} if trace else {}
    body = {"title": f"Dispute {key}", "business_key": "INV-1042"}
    made = robot.api().post("/api/v1/runs", body, format="json", headers=header).json()["id"]
    for number, amount in enumerate(amounts):
        erp.faults = ["400"] if number == fails else []
        robot.call(amount, key=f"{key}-{number}", run_id=made)
    robot.api().patch(f"/api/v1/runs/{made}", {"state": "failed" if fails >= 0 else "succeeded"}, format="json")
    return Run.objects.get(id=UUID(made))


@pytest.fixture
def two(writer: Robot, erp: FakeErp) -> tuple[Run, Run]:
    """The second began alike, credited another amount, failed, and asked a model."""
    first = run_of(writer, "a", ["10.00", "20.00", "30.00"], erp)
    trace = span()["trace"]
    second = run_of(writer, "b", ["10.00", "21.00", "30.00"], erp, trace=trace, fails=2)
    tell(writer, chat(trace, given=900, made=40))
    return first, second


def url_of(first: Run, second: Run) -> str:
    return f"?a={first.id}&b={second.id}"


@pytest.mark.django_db
def test_what_is_the_same_and_what_is_other(two: tuple[Run, Run], api: Api, sign_in: SignIn) -> None:
    told = api("dana").get(f"/api/v1/runs/compare{url_of(*two)}").json()
    assert [step["difference"] for step in told["steps"] if step["a"]] == ["same", "other_arguments", "other_outcome"]
    [alone] = [step for step in told["steps"] if not step["a"]]
    assert (alone["difference"], alone["b"]["kind"], alone["b"]["tokens"]) == ("only_b", "model", 940)
    assert told["counts"] == {"same": 1, "other_arguments": 1, "other_outcome": 1, "only_a": 0, "only_b": 1}
    assert told["facts"]["moved"] == {"a": "€60.00", "b": "€31.00", "is_same": False}
    assert (told["facts"]["why"]["a"], told["facts"]["why"]["b"]) == ("", "The data were not accepted")
    assert told["facts"]["cost"] == {"a": "not known", "b": "not known", "is_same": True}
    assert told["facts"]["tokens"]["b"] == "900 read, 40 written"

    page = sign_in("dana").get(f"/runs/compare/{url_of(*two)}").content.decode()
    for words in ("1 the same", "other arguments", "only in B", "Credit €21.00", "€31.00"):
        assert words in page


@pytest.mark.django_db
def test_the_other_run_is_chosen_from_those_about_the_same_first(
    writer: Robot, two: tuple[Run, Run], sign_in: SignIn
) -> None:
    writer.api().post("/api/v1/runs", {"title": "Another", "business_key": "INV-7"}, format="json")
    page = sign_in("dana").get(f"/runs/compare/?a={two[0].id}").content.decode()
    other = Run.objects.latest("id")
    assert page.index(f"b={two[1].id}") < page.index(f"b={other.id}")
    assert f"b={two[0].id}" not in page
    assert f"/runs/compare/?a={two[0].id}" in sign_in("dana").get(f"/runs/{two[0].id}/").content.decode()


@pytest.mark.django_db
def test_what_cannot_be_compared(two: tuple[Run, Run], api: Api, sign_in: SignIn) -> None:
    first, second = two
    for query, status in (
        (url_of(first, first), 422),
        ("?a=x&b=y", 422),
        ("", 422),
        (f"?a={first.id}&b={uuid4()}", 404),
    ):
        assert sign_in("dana").get(f"/runs/compare/{query}").status_code == status
        assert api("dana").get(f"/api/v1/runs/compare{query}").status_code == status
    assert sign_in("otto").get(f"/runs/compare/{url_of(first, second)}").status_code == 404


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_two_runs_are_read_by_axe(live_server: Any, page: Page, two: tuple[Run, Run]) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("dana")
    looker.at(f"/runs/compare/?a={two[0].id}", name="a run to compare with")
    looker.at(f"/runs/compare/{url_of(*two)}", name="two runs")

    assert "\n".join(looker.found) == ""
