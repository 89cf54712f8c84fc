from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("insurers", "0003_operators_hold_no_membership"),)
    operations = (
        migrations.AddField(
            "affectedlist",
            "refusal_problem",
            models.CharField(blank=True, max_length=40, verbose_name="problème à cet endroit"),
            preserve_default=True,
        ),
    )
