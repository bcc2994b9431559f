from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0004_what_waits_goes_together'),
        ('policies', '0005_emergency_releases'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='releaserequest',
            name='one_release_in_review',
        ),
        migrations.AddField(
            model_name='releaserequest',
            name='release_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name='releaserequest',
            name='state',
            field=models.CharField(choices=[('waiting', 'In review'), ('scheduled', 'Scheduled'), ('done', 'Released'), ('refused', 'Refused'), ('withdrawn', 'Withdrawn')], default='waiting', max_length=10),
        ),
        migrations.AddIndex(
            model_name='releaserequest',
            index=models.Index(condition=models.Q(('state', 'scheduled')), fields=['release_at'], name='release_scheduled'),
        ),
        migrations.AddConstraint(
            model_name='releaserequest',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['waiting', 'scheduled'])), fields=('policy_set', 'environment'), name='one_release_in_review'),
        ),
    ]
