import apps.core.ids
import django.db.models.deletion
from django.db import migrations, models

class Migration(migrations.Migration):

    dependencies = [
        ('policies', '0004_moves_of_before'),
    ]

    operations = [
        migrations.CreateModel(
            name='EmergencyRelease',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('due_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('open', 'To be reviewed'), ('overdue', 'Review overdue'), ('agreed', 'Agreed to afterwards'), ('rejected', 'Rejected afterwards')], default='open', max_length=10)),
                ('answered_at', models.DateTimeField(null=True)),
                ('request', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='emergency', to='policies.releaserequest')),
                ('taken_back', models.OneToOneField(help_text='What undid it', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='takes_back', to='policies.releaserequest')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('state', 'agreed'), _negated=True), fields=['due_at'], name='emergency_not_agreed')],
            },
        ),
    ]
