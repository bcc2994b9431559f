"""Teams, the process, and the people who answer for it."""

from __future__ import annotations

from typing import Any

PROCESS = "order-to-cash"

TEAMS: list[dict[str, Any]] = [
    {"slug": "finance-approvers", "name": "Finance approvers"},
    {"slug": "cfo-office", "name": "CFO office"},
    {"slug": "o2c-builders", "name": "Order-to-cash automation"},
    {"slug": "o2c-oncall", "name": "Order-to-cash on call"},
    {"slug": "compliance", "name": "Compliance"},
    {"slug": "platform", "name": "Platform engineering"},
]

PROCESSES: list[dict[str, Any]] = [
    {
        "slug": PROCESS,
        "name": "Order to cash",
        "business_unit": "emea",
        "owner_team": "o2c-builders",
        "oncall_team": "o2c-oncall",
        "time_zone": "Europe/Berlin",
        "currencies": ["EUR", "USD"],
    }
]


def _person(username: str, name: str, role: str, *teams: str) -> dict[str, Any]:
    return {
        "username": username,
        "email": f"{username}@example.com",
        "name": name,
        "password": None,
        "teams": list(teams),
        "roles": [{"role": role, "process": PROCESS}],
    }


PEOPLE: list[dict[str, Any]] = [
    _person("dana", "Dana Ruiz", "approver", "finance-approvers"),
    _person("carla", "Carla Meyer", "approver", "cfo-office"),
    _person("omar", "Omar Haddad", "operator", "o2c-oncall"),
    _person("chen", "Chen Wei", "compliance", "compliance"),
    _person("priya", "Priya Nair", "owner", "o2c-builders"),
    _person("alex", "Alex Novak", "engineer", "platform", "o2c-builders"),
]
