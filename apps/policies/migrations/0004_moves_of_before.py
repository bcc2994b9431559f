"""The pointers as they stand get a row in the history of moves. What was before them only the audit log knows."""

from typing import Any

from django.db import migrations


def write_moves(apps: Any, schema_editor: Any) -> None:
    active, moves = apps.get_model("policies", "ActiveRelease"), apps.get_model("policies", "PointerMove")
    known = set(moves.objects.values_list("policy_set_id", "environment"))
    for row in active.objects.order_by("since", "id"):
        if (row.policy_set_id, row.environment) not in known:
            moves.objects.create(
                policy_set_id=row.policy_set_id,
                environment=row.environment,
                release_id=row.release_id,
                moved_at=row.since,
                moved_by=row.activated_by,
                moved_by_name=row.activated_by,
            )


class Migration(migrations.Migration):
    dependencies = [("policies", "0003_drafts_and_reviews")]
    operations = [migrations.RunPython(write_moves, migrations.RunPython.noop)]
