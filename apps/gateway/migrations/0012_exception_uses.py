import apps.core.ids
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('gateway', '0011_decisions_of_rules'),
        ('policies', '0007_exceptions'),
    ]

    operations = [
        migrations.CreateModel(
            name='ExceptionUse',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('used_at', models.DateTimeField()),
                ('decision', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='gateway.decision')),
                ('exception', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='uses', to='policies.policyexception')),
                ('tool_call', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='gateway.toolcall')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['exception', '-id'], name='use_of_exception')],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='exceptionuse',
            trigger=pgtrigger.compiler.Trigger(name='immutable', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='8f203c031a51fa3a235817bf17196c7e26d333ac', operation='UPDATE OR DELETE', pgid='pgtrigger_immutable_8d1f2', table='gateway_exceptionuse', when='BEFORE')),
        ),
    ]
