import apps.core.ids
import apps.notifications.models
import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('approvals', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('in_app', 'In the console'), ('email', 'E-mail'), ('slack', 'Slack'), ('teams', 'Microsoft Teams'), ('webhook', 'Webhook')], max_length=10)),
                ('name', models.CharField(blank=True, max_length=60)),
                ('host', models.CharField(blank=True, max_length=255)),
                ('address', models.TextField(blank=True)),
                ('allows', models.CharField(choices=[('link', 'A link'), ('summary', 'A summary')], default='link', max_length=10)),
                ('made_by', models.CharField(max_length=160)),
                ('made_at', models.DateTimeField()),
                ('verified_at', models.DateTimeField(null=True)),
                ('disabled_at', models.DateTimeField(help_text='Since when a person has it switched off', null=True)),
                ('failed_count', models.PositiveIntegerField(default=0)),
                ('retry_at', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, max_length=300)),
                ('last_sent_at', models.DateTimeField(null=True)),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='channels', to=settings.AUTH_USER_MODEL)),
                ('team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='channels', to='accounts.team')),
            ],
        ),
        migrations.CreateModel(
            name='News',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=160, unique=True)),
                ('kind', models.CharField(choices=[('opened', 'Waits for my team'), ('delegated', 'Delegated to me'), ('half', 'Half of the time is gone'), ('soon', 'Due soon'), ('overdue', 'Overdue'), ('escalated', 'Escalated to my team'), ('resolved', 'Resolved, and I voted'), ('changes', 'Changes asked for, and I voted'), ('test', 'Test message'), ('failed', 'A message was given up')], max_length=10)),
                ('data', models.JSONField(default=dict)),
                ('happened_at', models.DateTimeField()),
                ('due_at', models.DateTimeField()),
                ('spread_at', models.DateTimeField(null=True)),
                ('approval', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='approvals.approval')),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('opened', 'Waits for my team'), ('delegated', 'Delegated to me'), ('half', 'Half of the time is gone'), ('soon', 'Due soon'), ('overdue', 'Overdue'), ('escalated', 'Escalated to my team'), ('resolved', 'Resolved, and I voted'), ('changes', 'Changes asked for, and I voted'), ('test', 'Test message'), ('failed', 'A message was given up')], max_length=10)),
                ('is_digest', models.BooleanField(default=False)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('sent', 'Sent'), ('failed', 'Failed, will be tried again'), ('given_up', 'Given up'), ('dropped', 'No longer news')], default='waiting', max_length=10)),
                ('attempt_count', models.PositiveIntegerField(default=0)),
                ('due_at', models.DateTimeField()),
                ('last_error', models.CharField(blank=True, max_length=300)),
                ('sent_at', models.DateTimeField(null=True)),
                ('channel', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='notifications.channel')),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('news', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='notifications.news')),
            ],
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('opened', 'Waits for my team'), ('delegated', 'Delegated to me'), ('half', 'Half of the time is gone'), ('soon', 'Due soon'), ('overdue', 'Overdue'), ('escalated', 'Escalated to my team'), ('resolved', 'Resolved, and I voted'), ('changes', 'Changes asked for, and I voted'), ('test', 'Test message'), ('failed', 'A message was given up')], max_length=10)),
                ('made_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField(null=True)),
                ('news', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='notifications.news')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Preference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('opened', 'Waits for my team'), ('delegated', 'Delegated to me'), ('half', 'Half of the time is gone'), ('soon', 'Due soon'), ('overdue', 'Overdue'), ('escalated', 'Escalated to my team'), ('resolved', 'Resolved, and I voted'), ('changes', 'Changes asked for, and I voted'), ('test', 'Test message'), ('failed', 'A message was given up')], max_length=10)),
                ('mode', models.CharField(choices=[('now', 'At once'), ('digest', 'Digest'), ('never', 'Never')], max_length=10)),
                ('channel', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='preferences', to='notifications.channel')),
            ],
        ),
        migrations.CreateModel(
            name='Rhythm',
            fields=[
                ('person', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='rhythm', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('quiet_from', models.TimeField(null=True)),
                ('quiet_until', models.TimeField(null=True)),
                ('escalations_break_quiet', models.BooleanField(default=False)),
                ('digest_hours', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(), default=apps.notifications.models.one_in_the_morning, size=None)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('quiet_from', None), ('quiet_until', None)), models.Q(('quiet_from__isnull', False), ('quiet_until__isnull', False)), _connector='OR'), name='quiet_has_both_ends')],
            },
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('person__isnull', False), ('team', None)), models.Q(('person', None), ('team__isnull', False)), _connector='OR'), name='channel_of_person_or_team'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('team', None), models.Q(('kind__in', ['in_app', 'email']), _negated=True), _connector='OR'), name='channel_of_team_is_a_room'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.UniqueConstraint(condition=models.Q(('kind__in', ['in_app', 'email'])), fields=('person', 'kind'), name='channel_once'),
        ),
        migrations.AddIndex(
            model_name='news',
            index=models.Index(condition=models.Q(('spread_at', None)), fields=['due_at'], name='news_due'),
        ),
        migrations.AddIndex(
            model_name='news',
            index=models.Index(fields=['happened_at'], name='news_age'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state__in', ['waiting', 'failed'])), fields=['channel', 'due_at'], name='delivery_due'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('news', 'channel', 'person'), name='delivery_once', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['person', '-id'], name='notice_of_person'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('seen_at', None)), fields=['person'], name='notice_unseen'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.UniqueConstraint(fields=('person', 'news'), name='notice_once'),
        ),
        migrations.AddConstraint(
            model_name='preference',
            constraint=models.UniqueConstraint(fields=('channel', 'kind'), name='preference_once'),
        ),
    ]
