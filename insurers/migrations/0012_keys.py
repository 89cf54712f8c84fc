"""Keys that exist, who has them, and what was purged."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Lists that were read before this have keys of version 1 in the store.
KNOWN_KEYS = """
INSERT INTO insurers_fingerprintkey
    (breach_id, version, state, created_at, finished_at, insurers_done)
SELECT breach_id, 1, 'current', min(uploaded_at), min(uploaded_at), '[]'
FROM insurers_affectedlist WHERE attempt > 0 AND state NOT IN ('uploaded', 'columns', 'refused')
GROUP BY breach_id;
INSERT INTO insurers_addresskey (insurer_id, number, created_at)
SELECT insurer_id, 1, min(uploaded_at)
FROM insurers_affectedlist WHERE attempt > 0 AND state NOT IN ('uploaded', 'columns', 'refused')
GROUP BY insurer_id;
"""


class Migration(migrations.Migration):
    dependencies = (
        ('insurers', '0011_finish_attempts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    )

    operations = (
        migrations.CreateModel(
            name='KeyReport',
            fields=[
                ('worker', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('names', models.JSONField(default=list)),
                ('reported_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'clés d’un worker',
            },
        ),
        migrations.AddField(
            model_name='affectedlist',
            name='address_key',
            field=models.PositiveSmallIntegerField(default=1, verbose_name='numéro de la clé d’adresses'),
        ),
        migrations.AddField(
            model_name='affectedlist',
            name='contacts_purged_at',
            field=models.DateTimeField(null=True, verbose_name='contacts effacés le'),
        ),
        migrations.AddField(
            model_name='affectedlist',
            name='key_version',
            field=models.PositiveSmallIntegerField(default=1, verbose_name='version de la clé d’empreinte'),
        ),
        migrations.AddField(
            model_name='affectedlist',
            name='purged_at',
            field=models.DateTimeField(null=True, verbose_name='effacée le'),
        ),
        migrations.CreateModel(
            name='AddressKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField(verbose_name='numéro')),
                ('proof', models.BinaryField(null=True, verbose_name='preuve')),
                ('created_at', models.DateTimeField(verbose_name='créée le')),
                ('destroyed_at', models.DateTimeField(null=True, verbose_name='détruite le')),
                ('insurer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='address_keys', to='insurers.insurer')),
            ],
            options={
                'verbose_name': 'clé d’adresses',
                'verbose_name_plural': 'clés d’adresses',
                'ordering': ('insurer', 'number'),
                'constraints': [models.UniqueConstraint(fields=('insurer', 'number'), name='each_address_key_once'), models.UniqueConstraint(condition=models.Q(('destroyed_at', None)), fields=('insurer',), name='one_address_key_in_use')],
            },
        ),
        migrations.CreateModel(
            name='FingerprintKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveSmallIntegerField(verbose_name='version')),
                ('state', models.CharField(choices=[('announced', 'annoncée aux workers'), ('wrapping', 'application en cours'), ('current', 'en vigueur'), ('chained', 'incluse dans la suivante')], max_length=10, verbose_name='état')),
                ('created_at', models.DateTimeField(verbose_name='créée le')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='appliquée partout le')),
                ('proof', models.BinaryField(null=True, verbose_name='preuve')),
                ('insurers_done', models.JSONField(default=list, verbose_name='organismes traités')),
                ('breach', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='fingerprint_keys', to='insurers.breach')),
            ],
            options={
                'verbose_name': 'clé d’empreinte',
                'verbose_name_plural': 'clés d’empreinte',
                'ordering': ('breach', 'version'),
                'constraints': [models.UniqueConstraint(fields=('breach', 'version'), name='each_key_version_once'), models.UniqueConstraint(condition=models.Q(('state__in', ('announced', 'wrapping'))), fields=('breach',), name='one_rotation_at_a_time')],
            },
        ),
        migrations.CreateModel(
            name='ListPurge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('contacts', 'contacts'), ('list', 'liste entière')], max_length=10, verbose_name='objet')),
                ('members', models.PositiveBigIntegerField(verbose_name='personnes')),
                ('contacts', models.PositiveBigIntegerField(verbose_name='contacts')),
                ('key_name', models.CharField(max_length=100, verbose_name='clé détruite')),
                ('requested_at', models.DateTimeField(verbose_name='demandée le')),
                ('key_destroyed_at', models.DateTimeField(null=True, verbose_name='clé détruite le')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='terminée le')),
                ('list', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='purges', to='insurers.affectedlist')),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'purge de liste',
                'verbose_name_plural': 'purges de listes',
                'ordering': ('requested_at',),
                'constraints': [models.UniqueConstraint(fields=('list', 'kind'), name='each_purge_once'), models.CheckConstraint(condition=models.Q(('finished_at', None), ('key_destroyed_at__isnull', False), _connector='OR'), name='keys_go_first')],
            },
        ),
        migrations.RunSQL(KNOWN_KEYS, migrations.RunSQL.noop),
    )
