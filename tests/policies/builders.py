"""Facts and releases for tests, made by the product's own functions."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps.core.canonical import digest
from apps.core.money import Money
from apps.policies.evaluation import LoadedRelease, content_hash, load_release
from apps.policies.validation import Known
from apps.policies.verdicts import CallFacts, ReleaseRef, ToolFacts

SHARED = Path(__file__).resolve().parents[2].parent / "shared"

CREDIT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["invoice_id", "customer_id", "amount", "currency", "reason_code"],
    "properties": {
        "invoice_id": {"type": "string"},
        "customer_id": {"type": "string"},
        "amount": {"type": "string"},
        "currency": {"enum": ["EUR", "USD"]},
        "reason_code": {"enum": ["price_mismatch", "goodwill", "duplicate"]},
        "note": {"type": "string"},
        "days": {"type": "integer"},
        "rate": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "ship_to": {
            "type": "object",
            "required": ["country"],
            "properties": {"country": {"type": "string"}, "geo": {"type": "number"}},
        },
    },
}

THRESHOLDS: dict[str, Any] = {
    "credit_alone": {"type": "money", "value": "500.00", "currency": "EUR", "label": "An agent may post alone"},
    "credit_cfo": {
        "type": "money",
        "value": "5000.00",
        "currency": "EUR",
        "label": "Above this the CFO office votes too",
    },
}

CREDIT_POLICIES = """\
@id("read-erp") @says("Order-to-cash agents may read the ERP")
permit (principal in Process::"order-to-cash", action in Action::"read", resource in Connector::"erp");

@id("credit-alone") @says("Small credit memos need nobody")
permit (principal in Process::"order-to-cash", action == Action::"erp.issue_credit_memo", resource)
when {
  context.money.currency == context.params.credit_alone.currency
  && context.money.minor <= context.params.credit_alone.minor
};

@id("credit-finance") @says("Larger credit memos need one finance approver")
@approval("finance-approvers:1") @expires("PT8H")
permit (principal in Process::"order-to-cash", action == Action::"erp.issue_credit_memo", resource)
when {
  context.money.currency == context.params.credit_alone.currency
  && context.money.minor > context.params.credit_alone.minor
  && context.money.minor <= context.params.credit_cfo.minor
};

@id("credit-cfo") @says("The largest credit memos need finance and the CFO office")
@approval("finance-approvers:1, cfo-office:1") @expires("P1D")
permit (principal in Process::"order-to-cash", action == Action::"erp.issue_credit_memo", resource)
when {
  context.money.currency == context.params.credit_cfo.currency
  && context.money.minor > context.params.credit_cfo.minor
};
"""

NO_MASTER_DATA = """\
@id("no-master-data") @says("No agent changes customer master data")
forbid (principal, action, resource)
when { context.data_classes.contains("customer_master") && context.effect == "write" };
"""


def tool(name: str = "erp.issue_credit_memo", **changes: Any) -> ToolFacts:
    """A reversible write that moves money, unless told otherwise."""
    values: dict[str, Any] = {
        "name": name,
        "connector": name.partition(".")[0],
        "effect": "write",
        "is_irreversible": False,
        "data_classes": ("financial",),
        "has_money": True,
        "input_schema": CREDIT_SCHEMA,
    } | changes
    values["definition_digest"] = digest({**values, "data_classes": list(values["data_classes"])})
    return ToolFacts(**values)


def read_tool(name: str = "erp.find_credit_memo") -> ToolFacts:
    schema = {"type": "object", "required": ["reference"], "properties": {"reference": {"type": "string"}}}
    return tool(name, effect="read", has_money=False, input_schema=schema)


CREDIT = tool()


def call(amount: str = "100.00", currency: str = "EUR", *, tool: ToolFacts = CREDIT, **changes: Any) -> CallFacts:
    arguments = {
        "invoice_id": "INV-1042",
        "customer_id": "C-1",
        "amount": amount,
        "currency": currency,
        "reason_code": "price_mismatch",
    }
    values: dict[str, Any] = {
        "agent": "o2c-writer",
        "process": "order-to-cash",
        "teams": ("o2c-oncall", "o2c-builders"),
        "tool": tool,
        "environment": "production",
        "arguments": arguments | changes.pop("more", {}),
        "money": Money.parse(amount, currency) if tool.has_money else None,
        "confidence": Decimal("0.93"),
        "run_steps": 3,
        "run_calls": 1,
        "run_cost_minor": 12,
    }
    return CallFacts(**(values | changes))


def release(
    text: str = CREDIT_POLICIES,
    *,
    of: str = "order-to-cash",
    version: int = 1,
    parameters: dict[str, Any] | None = None,
) -> LoadedRelease:
    parameters = (THRESHOLDS if text is CREDIT_POLICIES else {}) if parameters is None else parameters
    return load_release(ReleaseRef(of, version, content_hash(text, parameters)), text=text, parameters=parameters)


def permit(when: str = "true", *, name: str = "p", annotations: str = "") -> str:
    head = f'@id("{name}") @says("{name} says yes") {annotations}'
    return f"{head}\npermit (principal, action, resource) when {{ {when} }};\n"


def forbid(when: str = "true", *, name: str = "f") -> str:
    return f'@id("{name}") @says("{name} says no")\nforbid (principal, action, resource) when {{ {when} }};\n'


def known(**changes: Any) -> Known:
    values: dict[str, Any] = {
        "tools": (tool(), read_tool()),
        "teams": frozenset({"finance-approvers", "cfo-office", "o2c-oncall"}),
        "connectors": frozenset({"erp", "crm"}),
        "processes": frozenset({"order-to-cash"}),
        "agents": frozenset({"o2c-writer"}),
    }
    return Known(**(values | changes))


def shared_example() -> dict[str, Any] | None:
    """The bootstrap example, where this checkout stands beside it."""
    path = SHARED / "bootstrap-example.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
