"""Prints what the console has to know about this mesh, as `./console manage bootstrap --file` reads it.

    python -m examples.order_to_cash.bootstrap --ports-file PORTS.json --home DIR > bootstrap.json

Chooses the three systems' ports and makes their token files on first use; run again it prints the same.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from examples.order_to_cash.catalogue.agents import AGENTS, GRANTS
from examples.order_to_cash.catalogue.people import PEOPLE, PROCESSES, TEAMS
from examples.order_to_cash.catalogue.policies import POLICIES
from examples.order_to_cash.catalogue.spending import BUDGETS, RATES
from examples.order_to_cash.catalogue.tools import TOOLS, connectors
from examples.order_to_cash.places import ensure_ports, ensure_tokens


def document(ports: dict[str, int], home: Path) -> dict[str, Any]:
    """The whole declaration."""
    return {
        "teams": TEAMS,
        "processes": PROCESSES,
        "people": PEOPLE,
        "connectors": connectors(ports, home),
        "tools": TOOLS,
        "agents": AGENTS,
        "grants": GRANTS,
        "policies": POLICIES,
        "budgets": BUDGETS,
        "rates": RATES,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bootstrap", description="Print what the console has to know about this mesh."
    )
    parser.add_argument("--ports-file", type=Path, required=True, help="JSON with the ports; made when missing")
    parser.add_argument("--home", type=Path, required=True, help="the mesh's directory, for its token files")
    options = parser.parse_args()
    home = options.home.resolve()
    ensure_tokens(home)
    print(json.dumps(document(ensure_ports(options.ports_file, home), home), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
