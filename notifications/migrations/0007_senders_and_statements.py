"""What the DNS says of senders, public statements, and views of what everybody may read of both.

A view reads as its owner: everybody sees these columns of these rows, whatever the policies of the
tables say, and nothing else of them.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

SENDERS = """
CREATE VIEW notifications_declaredsender WITH (security_barrier = true) AS
SELECT i.id, i.insurer_id, i.from_name, coalesce(c.outcome, '') AS outcome, c.findings, c.checked_at,
    coalesce(c.from_domain, lower(split_part(i.from_address, '@', 2))) AS from_domain
FROM notifications_sendingidentity i
LEFT JOIN notifications_sendercheck c ON c.identity_id = i.id
WHERE i.state = 'approved'
"""
# The name in front of the portal's own address is the controller's.
NAMES = """
CREATE VIEW notifications_declaredname WITH (security_barrier = true) AS
SELECT insurer_id, 'sms' AS channel, plan -> 'sms' ->> 'sender' AS name
FROM notifications_campaign
WHERE approved_at IS NOT NULL AND plan -> 'sms' ->> 'sender' <> ''
UNION
SELECT insurer_id, 'domain', sender_standing ->> 'domain'
FROM notifications_campaign WHERE approved_at IS NOT NULL AND sender_standing ->> 'domain' <> ''
UNION
SELECT c.insurer_id, 'email', v.content ->> 'controller_name'
FROM notifications_campaign c JOIN notifications_noticeversion v ON v.id = c.notice_version_id
WHERE c.approved_at IS NOT NULL AND v.content ->> 'controller_name' <> '' AND NOT EXISTS (
    SELECT FROM notifications_sendingidentity i
    WHERE i.insurer_id = c.insurer_id AND i.state = 'approved'
)
"""
STATEMENTS = """
CREATE VIEW notifications_publishedstatement WITH (security_barrier = true) AS
SELECT p.id, p.insurer_id, s.breach_id, v.number, v.content, v.sha256, p.decided_at AS published_at
FROM notifications_publication p
JOIN notifications_statement s ON s.id = p.statement_id
JOIN notifications_statementversion v ON v.id = p.version_id
WHERE p.state = 'published'
"""


class Migration(migrations.Migration):

    dependencies = [
        ('insurers', '0003_operators_hold_no_membership'),
        ('notifications', '0006_checked_by_recipients'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DeclaredName',
            fields=[
                ('pk', models.CompositePrimaryKey('insurer_id', 'channel', 'name', blank=True, editable=False, primary_key=True, serialize=False)),
                ('insurer_id', models.UUIDField()),
                ('channel', models.CharField(max_length=10)),
                ('name', models.CharField(max_length=200)),
            ],
            options={
                'db_table': 'notifications_declaredname',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='DeclaredSender',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('insurer_id', models.UUIDField()),
                ('from_name', models.CharField(max_length=80)),
                ('from_domain', models.CharField(max_length=255)),
                ('outcome', models.CharField(choices=[('aligned', 'conforme'), ('fails', 'non conforme'), ('unknown', 'non vérifié')], max_length=10)),
                ('findings', models.JSONField(null=True)),
                ('checked_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'notifications_declaredsender',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='SenderCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('from_domain', models.CharField(max_length=255, verbose_name='domaine')),
                ('outcome', models.CharField(choices=[('aligned', 'conforme'), ('fails', 'non conforme'), ('unknown', 'non vérifié')], max_length=10, verbose_name='résultat')),
                ('findings', models.JSONField(verbose_name='détail')),
                ('checked_at', models.DateTimeField(null=True, verbose_name='vérifié le')),
                ('tried_at', models.DateTimeField(verbose_name='demandé le')),
                ('identity', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='check_of_domain', to='notifications.sendingidentity')),
            ],
            options={
                'verbose_name': 'domaine d’envoi vérifié',
                'verbose_name_plural': 'domaines d’envoi vérifiés',
                'ordering': ('from_domain',),
                'constraints': [models.UniqueConstraint(fields=('identity',), name='one_check_per_sender', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('outcome', 'unknown'), ('checked_at__isnull', False), _connector='OR'), name='what_is_known_has_a_date')],
            },
        ),
        migrations.AddField(
            model_name='campaign',
            name='sender_override',
            field=models.TextField(blank=True, verbose_name='motif d’un envoi malgré un domaine non conforme'),
        ),
        migrations.AddField(
            model_name='campaign',
            name='sender_standing',
            field=models.JSONField(null=True, verbose_name='domaine d’envoi à l’approbation'),
        ),
        migrations.AddConstraint(
            model_name='campaign',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('sender_standing__outcome', 'fails'), _negated=True), models.Q(('sender_override', ''), _negated=True), _connector='OR'), name='a_failing_sender_has_a_reason'),
        ),
        migrations.CreateModel(
            name='PublishedStatement',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('insurer_id', models.UUIDField()),
                ('breach_id', models.BigIntegerField()),
                ('number', models.PositiveIntegerField()),
                ('content', models.JSONField()),
                ('sha256', models.BinaryField()),
                ('published_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'notifications_publishedstatement',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Statement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(verbose_name='commencée le')),
                ('breach', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='statements', to='insurers.breach')),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('insurer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='statements', to='insurers.insurer')),
            ],
            options={
                'verbose_name': 'communication publique',
                'verbose_name_plural': 'communications publiques',
                'constraints': [models.UniqueConstraint(fields=('breach', 'insurer'), name='one_statement_per_insurer_and_breach')],
            },
        ),
        migrations.CreateModel(
            name='StatementVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(verbose_name='version')),
                ('content', models.JSONField(verbose_name='contenu')),
                ('sha256', models.BinaryField(verbose_name='empreinte SHA-256')),
                ('edited_at', models.DateTimeField(verbose_name='enregistrée le')),
                ('edited_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('statement', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='notifications.statement')),
            ],
            options={
                'verbose_name': 'version d’une communication publique',
                'ordering': ('-number',),
                'constraints': [models.UniqueConstraint(fields=('statement', 'number'), name='each_statement_version_once')],
            },
        ),
        migrations.CreateModel(
            name='Publication',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('submitted', 'à approuver'), ('returned', 'renvoyée'), ('published', 'publiée'), ('replaced', 'remplacée par une autre version'), ('withdrawn', 'retirée')], max_length=10, verbose_name='état')),
                ('submitted_at', models.DateTimeField(verbose_name='soumise le')),
                ('decided_at', models.DateTimeField(null=True, verbose_name='décidée le')),
                ('return_comment', models.TextField(blank=True, verbose_name='motif du renvoi')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='plus publique depuis le')),
                ('withdrawal_reason', models.TextField(blank=True, verbose_name='motif du retrait')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('ended_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('insurer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='insurers.insurer')),
                ('submitted_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('statement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='publications', to='notifications.statement')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='publications', to='notifications.statementversion')),
            ],
            options={
                'verbose_name': 'publication',
                'ordering': ('-submitted_at', '-pk'),
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'published')), fields=('statement',), name='one_version_of_a_statement_is_public'), models.UniqueConstraint(condition=models.Q(('state', 'submitted')), fields=('statement',), name='one_version_of_a_statement_waits'), models.CheckConstraint(condition=models.Q(('state__in', ('submitted', 'returned')), models.Q(('decided_at__isnull', False), ('decided_by__isnull', False), models.Q(('decided_by', models.F('submitted_by')), _negated=True)), _connector='OR'), name='a_statement_is_approved_by_another_person'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'withdrawn'), _negated=True), models.Q(('ended_at__isnull', False), ('ended_by__isnull', False), models.Q(('withdrawal_reason', ''), _negated=True)), _connector='OR'), name='a_withdrawal_has_a_reason')],
            },
        ),
        migrations.RunSQL(SENDERS, "DROP VIEW notifications_declaredsender"),
        migrations.RunSQL(NAMES, "DROP VIEW notifications_declaredname"),
        migrations.RunSQL(STATEMENTS, "DROP VIEW notifications_publishedstatement"),
    ]
