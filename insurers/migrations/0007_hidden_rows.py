from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("insurers", "0006_api_tokens_and_uploads"),)

    operations = (
        migrations.AddField(
            model_name="affectedlist",
            name="hidden_rows",
            field=models.PositiveIntegerField(default=0, verbose_name="lignes masquées lues"),
        ),
        migrations.AddField(
            model_name="affectedlist",
            name="first_hidden_rows",
            field=models.JSONField(default=list, verbose_name="premières lignes masquées"),
        ),
    )
