"""The world every test starts in, in the format of `bootstrap --file`: one process, a cast of people, three agents,
one business system.
"""

from typing import Any

PASSWORD = "correct horse battery staple"

CREDIT_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["invoice_id", "customer_id", "amount", "currency", "reason_code"],
    "properties": {
        "invoice_id": {"type": "string", "pattern": "^INV-[0-9]+$"},
        "customer_id": {"type": "string"},
        "amount": {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"},
        "currency": {"enum": ["EUR", "USD"]},
        "reason_code": {"enum": ["price_mismatch", "goodwill", "duplicate"]},
        "note": {"type": "string"},
    },
}

POLICY = """
@id("read-erp") @says("Agents may read the ERP")
permit (principal in Process::"order-to-cash", action in Action::"read", resource in Connector::"erp");

@id("credit-alone") @says("Small credit memos need nobody")
permit (principal in Process::"order-to-cash", action == Action::"erp.issue_credit_memo", resource)
when { context.money.currency == context.params.credit_alone.currency
    && context.money.minor <= context.params.credit_alone.minor };

@id("credit-finance") @says("Larger credit memos need one finance approver")
@approval("finance-approvers:1") @expires("PT8H")
permit (principal in Process::"order-to-cash", action == Action::"erp.issue_credit_memo", resource)
when { context.money.currency == context.params.credit_alone.currency
    && context.money.minor > context.params.credit_alone.minor
    && context.money.minor <= context.params.credit_cfo.minor };

@id("credit-cfo") @says("The largest credit memos need finance and the CFO office")
@approval("finance-approvers:1, cfo-office:1") @expires("P1D")
permit (principal in Process::"order-to-cash", action == Action::"erp.issue_credit_memo", resource)
when { context.money.currency == context.params.credit_cfo.currency
    && context.money.minor > context.params.credit_cfo.minor };

@id("write-off") @says("A write-off is never done alone")
@approval("finance-approvers:1") @expires("PT8H")
permit (principal in Process::"order-to-cash", action == Action::"erp.write_off", resource);

@id("ticket") @says("Agents may open tickets")
permit (principal in Process::"order-to-cash", action == Action::"erp.open_ticket", resource);
"""

PARAMETERS = {
    "credit_alone": {
        "type": "money",
        "value": "500.00",
        "currency": "EUR",
        "label": "Credit memos an agent may post alone",
    },
    "credit_cfo": {
        "type": "money",
        "value": "5000.00",
        "currency": "EUR",
        "label": "Above this the CFO office votes too",
    },
}


def _person(username: str, name: str, teams: list[str], *roles: str) -> dict[str, Any]:
    return {
        "username": username,
        "email": f"{username}@example.com",
        "name": name,
        "password": PASSWORD,
        "teams": teams,
        "roles": [{"role": role, "process": "order-to-cash"} for role in roles],
    }


def document(erp_url: str, *, timeout_seconds: float = 1.0) -> dict[str, Any]:
    """The whole world with the ERP at this address."""
    ticket = {"type": "object", "required": ["reference"], "properties": {"reference": {"type": "string"}}}
    return {
        "teams": [
            {"slug": "finance-approvers", "name": "Finance approvers"},
            {"slug": "cfo-office", "name": "CFO office"},
            {"slug": "o2c-builders", "name": "Order-to-cash automation"},
            {"slug": "o2c-oncall", "name": "Order-to-cash on call"},
        ],
        "processes": [
            {
                "slug": "order-to-cash",
                "name": "Order to cash",
                "business_unit": "emea",
                "owner_team": "o2c-builders",
                "oncall_team": "o2c-oncall",
                "time_zone": "Europe/Berlin",
                "currencies": ["EUR", "USD"],
            },
            {
                "slug": "procure-to-pay",
                "name": "Procure to pay",
                "business_unit": "emea",
                "owner_team": "o2c-builders",
                "oncall_team": "o2c-oncall",
                "time_zone": "Europe/Berlin",
                "currencies": ["EUR"],
            },
        ],
        "people": [
            _person("dana", "Dana Ruiz", ["finance-approvers"], "approver"),
            _person("felix", "Felix Braun", ["finance-approvers"], "approver"),
            _person("carla", "Carla Meyer", ["cfo-office"], "approver"),
            _person("omar", "Omar Haddad", ["o2c-oncall"], "operator"),
            _person("chen", "Chen Wei", [], "compliance"),
            _person("priya", "Priya Nair", ["o2c-builders"], "owner"),
            _person("alex", "Alex Novak", ["o2c-builders"], "engineer"),
            _person("otto", "Otto Fremd", []),
        ],
        "connectors": [
            {
                "slug": "erp",
                "name": "ERP",
                "kind": "http",
                "environments": {
                    "production": {
                        "base_url": erp_url,
                        "auth": {"type": "bearer", "secret": "erp-secret"},
                        "timeout_seconds": timeout_seconds,
                        # many tests let it fail often; those about breakers say what opens one
                        "breaker": {"consecutive_failures": 1_000_000, "min_calls": 1_000_000},
                        "allow_private_addresses": True,
                    }
                },
            }
        ],
        "tools": [
            {
                "name": "erp.issue_credit_memo",
                "connector": "erp",
                "title": "Issue a credit memo",
                "says": "Credit {money} to {customer_id} on invoice {invoice_id}",
                "effect": "write",
                "reversible": True,
                "idempotent": True,
                "lookup": {"tool": "erp.find", "arguments": {"reference": "/idempotency_key"}, "found": "/items/0"},
                "money": {"amount": "/amount", "currency": "/currency"},
                "entity": {"type": "invoice", "id": "/invoice_id"},
                "data_classes": ["financial"],
                "request": {"method": "POST", "path": "/credit-memos", "body": "/"},
                "input_schema": CREDIT_SCHEMA,
                "output_schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            },
            {
                "name": "erp.write_off",
                "connector": "erp",
                "title": "Write off",
                "says": "Write off {money} of invoice {invoice_id}",
                "effect": "write",
                "reversible": False,
                "idempotent": False,
                "money": {"amount": "/amount", "currency": "/currency"},
                "entity": {"type": "invoice", "id": "/invoice_id"},
                "data_classes": ["financial"],
                "request": {"method": "POST", "path": "/write-offs", "body": "/"},
                "input_schema": CREDIT_SCHEMA,
                "output_schema": {"type": "object", "required": ["id"]},
            },
            {
                "name": "erp.open_ticket",
                "connector": "erp",
                "title": "Open a ticket",
                "says": "Open ticket {reference}",
                "effect": "write",
                "reversible": True,
                "idempotent": False,
                "lookup": {"tool": "erp.find", "arguments": {"reference": "/idempotency_key"}, "found": "/items/0"},
                "data_classes": [],
                "request": {"method": "POST", "path": "/tickets", "body": "/"},
                "input_schema": ticket,
                "output_schema": {"type": "object", "required": ["id"]},
            },
            {
                "name": "erp.find",
                "connector": "erp",
                "title": "Find by reference",
                "says": "Look up {reference}",
                "effect": "read",
                "data_classes": ["financial"],
                "request": {"method": "GET", "path": "/credit-memos", "query": {"reference": "/reference"}},
                "input_schema": {**ticket, "additionalProperties": False},
                "output_schema": {"type": "object", "required": ["items"]},
            },
        ],
        "agents": [
            _agent("writer", "Order-to-cash writer", "order-to-cash"),
            _agent("triage", "Exception triage", "order-to-cash"),
            _agent("payer", "Payer", "procure-to-pay"),
        ],
        "grants": [
            {"agent": agent, "tool": tool, "reason": "Its job"}
            for agent, tools in {
                "writer": ["erp.issue_credit_memo", "erp.write_off", "erp.open_ticket", "erp.find"],
                "triage": ["erp.issue_credit_memo", "erp.find"],
                "payer": ["erp.find"],
            }.items()
            for tool in tools
        ],
        "policies": [
            {"set": "order-to-cash", "environments": ["production"], "parameters": PARAMETERS, "text": POLICY},
            {
                "set": "global",
                "environments": ["production"],
                "parameters": {},
                "text": '@id("no-master-data") @says("No agent changes customer master data")\n'
                'forbid (principal, action, resource) when { context.data_classes.contains("customer_master") '
                '&& context.effect == "write" };\n',
            },
        ],
    }


def _agent(slug: str, name: str, process: str) -> dict[str, Any]:
    return {
        "slug": slug,
        "name": name,
        "process": process,
        "environment": "production",
        "owner_team": "o2c-oncall",
        "built_by": "o2c-builders",
        "credential": True,
    }
