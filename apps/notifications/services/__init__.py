"""The acts of notifications: noting news, telling people, and what people set."""

from apps.notifications.services.channels import (
    add_channel,
    remove_channel,
    retry_channel,
    switch_channel,
    try_channel,
)
from apps.notifications.services.claiming import due_deliveries
from apps.notifications.services.notices import mark_seen
from apps.notifications.services.preferences import change_preferences
from apps.notifications.services.sending import send, send_due
from apps.notifications.services.spreading import (
    close_news,
    close_news_of_call,
    forget_old,
    note,
    note_stale_outcomes,
    spread_due,
)

__all__ = [
    "add_channel",
    "change_preferences",
    "close_news",
    "close_news_of_call",
    "due_deliveries",
    "forget_old",
    "mark_seen",
    "note",
    "note_stale_outcomes",
    "remove_channel",
    "retry_channel",
    "send",
    "send_due",
    "spread_due",
    "switch_channel",
    "try_channel",
]
