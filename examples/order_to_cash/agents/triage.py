"""Triage: resolves each dispute by the rules, asks for the credit or write-off they call for, answers the ticket."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from examples.order_to_cash.agents.agent import Agent, main
from examples.order_to_cash.agents.case import Case
from examples.order_to_cash.agents.console_client import ToolCall
from examples.order_to_cash.facts import InvoiceFacts
from examples.order_to_cash.money import text_from_minor
from examples.order_to_cash.rules import Resolution, ResolutionKind, assess

SLUG = "o2c-triage"
CONCIERGE = "o2c-concierge"
TOOL = {ResolutionKind.CREDIT: "erp.issue_credit_memo", ResolutionKind.WRITE_OFF: "erp.write_off"}
VERB = {ResolutionKind.CREDIT: "credit", ResolutionKind.WRITE_OFF: "write-off"}


def work(case: Case) -> None:
    invoice_id = case.document["invoice_id"]
    invoice = case.read("erp.get_invoice", {"invoice_id": invoice_id}, f"{invoice_id}/triage/invoice")
    resolution = assess(InvoiceFacts.from_document(invoice))
    if resolution.kind is ResolutionKind.EXPLAIN:
        _comment(case, f"No credit: {resolution.rationale}")
        case.end_run("succeeded")
        return
    call = _request(case, invoice, resolution)
    case.trays.remove(CONCIERGE, _notice_id(case))
    _comment(case, _answer(resolution, call))
    case.end_run("succeeded" if call.state == "succeeded" else "failed")


def _request(case: Case, invoice: dict[str, Any], resolution: Resolution) -> ToolCall:
    return case.call(
        TOOL[resolution.kind],
        {
            "invoice_id": invoice["id"],
            "customer_id": invoice["customer_id"],
            "amount": text_from_minor(resolution.amount_minor),
            "currency": resolution.currency,
            "reason_code": resolution.reason_code,
        },
        f"{invoice['id']}/{VERB[resolution.kind]}/{resolution.reason_code}",
        rationale=resolution.rationale,
        confidence=resolution.confidence,
        evidence=[
            {
                "title": f"Invoice {invoice['id']} as the ERP told it",
                "uri": f"urn:order-to-cash:erp:invoice:{invoice['id']}",
                "sha256": hashlib.sha256(json.dumps(invoice, sort_keys=True).encode()).hexdigest(),
            }
        ],
        on_waiting=lambda call: _ask_concierge(case, call),
    )


def _answer(resolution: Resolution, call: ToolCall) -> str:
    """What customer service reads. Each end has its own words: a time-out is not a refusal."""
    what = f"{VERB[resolution.kind]} of {resolution.currency} {text_from_minor(resolution.amount_minor)}"
    match call.state:
        case "succeeded":
            return f"Posted as {call.result['id']}: {what}. {resolution.rationale}"
        case "rejected":
            return f"Finance turned the {what} down: {call.sentence}"
        case "expired":
            return f"Nobody decided on the {what} in time. It was not posted; please decide by hand."
        case "denied":
            return f"Policy does not allow the {what}: {call.sentence}"
        case _:
            return f"The {what} was not posted ({call.state.replace('_', ' ')}): {call.sentence}"


def _comment(case: Case, text: str) -> None:
    arguments = {"ticket_id": case.document["ticket_id"], "text": text[:2000]}
    case.tell("ticketing.add_comment", arguments, f"{case.document['invoice_id']}/triage/answer")


def _ask_concierge(case: Case, call: ToolCall) -> None:
    keys = ("run_id", "invoice_id", "customer_id", "ticket_id")
    passed_on = {key: case.document[key] for key in keys}
    approval = call.approval or {}
    notice = {"id": _notice_id(case), "from": SLUG, "to": CONCIERGE, "expires_at": approval.get("expires_at")}
    case.trays.put({**notice, **passed_on})


def _notice_id(case: Case) -> str:
    return f"{case.document['invoice_id']}/approval"


if __name__ == "__main__":
    main(Agent(SLUG, work, takes_handovers=True))
