"""The key version of who was told; no address once contacts are purged."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (
        ('notifications', '0004_sending'),
    )

    operations = (
        migrations.AddField(
            model_name='told',
            name='key_version',
            field=models.SmallIntegerField(default=1),
        ),
        migrations.AlterField(
            model_name='notification',
            name='address_fingerprint',
            field=models.UUIDField(null=True),
        ),
    )
