"""Two more kinds of steps: what a person found out, and what undoes an earlier step."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runs', '0002_run_keys'),
    ]

    operations = [
        migrations.AlterField(
            model_name='span',
            name='kind',
            field=models.CharField(choices=[('decision', 'Policy decision'), ('human_wait', 'Waiting for a person'), ('vote', 'Vote'), ('tool', 'Tool call'), ('lookup', 'Lookup'), ('resolution', 'Resolution'), ('compensation', 'Compensation'), ('halt', 'Halt')], max_length=20),
        ),
    ]
