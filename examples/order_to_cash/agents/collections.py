"""Collections: follows up failed payments with notes and dunning tickets, and asks finance to give good customers more
time for small invoices. It reads the ERP and never writes it.
"""

from __future__ import annotations

from typing import Any

from examples.order_to_cash.agents.agent import Agent, main
from examples.order_to_cash.agents.case import Case, GivenUp
from examples.order_to_cash.money import minor_from_text
from examples.order_to_cash.rules import extension_days

SLUG = "o2c-collections"
OVERDUE_LIMIT = 50
CALL_FROM_OVERDUE = 2


def work(case: Case) -> None:
    invoice_id = case.document["invoice_id"]
    fact = f"{invoice_id}/payment-failed/{case.document['event_id']}"
    case.open_run(f"Failed payment of {invoice_id}")
    invoice = case.read("erp.get_invoice", {"invoice_id": invoice_id}, f"{fact}/invoice")
    customer_id = invoice["customer_id"]
    customer = case.read("crm.get_customer", {"customer_id": customer_id}, f"{fact}/customer")
    search = {"customer_id": customer_id, "status": "overdue", "limit": OVERDUE_LIMIT}
    overdue = case.read("erp.list_invoices", search, f"{fact}/overdue")["items"]
    if customer.get("is_email_bouncing"):
        _ask_for_new_address(case, customer, fact)
    note = f"Payment of {invoice_id} ({invoice['currency']} {invoice['open_amount']}) failed. {_step(overdue)}"
    case.tell("crm.add_note", {"customer_id": customer_id, "note": note}, f"{fact}/note")
    if len(overdue) >= CALL_FROM_OVERDUE or customer["tier"] == "gold":
        _open_dunning_case(case, customer, overdue, fact)
    if days := extension_days(customer["tier"], minor_from_text(invoice["open_amount"])):
        _ask_for_more_time(case, invoice, days, fact)
    case.end_run("succeeded")


def _step(overdue: list[dict[str, Any]]) -> str:
    if len(overdue) >= CALL_FROM_OVERDUE:
        return f"{len(overdue)} invoices are overdue: somebody should call."
    return "Friendly reminder sent."


def _ask_for_new_address(case: Case, customer: dict[str, Any], fact: str) -> None:
    """Ask to correct a bouncing address. Policy keeps master data to people, so a note asks them instead."""
    address = customer["contact_email"].replace("@", ".billing@", 1)
    change = {"customer_id": customer["id"], "contact_email": address}
    call = case.call("crm.update_customer", change, f"{fact}/address", rationale="Reminders to this address bounce.")
    if call.state != "succeeded":
        note = f"Reminders to {customer['contact_email']} bounce; please correct the address by hand."
        case.tell("crm.add_note", {"customer_id": customer["id"], "note": note}, f"{fact}/address-note")


def _ask_for_more_time(case: Case, invoice: dict[str, Any], days: int, fact: str) -> None:
    """Finance decides; whatever it says, the reminder has gone out, and the customer's page tells what came of it."""
    wish = {"customer_id": invoice["customer_id"], "invoice_id": invoice["id"], "days": days}
    why = "A good customer, a small invoice: two more weeks cost less than a dispute."
    call = case.call("crm.extend_payment_term", wish, f"{fact}/extension", rationale=why, confidence=0.8)
    if call.state == "succeeded":
        note = f"{days} more days to pay {invoice['id']}, as {call.result['id']}."
    else:
        note = f"No more time to pay {invoice['id']} ({call.state.replace('_', ' ')}): {call.sentence}"
    case.tell("crm.add_note", {"customer_id": invoice["customer_id"], "note": note[:2000]}, f"{fact}/extension-note")


def _open_dunning_case(case: Case, customer: dict[str, Any], overdue: list[dict[str, Any]], fact: str) -> None:
    ids = ", ".join(invoice["id"] for invoice in overdue[:10]) or case.document["invoice_id"]
    ticket = {
        "reference": fact,
        "customer_id": customer["id"],
        "title": f"Call {customer['name']} about overdue invoices",
        "text": f"{customer['tier'].capitalize()} customer. Overdue: {ids}.",
    }
    call = case.call("ticketing.open_ticket", ticket, f"{fact}/ticket")
    if call.state != "succeeded":
        raise GivenUp(f"no dunning ticket: {call.sentence}")


if __name__ == "__main__":
    main(Agent(SLUG, work, event_type="payment_failed"))
