"""Marking notices as read."""

from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor
from apps.notifications.queries import notices_of


def mark_seen(*, actor: Actor, through: UUID) -> int:
    """Mark the person's notices up to this one as read; later ones were not on their screen. Returns how many."""
    with transaction.atomic():
        count = notices_of(actor).filter(seen_at=None, id__lte=through).update(seen_at=clock.now())
        audit.record(
            actor,
            "notices.read",
            subject_type="person",
            subject_id=actor.known_id,
            subject_name=actor.name,
            data={"count": count, "through": str(through)},
        )
    return count
