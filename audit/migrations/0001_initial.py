from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='TrailHead',
            fields=[
                ('scope', models.TextField(primary_key=True, serialize=False)),
                ('sequence', models.BigIntegerField()),
                ('hash', models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.TextField(verbose_name='périmètre')),
                ('sequence', models.BigIntegerField(verbose_name='rang')),
                ('at', models.DateTimeField(verbose_name='date')),
                ('actor', models.TextField(verbose_name='auteur')),
                ('action', models.TextField(verbose_name='action')),
                ('subject', models.TextField(verbose_name='objet')),
                ('outcome', models.TextField(choices=[('done', 'fait'), ('refused', 'refusé')], verbose_name='résultat')),
                ('detail', models.TextField(verbose_name='détail')),
                ('previous_hash', models.BinaryField()),
                ('hash', models.BinaryField()),
            ],
            options={
                'verbose_name': 'entrée du journal',
                'verbose_name_plural': 'journal',
                'ordering': ('scope', 'sequence'),
                'constraints': [models.UniqueConstraint(fields=('scope', 'sequence'), name='audit_one_entry_per_rank')],
            },
        ),
        migrations.CreateModel(
            name='TrailCheckpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.TextField(verbose_name='périmètre')),
                ('sequence', models.BigIntegerField(verbose_name='dernier rang')),
                ('hash', models.BinaryField(verbose_name='empreinte')),
                ('kept_from_date', models.DateField(verbose_name='gardé depuis le')),
                ('signed', models.BinaryField(verbose_name='fichier signé')),
                ('signed_at', models.DateTimeField(verbose_name='signé le')),
                ('dropped_at', models.DateTimeField(null=True, verbose_name='entrées ôtées le')),
            ],
            options={
                'verbose_name': 'terme du journal',
                'verbose_name_plural': 'termes du journal',
                'ordering': ('scope', 'sequence'),
                'constraints': [models.UniqueConstraint(fields=('scope', 'sequence'), name='each_checkpoint_once')],
            },
        ),
    ]
