import apps.core.ids
import datetime
import django.db.models.deletion
import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0004_what_waits_goes_together'),
        ('policies', '0006_scheduled_releases'),
        ('registry', '0008_release_alone'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PolicyException',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('environment', models.CharField(choices=[('sandbox', 'Sandbox'), ('staging', 'Staging'), ('production', 'Production')], max_length=20)),
                ('rules', models.JSONField(help_text='The ids of the rules it lifts')),
                ('cap_minor', models.BigIntegerField(null=True)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('reason', models.CharField(max_length=300)),
                ('requested_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('waiting', 'In review'), ('active', 'In force'), ('expired', 'Expired'), ('revoked', 'Revoked'), ('refused', 'Refused'), ('withdrawn', 'Withdrawn')], default='waiting', max_length=10)),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_by', models.CharField(blank=True, max_length=160)),
                ('ended_by_name', models.CharField(blank=True, max_length=200)),
                ('end_reason', models.CharField(blank=True, max_length=300)),
                ('agent', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.agent')),
                ('approval', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='approvals.approval')),
                ('process', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.process')),
                ('release', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exceptions', to='policies.policyrelease')),
                ('requester', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tool', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.tool')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('state__in', ['waiting', 'active'])), fields=['expires_at'], name='exception_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(('expires_at__lte', django.db.models.expressions.CombinedExpression(models.F('requested_at'), '+', models.Value(datetime.timedelta(days=7))))), name='exception_at_most_a_week'), models.CheckConstraint(condition=models.Q(models.Q(('cap_minor', None), ('currency', '')), models.Q(('cap_minor__gt', 0), models.Q(('currency', ''), _negated=True)), _connector='OR'), name='exception_cap_in_a_currency')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='policyexception',
            trigger=pgtrigger.compiler.Trigger(name='new_configuration', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    INSERT INTO core_generation (name, mark) VALUES ('configuration', gen_random_uuid())\n    ON CONFLICT (name) DO UPDATE SET mark = EXCLUDED.mark;\n    RETURN NULL;\n", hash='8da92c6c19780fd91119f17e8ef8fbc85282b877', level='STATEMENT', operation='INSERT OR UPDATE OR DELETE OR TRUNCATE', pgid='pgtrigger_new_configuration_45e53', table='policies_policyexception', when='BEFORE')),
        ),
    ]
