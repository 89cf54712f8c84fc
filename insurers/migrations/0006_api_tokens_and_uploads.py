"""Uploads that can be resumed, and the tokens of insurers' programs."""

import datetime

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (
        ("insurers", "0005_list_columns"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    )

    operations = (
        migrations.AddField(
            model_name="affectedlist",
            name="expected_sha256",
            field=models.BinaryField(null=True, verbose_name="empreinte SHA-256 annoncée"),
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, verbose_name="nom")),
                (
                    "secret_sha256",
                    models.BinaryField(unique=True, verbose_name="empreinte SHA-256 du jeton"),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("lists:write", "envoyer des listes"),
                                ("lists:read", "lire l’état et les problèmes des listes"),
                            ],
                            max_length=20,
                        ),
                        size=None,
                        verbose_name="droits",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="créé le")),
                ("expires_at", models.DateTimeField(verbose_name="valable jusqu’au")),
                ("last_used_date", models.DateField(null=True, verbose_name="dernier usage")),
                ("revoked_at", models.DateTimeField(null=True, verbose_name="révoqué le")),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "insurer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to="insurers.insurer",
                    ),
                ),
                (
                    "revoked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "jeton",
                "verbose_name_plural": "jetons",
            },
        ),
        migrations.AddField(
            model_name="affectedlist",
            name="uploaded_with",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="lists",
                to="insurers.apitoken",
            ),
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("receiving", "en cours"),
                            ("received", "reçu"),
                            ("cancelled", "annulé"),
                            ("forgotten", "abandonné"),
                            ("no_room", "arrêté faute de place"),
                        ],
                        max_length=20,
                        verbose_name="état",
                    ),
                ),
                (
                    "size_bytes",
                    models.PositiveBigIntegerField(verbose_name="taille annoncée en octets"),
                ),
                (
                    "received_bytes",
                    models.PositiveBigIntegerField(default=0, verbose_name="octets reçus"),
                ),
                (
                    "attempt",
                    models.PositiveIntegerField(default=0, verbose_name="parties commencées"),
                ),
                (
                    "expected_sha256",
                    models.BinaryField(null=True, verbose_name="empreinte SHA-256 annoncée"),
                ),
                (
                    "file_modified_ms",
                    models.BigIntegerField(null=True, verbose_name="fichier modifié le"),
                ),
                ("created_at", models.DateTimeField(verbose_name="commencé le")),
                ("last_at", models.DateTimeField(verbose_name="dernier octet reçu le")),
                (
                    "breach",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uploads",
                        to="insurers.breach",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "insurer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uploads",
                        to="insurers.insurer",
                    ),
                ),
                (
                    "operators",
                    models.ManyToManyField(related_name="uploads", to="insurers.operator"),
                ),
                (
                    "population",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="uploads",
                        to="insurers.population",
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="uploads",
                        to="insurers.apitoken",
                    ),
                ),
            ],
            options={
                "verbose_name": "envoi",
                "verbose_name_plural": "envois",
            },
        ),
        migrations.AddConstraint(
            model_name="apitoken",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("expires_at__gt", models.F("created_at")),
                    (
                        "expires_at__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("created_at"), "+", models.Value(datetime.timedelta(days=366))
                        ),
                    ),
                ),
                name="a_token_ends_within_a_year",
            ),
        ),
        migrations.AddConstraint(
            model_name="apitoken",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("revoked_at", None), ("revoked_by", None)),
                    models.Q(("revoked_at__isnull", False), ("revoked_by__isnull", False)),
                    _connector="OR",
                ),
                name="a_revocation_names_its_author",
            ),
        ),
        migrations.AddIndex(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("state", "receiving")),
                fields=["last_at"],
                name="uploads_under_way",
            ),
        ),
        migrations.AddConstraint(
            model_name="upload",
            constraint=models.CheckConstraint(
                condition=models.Q(("received_bytes__lte", models.F("size_bytes"))),
                name="no_more_than_declared",
            ),
        ),
        migrations.AddConstraint(
            model_name="upload",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("created_by", None), ("token__isnull", False)),
                    models.Q(("created_by__isnull", False), ("token", None)),
                    _connector="OR",
                ),
                name="an_upload_has_one_author",
            ),
        ),
    )
