"""What was enforced and what was reported, read as the rows of one run."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.core.tracing import read_traceparent
from apps.runs.models import Run
from apps.runs.steps import Place, Row, rows_of
from apps.telemetry.matching import moment_of
from apps.telemetry.models import Trace, UngovernedAction
from apps.telemetry.prices import Cost
from apps.telemetry.queries import Usage, runs_of_traces, usage_of_run
from apps.telemetry.ungoverned import find_ungoverned_actions
from tests.conftest import Robot, actor, robot_named
from tests.telemetry.exporting import span, tell, tool_span
from tests.telemetry.prices import make_price
from tests.telemetry.test_ungoverned import call_in

pytestmark = pytest.mark.django_db


def chat(trace: str, *, model: str = "gpt-5", given: int = 1_000_000, made: int = 1000, **more: Any) -> dict[str, Any]:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": model,
        "gen_ai.usage.input_tokens": given,
        "gen_ai.usage.output_tokens": made,
        **more.pop("attributes", {}),
    }
    return span("chat", trace=trace, attributes=attributes, **more)


def rows_in(run: Run, **more: Any) -> list[Row]:
    return rows_of(actor("dana"), run, **{"most": 1000, **more})


def test_spans_before_their_run_exists_are_in_it_when_it_does(writer: Robot) -> None:
    turn = span("turn")
    execution = tool_span("issue_credit_memo", trace=turn["trace"], parent=turn["span"])
    tell(writer, turn, execution)
    call_id = call_in(writer, execution)
    run = Run.objects.get()
    rows = rows_in(run)
    reported = {row.text: row for row in rows if row.origin == "reported"}
    assert set(reported) == {"turn", "issue_credit_memo"}
    enforced = [row for row in rows if row.origin == "enforced"]
    assert {row.kind for row in enforced} == {"decision", "tool"}
    assert {row.parent for row in enforced} == {reported["issue_credit_memo"].id}
    assert {str(row.call) for row in enforced} == {call_id}
    assert reported["issue_credit_memo"].parent == reported["turn"].id
    assert [row.started_at for row in rows] == sorted(row.started_at for row in rows)
    trace = Trace.objects.get()
    assert runs_of_traces(run.process_id, run.environment, {trace.trace_id}) == {trace.trace_id: [run]}


def test_a_run_opened_in_a_trace_has_its_spans_without_a_call(writer: Robot) -> None:
    turn = span("turn")
    tell(writer, turn)
    header = {"traceparent": f"00-{turn['trace']}-{turn['span']}-01"}
    made = writer.api().post("/api/v1/runs", {"title": "Dispute"}, format="json", headers=header)
    assert [row.text for row in rows_in(Run.objects.get(id=made.json()["id"]))] == ["turn"]


def test_another_process_with_the_same_trace_is_not_shown(writer: Robot) -> None:
    turn = span("turn")
    tell(robot_named("payer"), {**turn, "name": "theirs"})
    call_in(writer, turn)
    assert not [row for row in rows_in(Run.objects.get()) if row.origin == "reported"]


def test_pages_hold_every_row_once_and_in_order(writer: Robot) -> None:
    turn = span("turn")
    same = turn["started_ns"]
    tell(writer, turn, *[span(f"s{n}", trace=turn["trace"], started_ns=same + n // 4) for n in range(23)])
    call_in(writer, turn)
    run = Run.objects.get()
    whole = rows_in(run)
    assert len(whole) == 24 + 2
    paged: list[Row] = []
    while rows := rows_in(run, after=Place(paged[-1].started_at, paged[-1].id) if paged else None, most=4):
        paged += rows
    assert paged == whole


def test_an_execution_says_what_is_behind_it(writer: Robot, time_passes: Callable[..., None]) -> None:
    turn = span("turn")
    governed = tool_span("issue_credit_memo", trace=turn["trace"])
    bare = tool_span("crm.delete_customer", trace=turn["trace"])
    call_id = call_in(writer, governed)
    tell(writer, turn, governed, bare)
    time_passes(seconds=50)
    find_ungoverned_actions()
    rows = {row.text: row for row in rows_in(Run.objects.get()) if row.origin == "reported"}
    assert (rows["issue_credit_memo"].kind, rows["issue_credit_memo"].note) == ("tool", "")
    assert (rows["crm.delete_customer"].kind, rows["crm.delete_customer"].note) == ("ungoverned", "ungoverned")
    assert rows["crm.delete_customer"].url == f"/ungoverned/{UngovernedAction.objects.get().id}/"
    assert {str(row.call) for row in rows_in(Run.objects.get()) if row.parent == rows["issue_credit_memo"].id} == {
        call_id
    }


@pytest.mark.parametrize(
    ("header", "is_one"),
    [
        ("00-" + "ab" * 16 + "-" + "cd" * 8 + "-01", True),
        ("01-" + "ab" * 16 + "-" + "cd" * 8 + "-01-more", True),
        ("00-" + "ab" * 16 + "-" + "cd" * 8 + "-01-more", False),
        ("00-" + "00" * 16 + "-" + "cd" * 8 + "-01", False),
        ("00-" + "ab" * 16 + "-" + "00" * 8 + "-01", False),
        ("ff-" + "ab" * 16 + "-" + "cd" * 8 + "-01", False),
        ("00-" + "AB" * 16 + "-" + "cd" * 8 + "-01", False),
        ("nonsense", False),
        (None, False),
    ],
)
def test_trace_context_as_the_specification_has_it(header: str | None, is_one: bool) -> None:
    assert (read_traceparent(header) is not None) is is_one


def test_a_broken_traceparent_refuses_nothing(writer: Robot) -> None:
    body = {"tool": "erp.issue_credit_memo", "arguments": {}, "idempotency_key": "k", "dry_run": True}
    answer = writer.api().post("/api/v1/tool-calls", body, format="json", HTTP_TRACEPARENT="nonsense")
    assert answer.status_code == 422


# --- what it cost


def used_in(run: Run) -> Usage:
    usage = usage_of_run(run)
    assert usage is not None
    return usage


@pytest.fixture
def run(writer: Robot) -> Run:
    """With two calls of a model: of the outer one, an inner span tells again."""
    turn = span("turn")
    outer = chat(turn["trace"])
    tell(writer, turn, outer, chat(turn["trace"], parent=outer["span"]), chat(turn["trace"]))
    call_in(writer, turn)
    return Run.objects.get()


def test_without_a_price_the_cost_is_not_known_rather_than_nothing(run: Run) -> None:
    usage = used_in(run)
    assert (usage.model_calls, usage.input_tokens, usage.costs, usage.is_partly_unknown) == (2, 2_000_000, [], True)


def test_a_price_holds_for_what_was_told_before_it_was_set(run: Run) -> None:
    make_price()
    usage = used_in(run)
    assert (usage.costs, usage.is_partly_unknown) == ([Cost(2 * 2_510_000, "USD")], False)


def test_the_price_of_its_day_of_its_provider_and_of_dated_names(run: Run) -> None:
    make_price(given="1", made="0")
    make_price(given="100", since="2100-01-01")
    assert used_in(run).costs == [Cost(2_000_000, "USD")]
    make_price(given="3", made="0", provider="openai")
    assert used_in(run).costs == [Cost(6_000_000, "USD")]
    make_price("gpt-*", given="9")
    assert used_in(run).costs == [Cost(6_000_000, "USD")]


def test_currencies_are_never_summed(writer: Robot) -> None:
    turn = span("turn")
    cached = {"gen_ai.usage.cache_read.input_tokens": 400_000}
    other = chat(turn["trace"], model="mistral-large", attributes=cached)
    tell(writer, turn, chat(turn["trace"]), other, chat(turn["trace"], model="x"))
    call_in(writer, turn)
    make_price(given="1", made="0")
    make_price("mistral-*", currency="EUR", given="1", made="0", cached="0.25")
    usage = used_in(Run.objects.get())
    assert usage.costs == [Cost(700_000, "EUR"), Cost(1_000_000, "USD")]
    assert usage.is_partly_unknown


def test_a_price_that_changes_while_a_run_goes_on_holds_from_then(writer: Robot) -> None:
    turn = span("turn")
    calls = [chat(turn["trace"], made=0, ended_ns=turn["ended_ns"] - n * 3600 * 10**9) for n in (0, 0, 3, 4, 5)]
    tell(writer, turn, *calls, chat(turn["trace"], model="gpt-5", attributes={"gen_ai.usage.output_tokens": "x"}))
    call_in(writer, turn)
    make_price(given="1", made="0")
    since = moment_of(turn["ended_ns"] - 2 * 3600 * 10**9)
    make_price(given="10", made="0", since=since.replace(tzinfo=None).isoformat())
    usage = used_in(Run.objects.get())
    assert (usage.costs, usage.model_calls) == ([Cost(23_000_000, "USD")], 6)
    assert usage.is_partly_unknown
    assert not usage.are_tokens_whole
