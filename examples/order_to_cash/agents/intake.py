"""Intake: opens a run and a ticket for each new dispute and hands it to triage."""

from __future__ import annotations

from examples.order_to_cash.agents.agent import Agent, main
from examples.order_to_cash.agents.case import Case, GivenUp

SLUG = "o2c-intake"
REASON_WORDS = {
    "price_mismatch": "the price is not the agreed one",
    "short_delivery": "less arrived than was billed",
    "duplicate": "it was billed before",
    "late_delivery": "it arrived late",
    "unexplained_balance": "nobody knows what this balance is for",
}


def work(case: Case) -> None:
    invoice_id = case.document["invoice_id"]
    run_id = case.open_run(f"Dispute about {invoice_id}")
    invoice = case.read("erp.get_invoice", {"invoice_id": invoice_id}, f"{invoice_id}/intake/invoice")
    customer_id = invoice["customer_id"]
    customer = case.read("crm.get_customer", {"customer_id": customer_id}, f"{invoice_id}/intake/customer")
    claim = REASON_WORDS.get(invoice["dispute_reason"] or "", "no reason was given")
    reference = f"{invoice_id}/dispute"
    ticket = case.call(
        "ticketing.open_ticket",
        {
            "reference": reference,
            "customer_id": customer_id,
            "title": f"{customer['name']} disputes {invoice_id}",
            "text": f"{invoice['currency']} {invoice['amount']}, {customer['tier']} customer: {claim}.",
        },
        f"{reference}/ticket",
        rationale="A customer disputes an invoice; customer service follows it in a ticket.",
    )
    if ticket.state != "succeeded":
        raise GivenUp(f"no ticket: {ticket.sentence}")
    case.trays.put(
        {
            "id": reference,
            "from": SLUG,
            "to": "o2c-triage",
            "run_id": run_id,
            "invoice_id": invoice_id,
            "customer_id": customer_id,
            "ticket_id": ticket.result["id"],
        }
    )


if __name__ == "__main__":
    main(Agent(SLUG, work, event_type="dispute_opened"))
