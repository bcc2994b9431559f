"""QueueFilter: one value behind the page, the API, selections and files."""

import datetime as dt
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from apps.approvals.filter_text import SORTS
from apps.approvals.filters import QueueFilter
from apps.approvals.models import Approval, ApprovalState, Risk
from apps.approvals.queries import VIEWS, counted, summary_of
from apps.core.errors import Invalid
from apps.core.paging import page_of
from tests.approvals.asking import ask, ask_many
from tests.conftest import actor
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

QUERIES = [
    "",
    "view=team",
    "q=writer+1280.00",
    "currency=EUR&amount_min=10.00&amount_max=99.50",
    "currency=JPY&amount_min=1500",
    "requested_after=2026-01-31&requested_before=2026-02-01T12%3A30%3A00Z",
    "view=all&sort=amount&risk=high&risk=low&process=order-to-cash&agent=writer&team=cfo-office&state=pending"
    "&urgency=breached&urgency=soon",
]


@pytest.mark.parametrize("query", QUERIES)
def test_it_prints_what_it_was_read_from(query: str) -> None:
    found = QueueFilter.parse(query)

    assert str(found) == query
    assert QueueFilter.parse(f"?{query}") == QueueFilter.parse(QueryDict(query)) == found


def test_it_is_read_from_parts_as_from_a_query_string() -> None:
    parts = {"risk": ["high", "low"], "currency": "EUR", "amount_min": "1.00", "process": "", "q": " a  b "}

    assert QueueFilter.parse(parts) == QueueFilter(risk=("high", "low"), currency="EUR", amount_min=100, text="a b")


@given(
    st.builds(
        QueueFilter,
        view=st.sampled_from(VIEWS),
        text=st.lists(st.text("aZ0-.,€@&=%+ß\U0001f600", min_size=1, max_size=9), max_size=4).map(" ".join),
        risk=st.lists(st.sampled_from(Risk.values), unique=True).map(tuple),
        process=st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,50}", fullmatch=True), unique=True, max_size=3).map(tuple),
        state=st.lists(st.sampled_from(ApprovalState.values), unique=True).map(tuple),
        currency=st.sampled_from(["EUR", "JPY", "BHD"]),
        amount_min=st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
        amount_max=st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
        requested_after=st.none() | st.datetimes(timezones=st.just(dt.UTC)) | st.dates(),
        sort=st.sampled_from(["", *SORTS]),
    )
)
def test_every_filter_survives_the_round_trip(found: QueueFilter) -> None:
    assert QueueFilter.parse(str(found)) == found
    assert str(QueueFilter.parse(str(found))) == str(found)


BAD = {
    "view=nobodys": "/view",
    "risk=extreme": "/risk",
    "state=open": "/state",
    "urgency=9": "/urgency",
    "process=a%00b": "/process",
    "process=a%20b": "/process",
    "agent=" + "a" * 51: "/agent",
    "q=%00": "/q",
    "q=" + "+".join("abcdefghi"): "/q",
    "q=" + "x" * 201: "/q",
    "currency=euro": "/currency",
    "currency=eur": "/currency",
    "amount_min=10": "/amount_min",
    "currency=EUR&amount_max=1.005": "/amount_max",
    "currency=EUR&amount_max=1e9": "/amount_max",
    "currency=JPY&amount_min=0.5": "/amount_min",
    "requested_after=yesterday": "/requested_after",
    "requested_after=2026-02-30": "/requested_after",
    "requested_after=2026-02-03T10:00:00": "/requested_after",
    "requested_before=0001-01-01T00:00:00%2B05:00": "/requested_before",
    "sort=random": "/sort",
    "sort=newest&sort=oldest": "/sort",
    "amount_mn=10": "/amount_mn",
    "view=all&" + "risk=low&" * 51: "/risk",
    "&".join(f"process={'p' * 40}-{number}" for number in range(40)): "",
    "q=" + "x" * 20_000: "",
}


@pytest.mark.parametrize(("query", "pointer"), BAD.items(), ids=[query[:40] for query in BAD])
def test_what_is_no_filter_is_refused_with_a_pointer_and_ignored_by_a_page(query: str, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        QueueFilter.parse(query)
    found, problems = QueueFilter.lenient(query)

    assert refused.value.code == "filter.bad_value"
    assert [error["pointer"] for error in refused.value.details["errors"]] == [pointer]
    assert refused.value.sentence.endswith(".")
    assert QueueFilter.parse(str(found)) == found
    if pointer != "/amount_mn":
        assert [problem["pointer"] for problem in problems] == [pointer]


def test_a_page_keeps_what_it_can_read_of_a_query() -> None:
    found, problems = QueueFilter.lenient("view=team&risk=extreme&agent=writer&after=abc")

    assert found == QueueFilter(view="team", agent=("writer",))
    assert [problem["pointer"] for problem in problems] == ["/risk"]


@pytest.fixture
def waiting(world: FakeErp) -> dict[str, Approval]:
    return {
        "plain": ask("10.00"),
        "dollars": ask("10.00", "USD"),
        "yen": ask("1280", "JPY"),
        "large": ask("1280.00", policy_ref="credit-cfo@3"),
        "free": ask(None),
        "high": ask("20.00", risk="high"),
        "triage": ask("30.00", agent="triage"),
        "cfo": ask("40.00", team="cfo-office"),
    }


def names(waiting: dict[str, Approval], query: str, username: str = "dana") -> set[str]:
    by_id = {approval.id: name for name, approval in waiting.items()}
    return {by_id[found.id] for found in QueueFilter.parse(query).apply(actor(username))}


EVERYTHING = {"plain", "dollars", "yen", "large", "free", "high", "triage", "cfo"}
FINDS = {
    "": EVERYTHING - {"cfo"},
    "view=all": EVERYTHING,
    "view=decided": set(),
    "risk=high": {"high"},
    "risk=high&risk=low": {"high"},
    "risk=high&agent=triage": set(),
    "agent=triage": {"triage"},
    "agent=nobody": set(),
    "process=order-to-cash": EVERYTHING - {"cfo"},
    "process=procure-to-pay": set(),
    "view=all&team=cfo-office": {"cfo"},
    "view=all&state=pending": EVERYTHING,
    "view=all&state=approved&state=rejected": set(),
    "currency=USD": {"dollars"},
    "currency=EUR&amount_min=20.00": {"large", "high", "triage"},
    "currency=EUR&amount_min=20.00&amount_max=30.00": {"high", "triage"},
    "currency=JPY&amount_min=1280": {"yen"},
    "urgency=calm": EVERYTHING - {"cfo"},
    "urgency=breached": set(),
    "q=10.00": {"plain", "dollars"},
    "q=1,280.00": {"large", "yen"},
    "q=%E2%82%AC1280": {"large", "yen"},
    "q=1280.5": set(),
    "q=CREDIT-cfo": {"large"},
    "q=exception+triage": {"triage"},
    "q=writer+1280": {"large", "yen"},
    "q=order-to": EVERYTHING - {"cfo"},
    "q=C-204": set(),
    "q=100%25": set(),
    "requested_after=2020-01-01": EVERYTHING - {"cfo"},
    "requested_before=2020-01-01": set(),
}


@pytest.mark.parametrize(("query", "expected"), FINDS.items(), ids=list(FINDS))
def test_each_condition_finds_what_it_says(waiting: dict[str, Approval], query: str, expected: set[str]) -> None:
    assert names(waiting, query) == expected


def test_a_request_is_found_by_its_ids(waiting: dict[str, Approval]) -> None:
    plain = waiting["plain"]

    assert names(waiting, f"q={plain.id}") == names(waiting, f"q={plain.subject_id}") == {"plain"}


def test_a_date_is_a_midnight_and_a_time_a_moment(waiting: dict[str, Approval]) -> None:
    asked = waiting["plain"].requested_at
    Approval.objects.exclude(id=waiting["plain"].id).update(requested_at=asked + dt.timedelta(days=3))
    tomorrow = (asked + dt.timedelta(days=1)).date()

    assert names(waiting, f"requested_before={tomorrow}") == {"plain"}
    assert "plain" not in names(waiting, f"requested_after={tomorrow}")
    assert "plain" in names(waiting, str(QueueFilter(requested_after=asked)))
    assert "plain" not in names(waiting, str(QueueFilter(requested_before=asked)))


def test_a_filter_shows_nobody_more_than_they_may_see(waiting: dict[str, Approval]) -> None:
    for query in FINDS:
        assert names(waiting, query, "otto") == set()


def test_a_chip_leads_to_the_list_without_it() -> None:
    found = QueueFilter.parse("view=team&risk=high&risk=low&currency=EUR&amount_min=1280.00&q=writer&sort=amount")
    chips = {(chip.label, chip.value): chip.url for chip in found.chips("/inbox/")}

    assert list(chips) == [
        ("Text", "writer"),
        ("Currency", "EUR"),
        ("From", "€1,280.00"),
        ("Risk", "High"),
        ("Risk", "Low"),
    ]
    left = {name: QueueFilter.parse(url.partition("?")[2]) for (_, name), url in chips.items()}
    assert left["High"].risk == ("low",)
    assert left["writer"].text == ""
    assert (left["€1,280.00"].amount_min, left["€1,280.00"].currency) == (None, "EUR")
    assert (left["EUR"].amount_min, left["EUR"].currency) == (None, "")
    assert all((one.view, one.sort) == ("team", "amount") for one in left.values())
    assert QueueFilter.parse("view=team&sort=amount").chips("/inbox/") == []


def test_the_url_carries_the_pages_own_state_too() -> None:
    assert QueueFilter(view="team").url("/inbox/", after="x y") == "/inbox/?view=team&after=x+y"
    assert QueueFilter().url("/inbox/") == "/inbox/"


@pytest.mark.parametrize("sort", ["", *SORTS])
def test_every_order_pages_through_every_row_once(waiting: dict[str, Approval], sort: str) -> None:
    query = QueueFilter(view="all", sort=sort)
    whole = [approval.id for approval in query.apply(actor("dana")).order_by(*query.order())]
    walked: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = page_of(query.apply(actor("dana")), cursor=cursor, size=3, order=query.order())
        walked += [approval.id for approval in page.items]
        cursor = page.next

    assert walked == whole
    assert len(whole) == len(EVERYTHING)


def test_a_list_is_counted_and_summed_as_far_as_anybody_reads(world: FakeErp, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_many(3)
    rows = QueueFilter().apply(actor("dana"))
    whole = summary_of(rows)
    monkeypatch.setattr("apps.approvals.queries.MOST_COUNTED", 2)
    some, asked = summary_of(rows, count=counted(rows)), summary_of(rows)

    assert (whole.count, whole.is_exact) == (asked.count, asked.is_exact) == (3, True)
    assert whole.sums == asked.sums != []
    assert (some.is_exact, some.sums) == (False, [])
