import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("insurers", "0004_list_blocks"),)

    operations = (
        migrations.AlterField(
            model_name="affectedlist",
            name="state",
            field=models.CharField(
                choices=[
                    ("uploaded", "reçue"),
                    ("ingesting", "en lecture"),
                    ("columns", "colonnes à indiquer"),
                    ("review", "à décider"),
                    ("accepting", "acceptation en cours"),
                    ("accepted", "acceptée"),
                    ("refused", "refusée"),
                ],
                max_length=20,
                verbose_name="état",
            ),
        ),
        migrations.CreateModel(
            name="ListColumn",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "shapes",
                    models.JSONField(default=list, verbose_name="formes des premières valeurs"),
                ),
                ("place", models.PositiveIntegerField(verbose_name="rang, depuis 0")),
                ("header", models.CharField(blank=True, max_length=80, verbose_name="intitulé")),
                ("is_masked", models.BooleanField(verbose_name="intitulé masqué")),
                ("field", models.CharField(blank=True, max_length=20, verbose_name="donnée")),
                (
                    "chosen",
                    models.CharField(blank=True, max_length=20, verbose_name="donnée choisie"),
                ),
                (
                    "list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="columns",
                        to="insurers.affectedlist",
                    ),
                ),
            ],
            options={
                "verbose_name": "colonne de liste",
                "verbose_name_plural": "colonnes de liste",
                "ordering": ("place",),
                "constraints": [
                    models.UniqueConstraint(fields=("list", "place"), name="each_column_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("chosen", ""), _negated=True),
                        fields=("list", "chosen"),
                        name="each_field_chosen_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("is_masked", False), ("header", ""), _connector="OR"),
                        name="a_masked_header_is_not_kept",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RememberedColumn",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=120, verbose_name="mots de l’intitulé")),
                ("header", models.CharField(max_length=80, verbose_name="intitulé")),
                ("field", models.CharField(max_length=20, verbose_name="donnée")),
                ("remembered_at", models.DateTimeField(verbose_name="retenue le")),
                (
                    "insurer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="remembered_columns",
                        to="insurers.insurer",
                    ),
                ),
            ],
            options={
                "verbose_name": "colonne retenue",
                "verbose_name_plural": "colonnes retenues",
                "ordering": ("header", "pk"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("insurer", "key"), name="each_header_remembered_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("key", ""), _negated=True),
                        name="a_remembered_header_has_words",
                    ),
                ],
            },
        ),
    )
