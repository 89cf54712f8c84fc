"""Rows of members and of dependants; the same file may come for other operators."""

import django.contrib.postgres.fields
from django.db import migrations, models

COPY_OPERATORS = """
UPDATE insurers_affectedlist AS list SET operator_ids = ARRAY(
    SELECT operator_id FROM insurers_affectedlist_operators AS named
    WHERE named.affectedlist_id = list.id ORDER BY operator_id
);
"""


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
        migrations.AddField(
            model_name="affectedlist",
            name="operator_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                default=list,
                size=None,
                verbose_name="opérateurs",
            ),
        ),
        migrations.RunSQL(COPY_OPERATORS, migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="affectedlist", name="each_file_once"),
        migrations.AddConstraint(
            model_name="affectedlist",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("refused", "withdrawn")), _negated=True),
                fields=("breach", "insurer", "operator_ids", "sha256", "effect"),
                name="each_file_once",
            ),
        ),
        migrations.AlterField(
            model_name="invitation",
            name="email",
            field=models.EmailField(max_length=254, verbose_name="adresse e-mail"),
        ),
    ]
