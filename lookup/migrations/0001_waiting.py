"""Addresses that wait for an insurer's answer, and what the web role may do with a link of theirs.

The web role reads no address. Whoever holds the token of a link may ask, confirm and remove by
three functions, which run with their owner's rights and find one row by the token's SHA-256. How
many wait for an insurer is a view: the portal operator sees all counts, others those of their own
insurers.
"""

import django.db.models.deletion
import uuid
from django.db import migrations, models

from insurers.migrations._create_models import CreateModels

# An address that is not confirmed is good for 48 hours (lookup/waiting/limits.py).
FIND = """
CREATE FUNCTION lookup_find_waiting(wanted bytea) RETURNS TABLE (
    insurer_id uuid, is_confirmed boolean
) LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT insurer_id, confirmed_at IS NOT NULL
    FROM public.lookup_waitingaddress
    WHERE token_sha256 = wanted
        AND (confirmed_at IS NOT NULL OR asked_at > now() - interval '48 hours')
$$;
REVOKE ALL ON FUNCTION lookup_find_waiting(bytea) FROM PUBLIC;
"""
# The message that asked for it has arrived, whatever became of its sending.
CONFIRM = """
CREATE FUNCTION lookup_confirm_waiting(wanted bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE public.lookup_waitingaddress
    SET confirmed_at = now(), due_at = now(), taken_up_at = NULL, attempts = 0, is_doubtful = false
    WHERE token_sha256 = wanted AND confirmed_at IS NULL
        AND asked_at > now() - interval '48 hours'
$$;
REVOKE ALL ON FUNCTION lookup_confirm_waiting(bytea) FROM PUBLIC;
"""
REMOVE = """
CREATE FUNCTION lookup_remove_waiting(wanted bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH removed AS (
        DELETE FROM public.lookup_waitingaddress WHERE token_sha256 = wanted
        RETURNING insurer_id, confirmed_at
    )
    INSERT INTO public.lookup_waitingtally AS tally (insurer_id, month_date, ending, people)
    SELECT insurer_id, date_trunc('month', now() AT TIME ZONE 'Europe/Paris')::date, 'removed', 1
    FROM removed WHERE confirmed_at IS NOT NULL
    ON CONFLICT (insurer_id, month_date, ending) DO UPDATE SET people = tally.people + 1
$$;
REVOKE ALL ON FUNCTION lookup_remove_waiting(bytea) FROM PUBLIC;
"""
# The settings are those of the row policies (breachportal/privileges.py), which need a table.
COUNT = """
CREATE VIEW lookup_waitingcount WITH (security_barrier = true) AS
SELECT insurer_id, count(*) AS people,
    min(confirmed_at AT TIME ZONE 'Europe/Paris')::date AS first_date
FROM lookup_waitingaddress
WHERE confirmed_at IS NOT NULL AND (
    current_setting('portal.role', true) = 'operator'
    OR insurer_id = ANY (
        string_to_array(nullif(current_setting('portal.insurers', true), ''), ',')::uuid[]
    )
)
GROUP BY insurer_id
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('insurers', '0001_initial'),
    ]

    operations = [
        CreateModels([
            migrations.CreateModel(
                name='WaitingCount',
                fields=[
                    ('insurer_id', models.UUIDField(primary_key=True, serialize=False)),
                    ('people', models.BigIntegerField()),
                    ('first_date', models.DateField()),
                ],
                options={
                    'managed': False,
                },
            ),
            migrations.CreateModel(
                name='WaitingKey',
                fields=[
                    ('number', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                    ('proof', models.BinaryField()),
                    ('created_at', models.DateTimeField()),
                ],
            ),
            migrations.CreateModel(
                name='WaitingRequest',
                fields=[
                    ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                    ('sealed', models.BinaryField()),
                    ('received_at', models.DateTimeField()),
                ],
            ),
            migrations.CreateModel(
                name='SentConfirmation',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('mailbox', models.UUIDField()),
                    ('sent_at', models.DateTimeField()),
                    ('insurer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='insurers.insurer')),
                ],
                options={
                    'indexes': [models.Index(fields=['mailbox', 'sent_at'], name='confirmations_of_mailbox')],
                },
            ),
            migrations.CreateModel(
                name='WaitingAddress',
                fields=[
                    ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                    ('fingerprint', models.UUIDField()),
                    ('sealed', models.BinaryField()),
                    ('token_sha256', models.BinaryField(unique=True)),
                    ('language', models.CharField(max_length=2)),
                    ('asked_at', models.DateTimeField()),
                    ('confirmed_at', models.DateTimeField(null=True)),
                    ('due_at', models.DateTimeField(null=True)),
                    ('taken_up_at', models.DateTimeField(null=True)),
                    ('attempts', models.PositiveSmallIntegerField(default=0)),
                    ('is_doubtful', models.BooleanField(default=False)),
                    ('insurer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='insurers.insurer')),
                ],
                options={
                    'indexes': [models.Index(fields=['due_at'], name='waiting_messages_due'), models.Index(condition=models.Q(('confirmed_at', None)), fields=['asked_at'], name='waiting_unconfirmed')],
                    'constraints': [models.UniqueConstraint(fields=('insurer', 'fingerprint'), name='an_address_waits_once_for_an_insurer')],
                },
            ),
            migrations.CreateModel(
                name='WaitingTally',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('month_date', models.DateField(verbose_name='mois')),
                    ('ending', models.CharField(choices=[('told', 'prévenues'), ('removed', 'retirées'), ('unreachable', 'injoignables'), ('expired', 'restées sans réponse')], max_length=15, verbose_name='fin')),
                    ('people', models.PositiveBigIntegerField(verbose_name='personnes')),
                    ('insurer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='waiting_tallies', to='insurers.insurer')),
                ],
                options={
                    'verbose_name': 'attente terminée',
                    'verbose_name_plural': 'attentes terminées',
                    'ordering': ('-month_date', 'insurer__name', 'ending'),
                    'constraints': [models.UniqueConstraint(fields=('insurer', 'month_date', 'ending'), name='one_waiting_tally_a_month')],
                },
            ),
        ]),
        migrations.RunSQL(FIND, "DROP FUNCTION lookup_find_waiting(bytea)"),
        migrations.RunSQL(CONFIRM, "DROP FUNCTION lookup_confirm_waiting(bytea)"),
        migrations.RunSQL(REMOVE, "DROP FUNCTION lookup_remove_waiting(bytea)"),
        migrations.RunSQL(COUNT, "DROP VIEW lookup_waitingcount"),
    ]
