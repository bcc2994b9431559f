"""The end of a halt's time, written down when it comes. Whether a halt holds is judged where it is read, by the
database's clock, and never by this.
"""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.core import clock, outbox
from apps.core.actor import system_actor
from apps.halts.events import HaltExpired
from apps.halts.models import Halt, Mode
from apps.halts.targets import target_of
from apps.halts.telling import record

EXPIRY = system_actor("halt-expiry")
BATCH_SIZE = 200


def tell_expired_halts() -> int:
    """Audit and tell of every halt whose time ran out before anyone lifted it. Returns how many."""
    due = Halt.objects.filter(lifted_at=None, expiry_told_at=None, expires_at__lte=Now())
    return sum(_tell(halt_id) for halt_id in list(due.order_by("id").values_list("id", flat=True)[:BATCH_SIZE]))


def _tell(halt_id: UUID) -> bool:
    with transaction.atomic():
        halt = Halt.objects.select_for_update().filter(id=halt_id, lifted_at=None, expiry_told_at=None).first()
        if halt is None:
            return False
        halt.expiry_told_at = clock.now()
        halt.save(update_fields=["expiry_told_at"])
        goes_on = "It goes on as a hold." if halt.mode == Mode.STOP else "It holds nothing any more."
        record(EXPIRY, "halt.expired", halt, target_of(halt), reason=goes_on)
        outbox.add(HaltExpired(halt_id=str(halt.id)))
    return True
