"""Rows of members and of dependants, counted as blocks are read."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("insurers", "0009_upload_effect"),
    ]

    operations = [
        migrations.AddField(
            model_name="listblock",
            name="dependants",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="listblock",
            name="policyholders",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="listreport",
            name="policyholders",
            field=models.PositiveBigIntegerField(null=True),
        ),
    ]
