"""I14: every count and sum of the queue is that of the rows behind it, on every face, and the file holds them all."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.approvals import services
from apps.approvals.filters import QueueFilter
from apps.approvals.queries import VIEWS, summary_of
from apps.approvals.selection import picked_of
from apps.core.paging import page_of
from tests.approvals.asking import SETUP, ask, ask_many, vote
from tests.conftest import actor
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

QUERIES = [
    *(f"view={view}" for view in VIEWS),
    "view=all&currency=EUR",
    "view=team&currency=EUR&amount_min=2.00&amount_max=8.00",
    "view=all&risk=high&risk=low",
    "view=all&state=approved&state=rejected",
    "view=all&q=triage",
    "view=mine&sort=amount",
]


@pytest.fixture
def busy(world: FakeErp) -> None:
    ask_many(12), ask("3.50", "USD"), ask(None), ask("4.00", risk="high"), ask("5.00", agent="triage")
    vote("dana", ask("6.00")), vote("felix", ask("7.00"), "reject", reason_code="other")
    services.cancel_approval(approval_id=ask("8.00", "USD").id, actor=SETUP)
    ask("9.00", team="cfo-office")


def listed(username: str, query: str) -> list[Any]:
    """All rows, page by page, as a reader would turn them."""
    found, cursor = [], ""
    wanted = QueueFilter.parse(query)
    while cursor is not None:
        page = page_of(wanted.apply(actor(username)), cursor=cursor, size=5, order=wanted.order())
        found += page.items
        cursor = page.next  # type: ignore[assignment]
    return found


def sums_of(rows: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        if row.money_minor is not None:
            found[row.currency] = found.get(row.currency, 0) + row.money_minor
    return found


@pytest.mark.parametrize("username", ["dana", "carla", "chen", "otto"])
@pytest.mark.parametrize("query", QUERIES)
def test_a_count_and_its_sums_are_those_of_the_rows_listed(busy: None, query: str, username: str) -> None:
    rows = listed(username, query)
    found = QueueFilter.parse(query).apply(actor(username))
    summary = summary_of(found)

    assert summary.count == len(rows) == len({row.id for row in rows})
    assert {money.currency: money.minor for money in summary.sums} == sums_of(rows)


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("query", QUERIES)
def test_a_file_holds_exactly_the_rows_listed_in_their_order(
    busy: None, sign_in: Callable[[str], Client], query: str, format: str
) -> None:
    answer: Any = sign_in("dana").get(f"/inbox/export.{format}?{query}")
    lines = b"".join(answer.streaming_content).decode()
    if format == "csv":
        _columns, *rows, end = csv.reader(io.StringIO(lines, newline=""))
        ids, told = [row[0] for row in rows], end[2]
    else:
        import json

        *records, last = map(json.loads, lines.splitlines())
        ids, told = [record["id"] for record in records], f"rows: {last['end']['rows']}"

    assert ids == [str(row.id) for row in listed("dana", query)]
    assert told == f"rows: {summary_of(QueueFilter.parse(query).apply(actor('dana'))).count}"


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_picked_and_what_is_left_out_are_together_what_was_listed(busy: None, query: str) -> None:
    selection = services.select(actor=actor("dana"), query=QueueFilter.parse(query))
    picked, rows = picked_of(selection), listed("dana", query)
    inside = [row for row in rows if row.id in set(selection.ids)]

    assert picked.count + sum(row.count for row in picked.left_out) == len(rows)
    assert selection.ids == [row.id for row in inside]
    assert selection.versions == [row.version for row in inside]
    assert {money.currency: money.minor for money in picked.sums} == sums_of(inside)
    assert picked.oldest == min((row.requested_at for row in inside), default=None)


@pytest.mark.parametrize("view", VIEWS)
def test_the_api_counts_what_it_lists(busy: None, api: Callable[[str], APIClient], view: str) -> None:
    body = api("dana").get("/api/v1/approvals", {"view": view, "limit": 200}).json()
    rows = listed("dana", f"view={view}")

    assert [item["id"] for item in body["items"]] == [str(row.id) for row in rows]
    assert body["count"] == len(rows)
    assert {money["currency"]: money["minor"] for money in body["sums"]} == sums_of(rows)
