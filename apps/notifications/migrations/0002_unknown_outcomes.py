"""People hear of calls whose outcome nobody knows."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('gateway', '0005_resolutions'),
        ('notifications', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='news',
            name='tool_call',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='gateway.toolcall'),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='kind',
            field=models.CharField(choices=[('opened', 'Waits for my team'), ('delegated', 'Delegated to me'), ('half', 'Half of the time is gone'), ('soon', 'Due soon'), ('overdue', 'Overdue'), ('escalated', 'Escalated to my team'), ('resolved', 'Resolved, and I voted'), ('changes', 'Changes asked for, and I voted'), ('unknown', 'Outcome unknown'), ('test', 'Test message'), ('failed', 'A message was given up')], max_length=10),
        ),
        migrations.AlterField(
            model_name='news',
            name='kind',
            field=models.CharField(choices=[('opened', 'Waits for my team'), ('delegated', 'Delegated to me'), ('half', 'Half of the time is gone'), ('soon', 'Due soon'), ('overdue', 'Overdue'), ('escalated', 'Escalated to my team'), ('resolved', 'Resolved, and I voted'), ('changes', 'Changes asked for, and I voted'), ('unknown', 'Outcome unknown'), ('test', 'Test message'), ('failed', 'A message was given up')], max_length=10),
        ),
        migrations.AlterField(
            model_name='notice',
            name='kind',
            field=models.CharField(choices=[('opened', 'Waits for my team'), ('delegated', 'Delegated to me'), ('half', 'Half of the time is gone'), ('soon', 'Due soon'), ('overdue', 'Overdue'), ('escalated', 'Escalated to my team'), ('resolved', 'Resolved, and I voted'), ('changes', 'Changes asked for, and I voted'), ('unknown', 'Outcome unknown'), ('test', 'Test message'), ('failed', 'A message was given up')], max_length=10),
        ),
        migrations.AlterField(
            model_name='preference',
            name='kind',
            field=models.CharField(choices=[('opened', 'Waits for my team'), ('delegated', 'Delegated to me'), ('half', 'Half of the time is gone'), ('soon', 'Due soon'), ('overdue', 'Overdue'), ('escalated', 'Escalated to my team'), ('resolved', 'Resolved, and I voted'), ('changes', 'Changes asked for, and I voted'), ('unknown', 'Outcome unknown'), ('test', 'Test message'), ('failed', 'A message was given up')], max_length=10),
        ),
    ]
