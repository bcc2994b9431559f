"""Approval concierge: says on the ticket that an approval takes long, so that nobody asks for the same thing again."""

from __future__ import annotations

from datetime import UTC, datetime

from examples.order_to_cash.agents.agent import Agent, main
from examples.order_to_cash.agents.case import Case, Parked

SLUG = "o2c-concierge"
PATIENCE_SECONDS = 600.0


def work(case: Case) -> None:
    age = (datetime.now(UTC) - datetime.fromisoformat(case.document["at"])).total_seconds()
    is_waiting = case.trays.holds(SLUG, case.document["id"])
    if is_waiting and age < PATIENCE_SECONDS:
        raise Parked(min(60.0, PATIENCE_SECONDS - age))
    if is_waiting:
        _remind(case)


def _remind(case: Case) -> None:
    until = case.document.get("expires_at")
    text = "This waits for an approval in finance" + (f" until {until}." if until else ".")
    arguments = {"ticket_id": case.document["ticket_id"], "text": text}
    case.tell("ticketing.add_comment", arguments, f"{case.document['invoice_id']}/concierge/reminder")


if __name__ == "__main__":
    main(Agent(SLUG, work, takes_handovers=True, keeps_handovers=True), workers=1, poll=5.0)
