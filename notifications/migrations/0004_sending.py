"""Receipts, pace, tickets, pauses; and a constraint on what may follow what."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# As `notifications.states.allowed_moves` has them (tests/notifications/test_states.py compares).
# Not validated for what is there: a table of millions is not read while it is locked.
ONLY_ALLOWED_MOVES = """
ALTER TABLE notifications_deliveryevent ADD CONSTRAINT only_allowed_moves CHECK (
    previous_state = '' OR (previous_state, state) IN (
    ('accepted', 'bounced'),
    ('accepted', 'complained'),
    ('accepted', 'deferred'),
    ('accepted', 'delivered'),
    ('accepted', 'failed'),
    ('bounced', 'complained'),
    ('cancelled', 'bounced'),
    ('cancelled', 'complained'),
    ('cancelled', 'delivered'),
    ('cancelled', 'failed'),
    ('deferred', 'bounced'),
    ('deferred', 'cancelled'),
    ('deferred', 'complained'),
    ('deferred', 'delivered'),
    ('deferred', 'failed'),
    ('deferred', 'sending'),
    ('delivered', 'bounced'),
    ('delivered', 'complained'),
    ('delivered', 'failed'),
    ('failed', 'bounced'),
    ('failed', 'complained'),
    ('pending', 'bounced'),
    ('pending', 'cancelled'),
    ('pending', 'complained'),
    ('pending', 'deferred'),
    ('pending', 'delivered'),
    ('pending', 'failed'),
    ('pending', 'sending'),
    ('sending', 'accepted'),
    ('sending', 'bounced'),
    ('sending', 'deferred'),
    ('sending', 'failed'),
    ('sending', 'pending'),
    ('sending', 'suppressed'),
    ('sending', 'uncertain'),
    ('suppressed', 'bounced'),
    ('suppressed', 'complained'),
    ('suppressed', 'delivered'),
    ('suppressed', 'failed'),
    ('uncertain', 'bounced'),
    ('uncertain', 'complained'),
    ('uncertain', 'deferred'),
    ('uncertain', 'delivered'),
    ('uncertain', 'failed'),
    ('uncertain', 'pending')
    )
) NOT VALID;
"""
ANY_MOVE = "ALTER TABLE notifications_deliveryevent DROP CONSTRAINT only_allowed_moves"


class Migration(migrations.Migration):

    dependencies = [
        ('insurers', '0009_upload_effect'),
        ('notifications', '0003_effects'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CrowdedChoice',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('people', models.IntegerField()),
                ('first_rows', models.JSONField(default=list)),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('is_applied', models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name='DispatchTicket',
            fields=[
                ('slot', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='ProviderReference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sender', models.CharField(max_length=80)),
                ('reference', models.CharField(max_length=120)),
                ('notification_id', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=64, unique=True)),
                ('sender', models.CharField(max_length=80)),
                ('notification_id', models.BigIntegerField(null=True)),
                ('reference', models.CharField(blank=True, max_length=120)),
                ('kind', models.CharField(choices=[('delivered', 'remise'), ('delayed', 'retardée, le prestataire essaie encore'), ('soft', 'refusée pour un temps'), ('hard', 'adresse refusée'), ('complained', 'signalée comme indésirable'), ('failed', 'échec')], max_length=10)),
                ('code', models.CharField(blank=True, max_length=60)),
                ('text', models.CharField(blank=True, max_length=200)),
                ('is_applied', models.BooleanField(default=False)),
                ('received_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='SenderPace',
            fields=[
                ('sender', models.CharField(max_length=80, primary_key=True, serialize=False)),
                ('next_at', models.DateTimeField()),
                ('day_date', models.DateField()),
                ('sent_today', models.BigIntegerField(default=0)),
                ('rests_until_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='campaign',
            name='one_running_campaign_per_list',
        ),
        migrations.RemoveConstraint(
            model_name='notification',
            name='each_reference_once',
        ),
        migrations.RemoveIndex(
            model_name='notification',
            name='claimable_messages',
        ),
        migrations.AddField(
            model_name='campaign',
            name='halt_told',
            field=models.JSONField(default=list, verbose_name='personnes prévenues de l’arrêt'),
        ),
        migrations.AddField(
            model_name='dispatchbatch',
            name='sender',
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name='notification',
            name='receipts_wait',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='notification',
            name='resent_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name='campaign',
            name='state',
            field=models.CharField(choices=[('submitted', 'à approuver'), ('returned', 'renvoyée'), ('approved', 'approuvée, envoi en préparation'), ('sending', 'envoi en cours'), ('paused', 'en pause'), ('halted', 'arrêtée'), ('finished', 'terminée'), ('cancelled', 'annulée')], max_length=20, verbose_name='état'),
        ),
        migrations.AlterField(
            model_name='dispatchbatch',
            name='campaign',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='notifications.campaign'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='batch',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='notifications.dispatchbatch'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='campaign',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='notifications.campaign'),
        ),
        migrations.AlterField(
            model_name='told',
            name='campaign',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='notifications.campaign'),
        ),
        migrations.AddIndex(
            model_name='dispatchbatch',
            index=models.Index(fields=['campaign', 'id'], name='latest_batch_of_a_campaign'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('state__in', ('pending', 'sending', 'deferred'))), fields=['campaign', 'channel', 'due_at', 'id'], name='messages_in_progress'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('batch__isnull', False)), fields=['batch'], name='messages_of_a_batch'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('state', 'uncertain')), fields=['campaign', 'due_at'], name='messages_in_doubt'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('receipts_wait', True)), fields=['id'], name='messages_with_receipts'),
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'notice'), models.Q(('state', 'returned'), _negated=True)), fields=('affected_list',), name='one_running_campaign_per_list'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(condition=models.Q(('reference_fingerprint__isnull', False)), fields=('reference_fingerprint',), name='each_reference_once'),
        ),
        migrations.AddField(
            model_name='crowdedchoice',
            name='campaign',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='crowded_choices', to='notifications.campaign'),
        ),
        migrations.AddField(
            model_name='crowdedchoice',
            name='confirmed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='providerreference',
            constraint=models.UniqueConstraint(fields=('sender', 'reference'), name='each_provider_reference_once'),
        ),
        migrations.AddIndex(
            model_name='receipt',
            index=models.Index(condition=models.Q(('is_applied', False)), fields=['notification_id'], name='receipts_that_wait'),
        ),
        migrations.AddIndex(
            model_name='receipt',
            index=models.Index(condition=models.Q(('notification_id', None)), fields=['sender', 'reference'], name='receipts_of_no_message'),
        ),
        migrations.RunSQL(ONLY_ALLOWED_MOVES, ANY_MOVE),
    ]
