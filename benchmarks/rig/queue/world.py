"""Who works in the queue: one process, three teams, an approver in two of them, and an administrator."""

from typing import Any

TEAMS = ("finance-approvers", "credit-control", "cfo-office")
APPROVER, ADMINISTRATOR = "dana", "root"


def document() -> dict[str, Any]:
    """In the format of `bootstrap --file`."""
    process = {
        "slug": "order-to-cash",
        "name": "Order to cash",
        "owner_team": "owners",
        "oncall_team": "owners",
        "time_zone": "Europe/Berlin",
        "currencies": ["EUR", "USD"],
    }
    role = {"role": "approver", "process": "order-to-cash"}
    return {
        "teams": [{"slug": slug, "name": slug.replace("-", " ").capitalize()} for slug in (*TEAMS, "owners")],
        "processes": [process],
        "people": [
            _person(APPROVER, "Dana Ruiz", [*TEAMS[:2]], role),
            _person(ADMINISTRATOR, "Root", ["owners"]),
        ],
        "agents": [
            {
                "slug": "writer",
                "name": "Writer",
                "process": "order-to-cash",
                "environment": "production",
                "owner_team": "owners",
                "built_by": "owners",
            }
        ],
    }


def _person(username: str, name: str, teams: list[str], *roles: dict[str, str]) -> dict[str, Any]:
    email = f"{username}@example.com"
    return {"username": username, "email": email, "name": name, "teams": teams, "roles": list(roles)}
