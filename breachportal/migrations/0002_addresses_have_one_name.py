"""An e-mail address has one name on every page."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("breachportal", "0001_initial"),)

    operations = (
        migrations.AlterField(
            model_name="user",
            name="email",
            field=models.EmailField(max_length=254, unique=True, verbose_name="adresse e-mail"),
        ),
    )
