"""Triage: resolves each dispute by the rules, asks for the credit or write-off they call for, answers the ticket."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from examples.order_to_cash.agents.agent import Agent, main
from examples.order_to_cash.agents.case import Answer, Case
from examples.order_to_cash.agents.console_client import ToolCall
from examples.order_to_cash.facts import InvoiceFacts
from examples.order_to_cash.money import text_from_minor
from examples.order_to_cash.rules import Resolution, ResolutionKind, assess, revise

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
    _comment(case, _answer(resolution, call, taken_back_for=case.once("taken back for", lambda: "")))
    case.end_run("succeeded" if call.state == "succeeded" else "failed")


def _request(case: Case, invoice: dict[str, Any], resolution: Resolution) -> ToolCall:
    return case.call(
        TOOL[resolution.kind],
        _arguments(invoice, resolution),
        f"{invoice['id']}/{VERB[resolution.kind]}/{resolution.reason_code}",
        rationale=resolution.rationale,
        confidence=resolution.confidence,
        evidence=[_evidence(invoice)],
        on_waiting=lambda call: _ask_concierge(case, call),
        on_changes=lambda call: _revise(case, resolution, call),
    )


def _arguments(invoice: dict[str, Any], resolution: Resolution) -> dict[str, Any]:
    return {
        "invoice_id": invoice["id"],
        "customer_id": invoice["customer_id"],
        "amount": text_from_minor(resolution.amount_minor),
        "currency": resolution.currency,
        "reason_code": resolution.reason_code,
    }


def _evidence(invoice: dict[str, Any], part: str = "") -> dict[str, str]:
    """The invoice as the ERP told it, or one part of it; no documents stand behind these."""
    told = invoice[part] if part else invoice
    return {
        "title": f"Invoice {invoice['id']} as the ERP told it" + (f": {part}" if part else ""),
        "uri": f"urn:order-to-cash:erp:invoice:{invoice['id']}" + (f":{part}" if part else ""),
        "sha256": hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest(),
    }


def _revise(case: Case, asked: Resolution, call: ToolCall) -> Answer | None:
    """Judge anew on the invoice as it is now, with what the person said. Without an answer the call is taken back, and
    why is remembered for the ticket.
    """
    said = call.feedback
    fact = f"{case.document['invoice_id']}/triage/{(call.approval or {}).get('id', '')}"
    invoice = case.read("erp.get_invoice", {"invoice_id": case.document["invoice_id"]}, fact)
    asked_minor = call.money["minor"] if call.money else asked.amount_minor
    revised = revise(
        assess(InvoiceFacts.from_document(invoice)),
        asked_minor=asked_minor,
        reason_code=said.get("reason_code", ""),
        comment=said.get("comment", ""),
    )
    is_the_same_again = revised is not None and revised.amount_minor == asked_minor and call.version > 1
    if revised is None or revised.kind is not asked.kind or is_the_same_again:
        case.once("taken back for", lambda: said.get("comment") or said.get("reason_code") or "another version")
        return None
    statement = {"rationale": revised.rationale, "confidence": revised.confidence}
    evidence = [_evidence(invoice), _evidence(invoice, "line")]
    return Answer(_arguments(invoice, revised), {**statement, "evidence": evidence})


def _answer(resolution: Resolution, call: ToolCall, *, taken_back_for: str) -> str:
    """What customer service reads. Each end has its own words: a time-out is not a refusal."""
    asked = f"{resolution.currency} {text_from_minor(resolution.amount_minor)}"
    posted = f"{resolution.currency} {text_from_minor(call.money['minor'])}" if call.money else asked
    what = f"{VERB[resolution.kind]} of {posted}"
    match call.state:
        case "succeeded":
            changed = f" {asked} was asked for and changed before it was approved." if posted != asked else ""
            return f"Posted as {call.result['id']}: {what}. {resolution.rationale}{changed}"
        case "rejected":
            return f"Finance turned the {what} down: {call.sentence}"
        case "expired":
            return f"Nobody decided on the {what} in time. It was not posted; please decide by hand."
        case "denied":
            return f"Policy does not allow the {what}: {call.sentence}"
        case "cancelled" if taken_back_for:
            asks = f"Finance asked to change the {what}: “{taken_back_for}”."
            return f"{asks} The records justify nothing else, so it was taken back; please decide by hand."
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
