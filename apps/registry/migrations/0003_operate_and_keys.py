"""Operators and process owners may settle and undo what agents did; a tool may say how long it keeps idempotency keys."""

from django.db import migrations, models

GIVE = """
INSERT INTO auth_permission (name, content_type_id, codename)
SELECT 'Can settle what agents left unclear in this process, and undo what they did', id, 'operate_process'
FROM django_content_type WHERE app_label = 'registry' AND model = 'process'
ON CONFLICT DO NOTHING;
INSERT INTO registry_processuserpermission (user_id, content_object_id, permission_id)
SELECT role.user_id, role.process_id, permission.id
FROM registry_roleassignment role, auth_permission permission
WHERE role.role IN ('operator', 'owner') AND role.process_id IS NOT NULL AND permission.codename = 'operate_process'
ON CONFLICT DO NOTHING;
INSERT INTO accounts_user_user_permissions (user_id, permission_id)
SELECT role.user_id, permission.id
FROM registry_roleassignment role, auth_permission permission
WHERE role.role IN ('operator', 'owner') AND role.process_id IS NULL AND permission.codename = 'operate_process'
ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0002_govern"),
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="process",
            options={
                "permissions": [
                    ("approve_in_process", "Can vote on approvals of this process"),
                    ("halt_in_process", "Can place and lift halts in this process"),
                    ("audit_process", "Can read the audit log of this process"),
                    ("manage_process", "Can change agents, tools and grants of this process"),
                    (
                        "govern_process",
                        "Can change how approvals work in this process, and who may approve how much",
                    ),
                    (
                        "operate_process",
                        "Can settle what agents left unclear in this process, and undo what they did",
                    ),
                ]
            },
        ),
        migrations.AddField(
            model_name="tool",
            name="idempotency_keep_days",
            field=models.PositiveIntegerField(help_text="None: for good", null=True),
        ),
        migrations.RunSQL(GIVE, migrations.RunSQL.noop),
    ]
