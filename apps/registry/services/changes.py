"""Bringing a row up to date without touching one that is."""

from typing import Any

from django.db.models import Model


def bring_up_to_date(row: Model, wanted: dict[str, Any]) -> list[str]:
    """Save what differs and return the names of the changed fields; none, and nothing is written."""
    changed = [field for field, value in wanted.items() if getattr(row, field) != value]
    for field in changed:
        setattr(row, field, wanted[field])
    if changed:
        row.save(update_fields=changed)
    return changed
