"""Calls that undo others, and runs undone step by step."""

import apps.core.ids
import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0004_what_waits_goes_together'),
        ('gateway', '0005_resolutions'),
        ('registry', '0003_operate_and_keys'),
        ('runs', '0003_kinds_of_steps'),
        ('vault', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Unwind',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('running', 'Under way'), ('done', 'Done'), ('stopped', 'Stopped')], default='running', max_length=10)),
                ('sentence', models.CharField(blank=True, help_text='Why it stopped', max_length=500)),
                ('started_by', models.CharField(max_length=160)),
                ('started_by_name', models.CharField(max_length=160)),
                ('people', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None)),
                ('started_at', models.DateTimeField()),
                ('looked_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='UnwindStep',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('position', models.PositiveIntegerField()),
                ('state', models.CharField(choices=[('pending', 'Waiting'), ('under_way', 'Under way'), ('undone', 'Undone'), ('left', 'Left as it is'), ('failed', 'Failed')], default='pending', max_length=10)),
                ('sentence', models.CharField(blank=True, max_length=500)),
            ],
            options={
                'ordering': ['position'],
            },
        ),
        migrations.AddField(
            model_name='toolcall',
            name='compensates',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='compensations', to='gateway.toolcall'),
        ),
        migrations.AddConstraint(
            model_name='toolcall',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['awaiting_approval', 'queued', 'executing', 'succeeded', 'outcome_unknown', 'compensated'])), fields=('compensates',), name='compensated_once'),
        ),
        migrations.AddField(
            model_name='unwind',
            name='own_run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='runs.run'),
        ),
        migrations.AddField(
            model_name='unwind',
            name='person',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='unwind',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='unwinds', to='runs.run'),
        ),
        migrations.AddField(
            model_name='unwindstep',
            name='call',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='gateway.toolcall'),
        ),
        migrations.AddField(
            model_name='unwindstep',
            name='compensation',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='gateway.toolcall'),
        ),
        migrations.AddField(
            model_name='unwindstep',
            name='unwind',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='gateway.unwind'),
        ),
        migrations.AddIndex(
            model_name='unwind',
            index=models.Index(condition=models.Q(('state', 'running')), fields=['looked_at'], name='unwind_running'),
        ),
        migrations.AddConstraint(
            model_name='unwind',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'running')), fields=('run',), name='one_unwind_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='unwindstep',
            constraint=models.UniqueConstraint(fields=('unwind', 'position'), name='unwind_step_once'),
        ),
    ]
