"""Keep the fingerprint of a message's reference with its acceptance.

Whoever writes the acceptance has it at hand; whoever makes an event of it then needs nothing but the
batch, where each reference was derived a second time for it.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("notifications", "0019_register_changes"),)
    operations = (
        # Workers stand still, and have no acceptance left, while a release is migrated.
        migrations.AddField(
            model_name="acceptance",
            name="reference_fingerprint",
            field=models.BinaryField(default=b""),
            preserve_default=False,
        ),
    )
