"""Decisions of the reference mesh by the hundred thousand: each with its call and the whole input it was made on, sent
by COPY. Every input is another one; what was decided is what the policies of the mesh decide.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

from django.db import connection

from apps.core import clock
from apps.core.actor import system_actor
from apps.core.money import Money
from apps.gateway.models import CallState, Decision, DecisionMoment, ToolCall
from apps.policies.evaluation import LoadedRelease, decide
from apps.policies.queries import active_releases, tool_facts
from apps.policies.verdicts import CallFacts, Verdict
from apps.registry.models import Agent, Tool
from apps.runs import services as runs
from apps.vault.models import Payload
from apps.vault.services import Document, sealed

BATCH = 5_000
# What agents do most is looking things up.
MIX = (
    ("erp.get_invoice", 30),
    ("crm.get_customer", 15),
    ("erp.issue_credit_memo", 35),
    ("erp.write_off", 5),
    ("ticketing.open_ticket", 15),
)
AMOUNTS = [f"{euro}.{cent:02}" for euro in (12, 25, 30, 31, 80, 180, 420, 990, 4800, 5200) for cent in (0, 49, 95)]


def fill(count: int, agent: Agent) -> None:
    """Write so many decisions on calls of this agent."""
    releases = active_releases(process_id=agent.process_id, environment=agent.environment)
    tools = {tool.name: tool for tool in Tool.objects.select_related("connector")}
    run = runs.open_run(agent=agent, title="History", actor=system_actor("benchmark"))
    draw = random.Random(1)
    names = draw.choices([name for name, _ in MIX], [weight for _, weight in MIX], k=count)
    known: dict[tuple[str, str, str], Verdict] = {}
    for first in range(0, count, BATCH):
        rows = [
            _rows(name, number, agent, run, tools[name], releases, draw, known) for number, name in _part(names, first)
        ]
        for model in (Payload, ToolCall, Decision):
            _copy(model, [row for each in rows for row in each if isinstance(row, model)])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE vault_payload, gateway_toolcall, gateway_decision")


def _part(names: list[str], first: int) -> Iterator[tuple[int, str]]:
    return enumerate(names[first : first + BATCH], first)


def _rows(
    name: str,
    number: int,
    agent: Agent,
    run: Any,
    tool: Tool,
    releases: tuple[LoadedRelease, ...],
    draw: random.Random,
    known: dict[tuple[str, str, str], Verdict],
) -> list[Any]:
    amount, currency = draw.choice(AMOUNTS), draw.choice(("EUR", "EUR", "USD"))
    money = Money.parse(amount, currency) if tool.has_money else None
    facts = CallFacts(
        agent=agent.slug,
        process=agent.process.slug,
        teams=(agent.owner_team.slug,),
        tool=tool_facts(tool),
        environment=agent.environment,
        arguments=_arguments(name, number, amount, currency),
        money=money,
        confidence=0.9,
        run_steps=1,
        run_calls=1,
        run_cost_minor=0,
        owner_team=agent.process.owner_team.slug if tool.is_irreversible else None,
    )
    key = (name, amount if money else "", currency if money else "")
    verdict = known.get(key) or known.setdefault(key, decide(facts, releases))
    request = sealed(Document("call.request", {"arguments": facts.arguments}))
    given = sealed(Document("decision.input", facts.as_json()))
    call = ToolCall(
        agent=agent,
        tool=tool,
        tool_version=tool.version,
        process=agent.process,
        environment=agent.environment,
        run=run,
        idempotency_key=f"{number}",
        state=CallState.CANCELLED,
        request=request,
        arguments_digest="0" * 64,
        money_minor=money.minor if money else None,
        currency=money.currency if money else "",
        requested_at=clock.now(),
    )
    decision = Decision(
        tool_call=call,
        moment=DecisionMoment.INTAKE,
        **verdict.as_json(),
        input=given,
        decided_at=clock.now(),
    )
    return [request, given, call, decision]


def _arguments(name: str, number: int, amount: str, currency: str) -> dict[str, Any]:
    invoice, customer = f"INV-{1000 + number}", f"C-{number % 7000}"
    if name == "erp.get_invoice":
        return {"invoice_id": invoice}
    if name == "crm.get_customer":
        return {"customer_id": customer + f"-{number}"}
    if name == "ticketing.open_ticket":
        return {"reference": invoice, "customer_id": customer, "title": "Dispute", "text": f"Wrong price on {invoice}"}
    reason = "price_mismatch" if name == "erp.issue_credit_memo" else "uncollectible"
    return {
        "invoice_id": invoice,
        "customer_id": customer,
        "amount": amount,
        "currency": currency,
        "reason_code": reason,
    }


def _copy(model: Any, rows: list[Any]) -> None:
    fields = model._meta.local_concrete_fields
    names = ", ".join(f'"{field.column}"' for field in fields)
    with connection.cursor() as cursor, cursor.copy(f"COPY {model._meta.db_table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([_written(field.name, getattr(row, field.attname)) for field in fields])


def _written(name: str, value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value
