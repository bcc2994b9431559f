"""Business processes."""

from collections.abc import Sequence

from django.db import transaction

from apps.accounts.models import Team
from apps.audit import services as audit
from apps.core.actor import Actor
from apps.registry.models import Process
from apps.registry.permissions import MANAGE
from apps.registry.queries import require_mesh_wide
from apps.registry.services.changes import bring_up_to_date


def register_process(
    *,
    slug: str,
    name: str,
    owner_team: Team,
    oncall_team: Team,
    actor: Actor,
    business_unit: str = "",
    time_zone: str = "UTC",
    currencies: Sequence[str] = (),
    run_time_budget_seconds: int | None = None,
) -> Process:
    """The process with this slug, made or brought up to date."""
    require_mesh_wide(actor, MANAGE)
    wanted = {
        "name": name,
        "business_unit": business_unit,
        "owner_team": owner_team,
        "oncall_team": oncall_team,
        "time_zone": time_zone,
        "currencies": list(currencies),
        "run_time_budget_seconds": run_time_budget_seconds,
    }
    with transaction.atomic():
        process, is_new = Process.objects.get_or_create(slug=slug, defaults=wanted)
        changed = [] if is_new else bring_up_to_date(process, wanted)
        if is_new or changed:
            audit.record(
                actor,
                "process.registered" if is_new else "process.changed",
                subject_type="process",
                subject_id=process.id,
                subject_name=process.name,
                process=process.slug,
                data={"fields": changed} if changed else None,
            )
    return process
