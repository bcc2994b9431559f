"""A small mesh beside the one of `tests.world`, which shares no name with it."""

import copy
from typing import Any

PERMIT = """@id("pay-small") @says("Small payments need nobody")
permit (principal, action == Action::"bank.pay", resource)
when { context.money.minor <= context.params.alone.minor };
"""

SMALL: dict[str, Any] = {
    "teams": [{"slug": "treasury", "name": "Treasury"}],
    "processes": [
        {
            "slug": "payouts",
            "name": "Payouts",
            "owner_team": "treasury",
            "oncall_team": "treasury",
            "time_zone": "Europe/Madrid",
            "currencies": ["EUR"],
            "run_time_budget": "PT8H",
            "approvals": {
                "sla": "PT8H",
                "work_days": [0, 1, 2, 3],
                "work_hours": ["08:30", "16:00"],
                "holidays": "ES-MD",
                "counts_twice": True,
                "undo_seconds": 20,
                "step_up": {"EUR": "10000.00"},
                "votes_per_hour": 40,
                "second_look_percent": 2.5,
                "second_look_team": "treasury",
                "limits": [
                    {"team": "treasury", "currency": "EUR", "amount": "5000.00", "reason": "Board, 3 May"},
                    {"person": "tess", "currency": "EUR", "amount": "20000.00", "reason": "Head of treasury"},
                ],
            },
        }
    ],
    "people": [
        {
            "username": "tess",
            "email": "tess@bank.example.org",
            "name": "Tess Treasurer",
            "password": None,
            "time_zone": "Europe/Madrid",
            "teams": ["treasury"],
            "roles": [{"role": "approver", "process": "payouts"}, {"role": "compliance", "process": None}],
        },
        {"username": "theo", "email": "theo@bank.example.org", "name": "Theo", "password": "a literal password"},
    ],
    "connectors": [
        {
            "slug": "bank",
            "name": "Bank",
            "kind": "http",
            "environments": {
                "production": {
                    "base_url": "https://bank.example.org",
                    "auth": {"type": "header", "name": "X-Key", "secret": "a literal secret"},
                    "timeout_seconds": 2,
                    "breaker": {"error_rate": 0.5, "window_seconds": 30, "min_calls": 10, "cooldown_seconds": 10},
                }
            },
        }
    ],
    "tools": [
        {
            "name": "bank.pay",
            "connector": "bank",
            "title": "Pay",
            "says": "Pay {money} to {payee}",
            "effect": "write",
            "lookup": {"tool": "bank.find", "arguments": {"reference": "/idempotency_key"}, "found": "/items/0"},
            "money": {"amount": "/amount", "currency": "/currency"},
            "request": {"method": "POST", "path": "/payments", "body": "/"},
            "input_schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["payee", "amount", "currency"],
                "properties": {
                    "payee": {"type": "string"},
                    "amount": {"type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$"},
                    "currency": {"enum": ["EUR"]},
                },
            },
        },
        {
            "name": "bank.find",
            "connector": "bank",
            "title": "Find",
            "says": "Find {reference}",
            "effect": "read",
            "request": {"method": "GET", "path": "/payments", "query": {"reference": "/reference"}},
            "input_schema": {
                "type": "object",
                "required": ["reference"],
                "properties": {"reference": {"type": "string"}},
            },
        },
    ],
    "agents": [
        {
            "slug": "paymaster",
            "name": "Paymaster",
            "process": "payouts",
            "environment": "production",
            "owner_team": "treasury",
            "built_by": "o2c-builders",
            "credential": True,
        }
    ],
    "grants": [
        {"agent": "paymaster", "tool": "bank.pay", "reason": "Pays", "expires_at": "2999-12-31T23:59:59Z"},
        {"agent": "paymaster", "tool": "bank.find", "reason": "Checks", "expires_at": None},
    ],
    "policies": [
        {
            "set": "payouts",
            "environments": ["production"],
            "parameters": {"alone": {"type": "money", "value": "100.00", "currency": "EUR", "label": "Alone"}},
            "text": PERMIT,
        }
    ],
}


def small() -> dict[str, Any]:
    """A copy to change."""
    return copy.deepcopy(SMALL)


def changed(pointer: str, value: Any) -> dict[str, Any]:
    """The small mesh with the part at `pointer` replaced."""
    document = small()
    *steps, last = pointer.removeprefix("/").split("/")
    part: Any = document
    for step in steps:
        part = part[int(step)] if isinstance(part, list) else part[step]
    part[int(last) if isinstance(part, list) else last] = value
    return document
