"""What on-call wants to know of halts at any time (`apps.core.observing`)."""

from collections.abc import Iterator

from django.db.models import Count

from apps.core import observing
from apps.halts.models import Halt


def _in_force() -> Iterator[observing.Reading]:
    """Halts in force, by environment and mode."""
    counted = Halt.objects.in_force().order_by().values_list("environment", "mode").annotate(Count("id"))
    for environment, mode, count in counted:
        yield count, {"mesh.environment": environment, "mesh.halt.mode": mode}


LEVELS: dict[str, observing.Levels] = {"halts.in_force": _in_force}
