"""The agents against a console: each dispute ends once, however people, policy, systems and kill -9 behave."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from examples.order_to_cash.agents import case, collections, concierge, intake, reconciliation, triage
from examples.order_to_cash.agents.agent import Agent
from examples.order_to_cash.agents.handovers import Trays
from examples.order_to_cash.agents.store import count_waiting
from examples.order_to_cash.facts import InvoiceFacts
from examples.order_to_cash.money import text_from_minor
from examples.order_to_cash.rules import ResolutionKind, assess
from tests.examples.fake_console import Answer, FakeConsole, problem
from tests.examples.running import Systems

INTAKE = Agent(intake.SLUG, intake.work, event_type="dispute_opened")
TRIAGE = Agent(triage.SLUG, triage.work, takes_handovers=True)
COLLECTIONS = Agent(collections.SLUG, collections.work, event_type="payment_failed")
CONCIERGE = Agent(concierge.SLUG, concierge.work, takes_handovers=True, keeps_handovers=True)
RECONCILIATION = Agent(
    reconciliation.SLUG,
    reconciliation.work,
    event_type="resolution_posted",
    cases_of=reconciliation.one_case,
)

Run = Callable[..., None]
Open = Callable[..., list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(case, "LONGEST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(case, "UNKNOWN_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(case, "POLLS_PER_SECOND", 1000)


def expected(invoices: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """(invoice, amount) of every credit memo the rules call for."""
    resolutions = [(invoice["id"], assess(InvoiceFacts.from_document(invoice))) for invoice in invoices]
    credits = [(name, text_from_minor(r.amount_minor)) for name, r in resolutions if r.kind is ResolutionKind.CREDIT]
    return Counter(credits)


def credited(systems: Systems) -> Counter[tuple[str, str]]:
    with systems.client("erp") as erp:
        entries = erp.get("/ledger", limit=500)["items"]
    return Counter((entry["invoice_id"], entry["amount"]) for entry in entries if entry["kind"] == "credit_memo")


def comments(console: FakeConsole) -> list[str]:
    return [call["arguments"]["text"] for call in console.calls_of("ticketing.add_comment", "succeeded")]


def one_above_the_limit(open_disputes: Open) -> dict[str, Any]:
    """The invoice, among the first of the world, whose credit needs a person."""
    for invoice in open_disputes(12):
        resolution = assess(InvoiceFacts.from_document(invoice))
        if resolution.kind is ResolutionKind.CREDIT and resolution.amount_minor > 3000:
            return invoice
    raise AssertionError("the world has no such dispute")


def waiting_credit(console: FakeConsole) -> dict[str, Any]:
    return console.calls_of("erp.issue_credit_memo", "awaiting_approval")[0]


def test_every_dispute_is_resolved_once(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run
) -> None:
    invoices = open_disputes(12)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    assert console.calls_of("erp.issue_credit_memo", "awaiting_approval")
    for call in list(console.calls.values()):
        console.decide(call["id"], "approve")
    finish(console, run_agent)
    assert credited(systems) == expected(invoices)
    assert Counter(run["state"] for run in console.runs.values()) == {"succeeded": 12}
    assert len(comments(console)) == 12


def test_a_run_holds_the_whole_story(console: FakeConsole, open_disputes: Open, run_agent: Run) -> None:
    open_disputes(1)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    (run,) = console.runs.values()
    assert (run["process"], run["business_key"]) == ("order-to-cash", "INV-100001")
    assert {call["run_id"] for call in console.calls.values()} == {run["id"]}
    assert {call["agent"] for call in console.calls.values()} == {"o2c-intake", "o2c-triage"}


def test_a_credit_comes_with_reasons(console: FakeConsole, open_disputes: Open, run_agent: Run) -> None:
    open_disputes(12)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    call = waiting_credit(console)
    invoice_id, reason = call["arguments"]["invoice_id"], call["arguments"]["reason_code"]
    assert call["idempotency_key"] == f"{invoice_id}/credit/{reason}"
    assert call["rationale"].endswith(".")
    assert 0 < call["confidence"] <= 1
    assert set(call["evidence"][0]) == {"title", "uri", "sha256"}


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("reject", "turned the credit"),
        ("reject", "The price was agreed."),
        ("expired", "Nobody decided"),
        ("cancelled", "was not posted (cancelled)"),
    ],
)
def test_each_end_of_an_approval_is_told_in_its_own_words(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run, verdict: str, words: str
) -> None:
    invoice = one_above_the_limit(open_disputes)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    call = next(c for c in console.calls_of("erp.issue_credit_memo") if c["arguments"]["invoice_id"] == invoice["id"])
    console.decide(call["id"], verdict)
    run_agent(TRIAGE)
    assert console.runs[call["run_id"]]["state"] == "failed"
    assert any(words in text for text in comments(console))
    assert (invoice["id"], call["arguments"]["amount"]) not in credited(systems)


def asked_about(console: FakeConsole, invoice: dict[str, Any]) -> dict[str, Any]:
    """The call that waits for people on this invoice's credit."""
    calls = console.calls_of("erp.issue_credit_memo")
    return next(call for call in calls if call["arguments"]["invoice_id"] == invoice["id"])


def test_a_wrong_amount_is_answered_with_another_version_and_posted_once(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run
) -> None:
    invoice = one_above_the_limit(open_disputes)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    call = asked_about(console, invoice)
    asked = call["arguments"]["amount"]
    console.decide(
        call["id"], "request_changes", reason_code="wrong_amount", comment="Only 31.00, the rest was agreed."
    )
    run_agent(TRIAGE)
    assert (call["state"], call["version"], call["arguments"]["amount"]) == ("awaiting_approval", 2, "31.00")
    assert call["arguments"] == {**call["asked"], "amount": "31.00"}
    assert f"justify up to {invoice['currency']} {asked}" in call["rationale"]
    assert [item["uri"].rsplit(":", 1)[1] for item in call["evidence"]] == [invoice["id"], "line"]
    console.decide(call["id"], "approve")
    finish_run(console, run_agent, call)
    assert credited(systems)[invoice["id"], "31.00"] == 1
    assert (invoice["id"], asked) not in credited(systems)
    assert any("credit of" in text and "31.00" in text and "was asked for" in text for text in comments(console))


def test_missing_evidence_is_answered_once_with_more_of_it(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run
) -> None:
    invoice = one_above_the_limit(open_disputes)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    call = asked_about(console, invoice)
    for version in (2, 2):
        console.decide(call["id"], "request_changes", reason_code="missing_evidence", comment="Which delivery?")
        run_agent(TRIAGE)
        assert call["version"] == version
    assert call["arguments"] == call["asked"]
    assert call["state"] == "cancelled"


@pytest.mark.parametrize(
    ("reason_code", "comment"),
    [
        ("wrong_amount", "Make it 999999.00"),
        ("wrong_amount", "Less, please."),
        ("not_justified", "The price was agreed."),
        ("wrong_party", "Ask the parent company."),
        ("duplicate", "See last week."),
        ("other", ""),
    ],
)
def test_what_the_records_cannot_justify_is_taken_back_and_told_on_the_ticket(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run, reason_code: str, comment: str
) -> None:
    invoice = one_above_the_limit(open_disputes)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    call = asked_about(console, invoice)
    console.decide(call["id"], "request_changes", reason_code=reason_code, comment=comment)
    run_agent(TRIAGE)
    assert (call["state"], call["version"]) == ("cancelled", 1)
    assert console.runs[call["run_id"]]["state"] == "failed"
    [told] = [text for text in comments(console) if "asked to change" in text]
    assert (comment or reason_code) in told
    assert invoice["id"] not in {name for name, _ in credited(systems)}


def test_an_answer_that_comes_too_late_is_no_harm(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It expired between the question and the answer."""
    invoice = one_above_the_limit(open_disputes)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    call = asked_about(console, invoice)
    console.decide(call["id"], "request_changes", reason_code="wrong_amount", comment="31.00")
    shown = console._read
    expired = iter([lambda: call.update(state="expired", approval={**call["approval"], "state": "expired"})])

    def shown_and_then_over(call_id: str, wait_seconds: float) -> Answer:
        answer = shown(call_id, wait_seconds)
        if call_id == call["id"]:
            next(expired, lambda: None)()
        return answer

    monkeypatch.setattr(console, "_read", shown_and_then_over)
    finish_run(console, run_agent, call)
    assert (call["state"], call["version"]) == ("expired", 1)
    assert any("Nobody decided" in text for text in comments(console))


def test_what_a_person_edited_is_told_as_it_was_posted(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run
) -> None:
    invoice = one_above_the_limit(open_disputes)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    call = asked_about(console, invoice)
    asked = call["arguments"]["amount"]
    console.edit(call["id"], amount="32.00")
    console.decide(call["id"], "approve")
    finish_run(console, run_agent, call)
    assert credited(systems)[invoice["id"], "32.00"] == 1
    assert any("32.00" in text and f"{asked} was asked for" in text for text in comments(console))


def test_a_rejection_is_told_and_the_case_stops(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run
) -> None:
    invoice = one_above_the_limit(open_disputes)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    call = asked_about(console, invoice)
    requests = len(console.calls_of("erp.issue_credit_memo"))
    console.decide(call["id"], "reject", reason_code="duplicate", comment="")
    run_agent(TRIAGE)
    run_agent(TRIAGE)
    assert len(console.calls_of("erp.issue_credit_memo")) == requests
    assert console.runs[call["run_id"]]["state"] == "failed"
    assert any("turned the credit" in text and "duplicate" in text for text in comments(console))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503, {"code": "breaker_open"}, {"Retry-After": "0"}),
        Answer(429, {"code": "rate_limited"}, {"Retry-After": "0"}),
        Answer(423, {"code": "halted"}, {"Retry-After": "0"}),
    ],
)
def test_what_passes_is_waited_out_under_the_same_key(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run, answer: Answer, monkeypatch: Any
) -> None:
    monkeypatch.setattr(
        "examples.order_to_cash.agents.console_client.DEFAULT_RETRY_SECONDS", dict.fromkeys((423, 429, 503), 0.05)
    )
    open_disputes(1)
    console.scripted["erp.get_invoice"] += [answer, answer]
    run_agent(INTAKE)
    (call,) = console.calls_of("erp.get_invoice")
    assert call["idempotency_key"] == "INV-100001/intake/invoice"


def test_a_call_that_certainly_failed_is_asked_for_under_a_new_key(
    console: FakeConsole, open_disputes: Open, run_agent: Run
) -> None:
    open_disputes(1)
    failed = problem(502, "connector.server_error", id="x", state="failed")
    console.scripted["ticketing.open_ticket"] += [failed, failed]
    run_agent(INTAKE)
    (call,) = console.calls_of("ticketing.open_ticket")
    assert call["idempotency_key"] == "INV-100001/dispute/ticket/3"


def test_a_refusal_of_the_system_ends_the_case(
    console: FakeConsole, systems: Systems, run_agent: Run, open_disputes: Open
) -> None:
    open_disputes(1)
    console.scripted["crm.get_customer"].append(problem(502, "connector.refused", id="x", state="failed"))
    run_agent(INTAKE)
    assert [run["state"] for run in console.runs.values()] == ["failed"]
    assert not console.calls_of("ticketing.open_ticket")


def test_a_missing_grant_ends_the_case(console: FakeConsole, open_disputes: Open, run_agent: Run) -> None:
    open_disputes(1)
    console.grants.remove(("o2c-intake", "ticketing.open_ticket"))
    run_agent(INTAKE)
    assert [run["state"] for run in console.runs.values()] == ["failed"]


def test_faults_of_the_systems_change_nothing_in_the_ledger(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run
) -> None:
    invoices = open_disputes(12)
    console.auto_approve = True
    rule = {"error_500_before": 0.1, "error_500_after": 0.1, "lost_answer": 0.1, "garbage": 0.1}
    rule |= {"timeout_after": 0.02, "hold_seconds": 1.2}
    with systems.client("erp") as erp, systems.client("ticketing") as ticketing:
        for client in (erp, ticketing):
            client.put("/faults", {"seed": 5, "rules": {"*": rule}})
    run_agent(INTAKE)
    finish(console, run_agent)
    assert credited(systems) == expected(invoices)
    tickets = Counter(call["arguments"]["reference"] for call in console.calls_of("ticketing.open_ticket", "succeeded"))
    assert len(tickets) == 12


def test_an_unknown_outcome_is_waited_for_and_never_asked_again(
    console: FakeConsole, open_disputes: Open, run_agent: Run
) -> None:
    one_above_the_limit(open_disputes)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    call = waiting_credit(console)
    requests = len(console.calls_of("erp.issue_credit_memo"))
    call["state"] = "outcome_unknown"
    working = threading.Thread(target=run_agent, args=(TRIAGE,))
    working.start()
    time.sleep(0.5)
    assert len(console.calls_of("erp.issue_credit_memo")) == requests
    assert console.runs[call["run_id"]]["state"] == "open"
    call.update(state="succeeded", result={"id": "CM-found-by-a-person"})
    working.join(10)
    assert console.runs[call["run_id"]]["state"] == "succeeded"
    assert any("CM-found-by-a-person" in text for text in comments(console))


def test_with_once_nobody_works_on_when_it_returns(open_disputes: Open, run_agent: Run) -> None:
    """A thread that did would hold a case the next life of the agent takes up as well."""
    threads = set(threading.enumerate())
    open_disputes(12)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    left = [thread for thread in threading.enumerate() if thread not in threads and "_work_turns" in thread.name]
    assert not left


@pytest.fixture
def start_agent(agent_arguments: Callable[..., list[str]]) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start an agent as a program. None is left when the test is over."""
    started = []

    def start(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"examples.order_to_cash.agents.{name}", *agent_arguments(f"o2c-{name}")]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_agents_killed_again_and_again_lose_and_double_nothing(
    console: FakeConsole,
    systems: Systems,
    open_disputes: Open,
    start_agent: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    invoices = open_disputes(12)
    console.auto_approve = True

    def is_over() -> bool:
        return len(console.runs) >= 12 and not open_runs(console)

    for life in range(4):
        agents = [start_agent("intake"), start_agent("triage")]
        if life < 3:
            enough = len(console.requests) + 15
            until(lambda enough=enough: len(console.requests) > enough or is_over())  # type: ignore[misc]
            for agent in agents:
                agent.send_signal(signal.SIGKILL)
                agent.wait()
    until(is_over)
    for agent in agents:
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(3) in (0, -signal.SIGTERM)  # the latter when it had no time to begin
    assert credited(systems) == expected(invoices)
    assert len(console.calls_of("ticketing.add_comment", "succeeded")) == 12


def test_collections_writes_notes_and_tickets_and_never_the_erp(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run
) -> None:
    overdue = open_disputes(30, "overdue")
    with systems.client("erp") as erp:
        for invoice in overdue:
            erp.post(f"/invoices/{invoice['id']}/payment-failures", {})
    run_agent(COLLECTIONS)
    extensions = console.calls_of("crm.extend_payment_term", "awaiting_approval")
    assert 0 < len(extensions) < 15
    assert Counter(run["state"] for run in console.runs.values()) == {
        "succeeded": 30 - len(extensions),
        "open": len(extensions),
    }
    for call in extensions:
        console.decide(call["id"], "approve")
    until(lambda: run_agent(COLLECTIONS) or not open_runs(console))
    assert Counter(run["state"] for run in console.runs.values()) == {"succeeded": 30}
    assert len(console.calls_of("crm.add_note", "succeeded")) >= 30
    assert console.calls_of("ticketing.open_ticket", "succeeded")
    assert {call["state"] for call in console.calls_of("crm.update_customer")} == {"denied"}
    writes = {call["tool"] for call in console.calls.values() if console.tools[call["tool"]]["effect"] == "write"}
    assert not any(tool.startswith("erp.") for tool in writes)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("approve", "14 more days to pay"), ("reject", "No more time"), ("request_changes", "No more")],
)
def test_a_good_customer_gets_more_time_when_finance_agrees(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run, verdict: str, words: str
) -> None:
    """Collections has no other wish to offer, so it takes back what finance wants changed."""
    overdue = open_disputes(30, "overdue")
    with systems.client("erp") as erp:
        for invoice in overdue:
            erp.post(f"/invoices/{invoice['id']}/payment-failures", {})
    run_agent(COLLECTIONS)
    call = console.calls_of("crm.extend_payment_term", "awaiting_approval")[0]
    assert set(call["arguments"]) == {"customer_id", "invoice_id", "days"}
    console.decide(call["id"], verdict, comment="Not this time.")
    until(lambda: run_agent(COLLECTIONS) or console.runs[call["run_id"]]["state"] != "open")
    assert console.runs[call["run_id"]]["state"] == "succeeded"
    notes = [note["arguments"]["note"] for note in console.calls_of("crm.add_note") if note["run_id"] == call["run_id"]]
    assert any(words in note for note in notes)


def test_reconciliation_reports_a_double_and_an_untraceable_posting(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run
) -> None:
    invoice = open_disputes(1)[0]
    memo = {name: invoice[name] for name in ("customer_id", "currency")} | {"invoice_id": invoice["id"]}
    memo |= {"amount": "1.00", "reason_code": "goodwill"}
    with systems.client("erp") as erp:
        erp.post("/credit-memos", memo, "k1")
        run_agent(RECONCILIATION)
        assert console.calls_of("ticketing.open_ticket") == []
        erp.post("/credit-memos", memo)
    run_agent(RECONCILIATION)
    texts = [call["arguments"]["text"] for call in console.calls_of("ticketing.open_ticket", "succeeded")]
    assert len(console.runs) == 2
    assert any("has no reference" in text for text in texts)


def test_the_concierge_reminds_once_of_what_waits_long(
    console: FakeConsole, open_disputes: Open, run_agent: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concierge, "PATIENCE_SECONDS", 0.0)
    open_disputes(12)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    waiting = sum(call["state"] == "awaiting_approval" for call in console.calls.values())
    run_agent(CONCIERGE)
    run_agent(CONCIERGE)
    assert len([text for text in comments(console) if "waits for an approval" in text]) == waiting > 0


def test_the_concierge_says_nothing_of_what_was_decided(systems: Systems, tmp_path: Any) -> None:
    trays = Trays(tmp_path)
    notice = {"id": "INV-1/approval", "from": "a", "to": concierge.SLUG, "run_id": "r", "invoice_id": "INV-1"}
    trays.put({**notice, "customer_id": "C-1", "ticket_id": "T-1"})
    assert trays.holds(concierge.SLUG, "INV-1/approval")
    trays.remove(concierge.SLUG, "INV-1/approval")
    assert list(trays.documents(concierge.SLUG)) == []


def test_a_handover_of_another_version_is_set_aside(tmp_path: Any) -> None:
    tray = tmp_path / "o2c-triage"
    tray.mkdir()
    (tray / "new.json").write_text(json.dumps({"schema": "order-to-cash/handover/2"}))
    (tray / "torn.json").write_text("{")
    assert list(Trays(tmp_path).documents("o2c-triage")) == []
    assert sorted(path.name for path in tray.iterdir()) == ["new.refused", "torn.refused"]


def test_how_much_waits_can_be_seen_from_outside(
    console: FakeConsole, systems: Systems, open_disputes: Open, run_agent: Run
) -> None:
    state = systems.home / "o2c-triage.sqlite3"
    assert count_waiting(state) == 0
    open_disputes(12)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    assert count_waiting(state) == sum(call["state"] == "awaiting_approval" for call in console.calls.values()) > 0


def finish(console: FakeConsole, run_agent: Run) -> None:
    """Let triage work until people have decided everything and all runs have ended."""

    def has_finished() -> bool:
        run_agent(TRIAGE)
        return not open_runs(console)

    until(has_finished)


def finish_run(console: FakeConsole, run_agent: Run, call: dict[str, Any]) -> None:
    """The same for the run of one call, while people have others before them."""

    def has_finished() -> bool:
        run_agent(TRIAGE)
        return bool(console.runs[call["run_id"]]["state"] != "open")

    until(has_finished)


def open_runs(console: FakeConsole) -> list[dict[str, Any]]:
    return [run for run in list(console.runs.values()) if run["state"] == "open"]


def until(happens: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
