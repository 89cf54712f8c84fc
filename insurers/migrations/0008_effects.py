"""Lists that add, replace or withdraw: marks on people, and a report before the decision."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

CREATE_MARKS = """
SET ROLE breachportal_worker;
CREATE TABLE members.listing_mark (
    list_id integer NOT NULL,
    ordinal integer NOT NULL,
    is_counted boolean NOT NULL DEFAULT true,
    ended varchar(10) NOT NULL DEFAULT '',
    is_stale boolean NOT NULL DEFAULT true,
    PRIMARY KEY (list_id, ordinal)
);
CREATE INDEX stale_marks ON members.listing_mark (list_id, ordinal) WHERE is_stale;
RESET ROLE;
"""

DROP_MARKS = """
SET ROLE breachportal_worker;
DROP TABLE members.listing_mark;
RESET ROLE;
"""


class Migration(migrations.Migration):
    dependencies = (
        ("insurers", "0007_hidden_rows"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    )

    operations = (
        migrations.CreateModel(
            name="ListingMark",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "list_id",
                        "ordinal",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("list_id", models.IntegerField()),
                ("ordinal", models.IntegerField()),
                ("is_counted", models.BooleanField()),
                (
                    "ended",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("corrected", "contact corrigé par une liste suivante"),
                            ("replaced", "absente de la liste qui remplace celle-ci"),
                            ("withdrawn", "retirée"),
                        ],
                        max_length=10,
                    ),
                ),
                ("is_stale", models.BooleanField()),
            ],
            options={
                "db_table": "listing_mark",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="ListReport",
            fields=[
                (
                    "affected_list",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="report",
                        serialize=False,
                        to="insurers.affectedlist",
                    ),
                ),
                ("new", models.PositiveBigIntegerField(default=0)),
                ("gone", models.PositiveBigIntegerField(default=0)),
                ("changed", models.PositiveBigIntegerField(default=0)),
                ("already_listed", models.PositiveBigIntegerField(default=0)),
                ("on_other_operators", models.PositiveBigIntegerField(default=0)),
                ("leaving", models.PositiveBigIntegerField(default=0)),
                ("leaving_told", models.PositiveBigIntegerField(default=0)),
                ("messages_cancelled", models.PositiveBigIntegerField(default=0)),
                ("unmatched", models.PositiveBigIntegerField(default=0)),
                ("listed_after", models.PositiveBigIntegerField(default=0)),
                ("dependants", models.PositiveBigIntegerField(null=True)),
                ("shared_addresses", models.PositiveBigIntegerField(default=0)),
                ("shared_people", models.PositiveBigIntegerField(default=0)),
                ("only_email", models.PositiveBigIntegerField(default=0)),
                ("only_phone", models.PositiveBigIntegerField(default=0)),
                ("email_and_phone", models.PositiveBigIntegerField(default=0)),
                ("problems", models.JSONField(default=list)),
            ],
            options={
                "verbose_name": "compte rendu de liste",
                "verbose_name_plural": "comptes rendus de liste",
            },
        ),
        migrations.RemoveConstraint(
            model_name="affectedlist",
            name="each_file_once",
        ),
        migrations.AddField(
            model_name="affectedlist",
            name="corrects",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="corrections",
                to="insurers.affectedlist",
                verbose_name="corrige",
            ),
        ),
        migrations.AddField(
            model_name="affectedlist",
            name="effect",
            field=models.CharField(
                choices=[("add", "ajouter"), ("replace", "remplacer"), ("withdraw", "retirer")],
                default="add",
                max_length=10,
                verbose_name="effet",
            ),
        ),
        migrations.AddField(
            model_name="affectedlist",
            name="is_in_use",
            field=models.BooleanField(default=False, verbose_name="une campagne est approuvée"),
        ),
        migrations.AddField(
            model_name="affectedlist",
            name="members_ended",
            field=models.PositiveBigIntegerField(default=0, verbose_name="retirées depuis"),
        ),
        migrations.AddField(
            model_name="affectedlist",
            name="members_uncounted",
            field=models.PositiveBigIntegerField(default=0, verbose_name="comptées ailleurs"),
        ),
        migrations.AddField(
            model_name="affectedlist",
            name="people_withdrawn",
            field=models.PositiveBigIntegerField(
                default=0, verbose_name="retirées par cette liste"
            ),
        ),
        migrations.AddField(
            model_name="affectedlist",
            name="rows_contact_changed",
            field=models.PositiveBigIntegerField(default=0, verbose_name="contact changé"),
        ),
        migrations.AlterField(
            model_name="affectedlist",
            name="state",
            field=models.CharField(
                choices=[
                    ("uploaded", "reçue"),
                    ("ingesting", "en lecture"),
                    ("review", "à décider"),
                    ("accepting", "acceptation en cours"),
                    ("accepted", "acceptée"),
                    ("refused", "refusée"),
                    ("withdrawing", "retrait en cours"),
                    ("withdrawn", "retirée"),
                ],
                max_length=20,
                verbose_name="état",
            ),
        ),
        migrations.AddConstraint(
            model_name="affectedlist",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("refused", "withdrawn")), _negated=True),
                fields=("breach", "insurer", "sha256", "effect"),
                name="each_file_once",
            ),
        ),
        migrations.AddField(
            model_name="listreport",
            name="previous",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="insurers.affectedlist",
            ),
        ),
        migrations.RunSQL(CREATE_MARKS, DROP_MARKS),
    )
