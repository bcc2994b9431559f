"""Who sees which class of data, who may reveal it, and how large an answer may be."""

import apps.core.ids
import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


GIVE = """
INSERT INTO auth_permission (name, content_type_id, codename)
SELECT 'Can reveal masked content of a call in this process, with a reason', id, 'reveal_in_process'
FROM django_content_type WHERE app_label = 'registry' AND model = 'process'
ON CONFLICT DO NOTHING;
INSERT INTO registry_processuserpermission (user_id, content_object_id, permission_id)
SELECT role.user_id, role.process_id, permission.id
FROM registry_roleassignment role, auth_permission permission
WHERE role.role IN ('compliance', 'owner') AND role.process_id IS NOT NULL AND permission.codename = 'reveal_in_process'
ON CONFLICT DO NOTHING;
INSERT INTO accounts_user_user_permissions (user_id, permission_id)
SELECT role.user_id, permission.id
FROM registry_roleassignment role, auth_permission permission
WHERE role.role IN ('compliance', 'owner') AND role.process_id IS NULL AND permission.codename = 'reveal_in_process'
ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0005_when_down'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='process',
            options={'permissions': [('approve_in_process', 'Can vote on approvals of this process'), ('halt_in_process', 'Can place and lift halts in this process'), ('audit_process', 'Can read the audit log of this process'), ('manage_process', 'Can change agents, tools and grants of this process'), ('govern_process', 'Can change how approvals work in this process, and who may approve how much'), ('operate_process', 'Can settle what agents left unclear in this process, and undo what they did'), ('reveal_in_process', 'Can reveal masked content of a call in this process, with a reason')]},
        ),
        migrations.AddField(
            model_name='tool',
            name='max_result_bytes',
            field=models.PositiveIntegerField(help_text='None: as the installation says', null=True),
        ),
        migrations.CreateModel(
            name='DataClassRule',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('data_class', models.CharField(max_length=40)),
                ('roles', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), default=list, help_text='None of them: nobody by their role', size=None)),
                ('set_by', models.CharField(max_length=160)),
                ('set_at', models.DateTimeField()),
                ('process', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='data_class_rules', to='registry.process')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('process', 'data_class'), name='data_class_once', nulls_distinct=False)],
            },
        ),
        migrations.RunSQL(GIVE, migrations.RunSQL.noop),
    ]
