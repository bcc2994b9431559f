"""What the queue sorts and filters by, for approvals from before it did. Runs again without harm."""

from django.db import migrations

FILL = """
UPDATE approvals_approval SET milestones = ARRAY[expires_at] WHERE milestones = '{}';
UPDATE approvals_approval SET next_milestone_at = expires_at WHERE state = 'pending' AND next_milestone_at IS NULL;
UPDATE approvals_approval approval SET open_team_id = (
    SELECT stage.team_id FROM approvals_stage stage
    WHERE stage.approval_id = approval.id AND stage.passed_at IS NULL ORDER BY stage.position LIMIT 1
) WHERE state = 'pending' AND open_team_id IS NULL;
UPDATE approvals_approval approval SET spent_people = (
    SELECT array_agg(vote.voter_id) FROM approvals_vote vote WHERE vote.approval_id = approval.id
) WHERE spent_people = '{}' AND EXISTS (SELECT 1 FROM approvals_vote vote WHERE vote.approval_id = approval.id);
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0002_work_of_a_team")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
