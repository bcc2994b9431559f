"""How one agent hands work to another: a small JSON document in the other's tray, a directory of files.

The contract, version 1, are the members `REQUIRED` names. A document appears whole or not at all; its reader takes it
into its own state before removing it, so it is never lost and at worst read twice under the same id.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA = "order-to-cash/handover/1"
REQUIRED = ("schema", "id", "from", "to", "at", "run_id", "invoice_id", "customer_id", "ticket_id")


class Trays:
    """All trays of the mesh, one directory per agent."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, document: dict[str, Any]) -> None:
        """Lay a document into the tray of `document["to"]`; the same id again changes nothing."""
        whole = {"schema": SCHEMA, "at": datetime.now(UTC).isoformat(timespec="seconds"), **document}
        missing = [name for name in REQUIRED if name not in whole]
        if missing:
            raise ValueError(f"a hand-over needs {', '.join(missing)}")
        path = self._path(whole["to"], whole["id"])
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(json.dumps(whole, indent=1), encoding="utf-8")
        draft.replace(path)

    def documents(self, agent: str) -> Iterator[dict[str, Any]]:
        """What lies in an agent's tray. A document of another version is set aside as `.refused`, not lost."""
        for path in sorted((self._root / agent).glob("*.json")):
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
                readable = document["schema"] == SCHEMA and all(name in document for name in REQUIRED)
            except FileNotFoundError:
                continue  # its giver took it back
            except (ValueError, KeyError, TypeError):
                readable = False
            if readable:
                yield document
            else:
                path.rename(path.with_suffix(".refused"))

    def holds(self, agent: str, document_id: str) -> bool:
        return self._path(agent, document_id).exists()

    def remove(self, agent: str, document_id: str) -> None:
        """Take a document out: its reader has it, or its giver takes it back."""
        self._path(agent, document_id).unlink(missing_ok=True)

    def _path(self, agent: str, document_id: str) -> Path:
        return self._root / agent / f"{re.sub(r'[^A-Za-z0-9.-]', '_', document_id)}.json"
