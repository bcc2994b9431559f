"""Who may say how long content is kept, hold it and erase it: the owners of a process, and compliance."""

from django.db import migrations

GIVE = """
INSERT INTO auth_permission (name, content_type_id, codename)
SELECT 'Can say how long content of this process is kept, hold it, and erase that of a run', id, 'retain_in_process'
FROM django_content_type WHERE app_label = 'registry' AND model = 'process'
ON CONFLICT DO NOTHING;
INSERT INTO registry_processuserpermission (user_id, content_object_id, permission_id)
SELECT DISTINCT role.user_id, role.process_id, permission.id
FROM registry_roleassignment role, auth_permission permission
WHERE role.role IN ('owner', 'compliance') AND role.process_id IS NOT NULL AND permission.codename = 'retain_in_process'
ON CONFLICT DO NOTHING;
INSERT INTO accounts_user_user_permissions (user_id, permission_id)
SELECT DISTINCT role.user_id, permission.id
FROM registry_roleassignment role, auth_permission permission
WHERE role.role IN ('owner', 'compliance') AND role.process_id IS NULL AND permission.codename = 'retain_in_process'
ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0008_release_alone'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='process',
            options={'permissions': [('approve_in_process', 'Can vote on approvals of this process'), ('halt_in_process', 'Can place and lift halts in this process'), ('audit_process', 'Can read the audit log of this process'), ('manage_process', 'Can change agents, tools and grants of this process'), ('govern_process', 'Can change how approvals work in this process, and who may approve how much'), ('operate_process', 'Can settle what agents left unclear in this process, and undo what they did'), ('reveal_in_process', 'Can reveal masked content of a call in this process, with a reason'), ('release_alone_in_process', 'Can release policies of this process alone in an emergency, to be reviewed afterwards'), ('retain_in_process', 'Can say how long content of this process is kept, hold it, and erase that of a run')]},
        ),
        migrations.RunSQL(GIVE, migrations.RunSQL.noop),
    ]
