"""Reconciliation: reads the ledger after each batch of postings and reports what does not add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from examples.order_to_cash.agents.agent import Agent, Event, NewCase, main
from examples.order_to_cash.agents.case import Case

SLUG = "o2c-reconciliation"
PAGE = 200
POLL_SECONDS = 30.0


def one_case(events: Sequence[Event]) -> list[NewCase]:
    """All postings since the last look are one piece of work."""
    last = events[-1]["id"]
    return [(f"postings/{last}", {"event_id": last})]


def work(case: Case) -> None:
    case.open_run(f"Reconcile the ledger up to event {case.document['event_id']}")
    after = int(case.once("start", lambda: case.store.mark("ledger", "0")))
    while True:
        search = {"after": after, "limit": PAGE}
        page = case.read("erp.list_postings", search, f"{case.id}/after-{after}")["items"]
        for entry in page:
            _check(case, entry)
        if not page:
            break
        after = page[-1]["number"]
        if len(page) < PAGE:
            break
    case.store.set_mark("ledger", str(after))
    case.end_run("succeeded")


def _check(case: Case, entry: dict[str, Any]) -> None:
    """A second live credit memo on one invoice, or a posting nobody can trace, is reported once."""
    mark = f"credited/{entry['invoice_id']}"
    earlier = case.store.mark(mark)
    if entry["kind"] == "void":
        case.store.set_mark(mark, "")
        return
    if not entry["reference"]:
        _report(case, entry, "has no reference: nobody can say who asked for it.")
    if entry["kind"] != "credit_memo":
        return
    if earlier and earlier != entry["document_id"]:
        _report(case, entry, f"credits an invoice that {earlier} has credited already.")
    case.store.set_mark(mark, entry["document_id"])


def _report(case: Case, entry: dict[str, Any], problem: str) -> None:
    reference = f"{entry['document_id']}/reconciliation"
    ticket = {
        "reference": reference,
        "customer_id": entry["customer_id"],
        "title": f"Posting {entry['document_id']} does not add up",
        "text": f"{entry['document_id']} ({entry['currency']} {entry['amount']}) on {entry['invoice_id']} {problem}",
    }
    case.call("ticketing.open_ticket", ticket, f"{reference}/ticket")


if __name__ == "__main__":
    agent = Agent(SLUG, work, event_type="resolution_posted", cases_of=one_case)
    main(agent, workers=1, poll=POLL_SECONDS)
