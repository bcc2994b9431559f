"""What people found out about calls whose outcome nobody knew."""

import apps.core.ids
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0004_what_waits_goes_together'),
        ('gateway', '0004_versions_of_calls'),
        ('registry', '0003_operate_and_keys'),
        ('runs', '0003_kinds_of_steps'),
        ('vault', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Resolution',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('finding', models.CharField(choices=[('happened', 'It happened'), ('did_not_happen', 'It did not happen'), ('still_unknown', 'Still unknown')], max_length=20)),
                ('reference', models.CharField(blank=True, max_length=200)),
                ('link', models.URLField(blank=True, max_length=500)),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('made_by', models.CharField(max_length=160)),
                ('made_by_name', models.CharField(max_length=160)),
                ('made_at', models.DateTimeField()),
                ('tool_call', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='resolutions', to='gateway.toolcall')),
                ('words', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='vault.payload')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddField(
            model_name='toolcall',
            name='resolution',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='gateway.resolution'),
        ),
        migrations.AddIndex(
            model_name='toolcall',
            index=models.Index(condition=models.Q(('state', 'outcome_unknown')), fields=['process', 'id'], name='call_unknown'),
        ),
        migrations.AddIndex(
            model_name='resolution',
            index=models.Index(fields=['tool_call', 'id'], name='resolution_of_call'),
        ),
        migrations.AddConstraint(
            model_name='resolution',
            constraint=models.UniqueConstraint(condition=models.Q(('finding', 'still_unknown'), _negated=True), fields=('tool_call',), name='resolved_once'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='resolution',
            trigger=pgtrigger.compiler.Trigger(name='immutable', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='3fd44c2a1844d450a7ea70f4aed36c573deb960d', operation='UPDATE OR DELETE', pgid='pgtrigger_immutable_d2659', table='gateway_resolution', when='BEFORE')),
        ),
    ]
