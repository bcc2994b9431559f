"""The acts of retention."""

from apps.retention.services.dropping import drop_due_days
from apps.retention.services.erasing import erase_run
from apps.retention.services.holds import lift_legal_hold, place_legal_hold
from apps.retention.services.purging import purge_due
from apps.retention.services.rules import end_retention_rule, set_retention_rule

__all__ = [
    "drop_due_days",
    "end_retention_rule",
    "erase_run",
    "lift_legal_hold",
    "place_legal_hold",
    "purge_due",
    "set_retention_rule",
]
