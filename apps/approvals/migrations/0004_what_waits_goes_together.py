"""What is pending has an open team and what is decided has none. Told so, the planner expects what the queue finds, and
walks its index instead of sorting everything that waits.
"""

from django.db import migrations

MAKE = """
CREATE STATISTICS approval_waiting (mcv) ON state, open_team_id, escalated_team_id FROM approvals_approval;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0003_fill_queue_columns")]

    operations = [migrations.RunSQL(MAKE, "DROP STATISTICS approval_waiting")]
