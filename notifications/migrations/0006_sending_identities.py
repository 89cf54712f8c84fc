"""Sending identities, what webhooks bring, and the addresses left out."""
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("insurers", "0009_upload_effect"),
        ("notifications", "0005_keys_and_purges"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SendingIdentity",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("proposed", "à approuver par l’exploitant"),
                            ("approved", "en service"),
                            ("refused", "refusée"),
                            ("ended", "terminée"),
                        ],
                        max_length=10,
                        verbose_name="état",
                    ),
                ),
                ("from_name", models.CharField(max_length=80, verbose_name="nom de l’expéditeur")),
                (
                    "from_address",
                    models.EmailField(max_length=254, verbose_name="adresse de l’expéditeur"),
                ),
                (
                    "reply_to",
                    models.EmailField(
                        blank=True, max_length=254, verbose_name="adresse de réponse"
                    ),
                ),
                (
                    "bounce_domain",
                    models.CharField(
                        blank=True, max_length=190, verbose_name="domaine des retours"
                    ),
                ),
                (
                    "transport",
                    models.CharField(
                        choices=[
                            ("smtp", "SMTP"),
                            ("brevo", "Brevo"),
                            ("mailgun", "Mailgun"),
                            ("mailjet", "Mailjet"),
                            ("postmark", "Postmark"),
                            ("sparkpost", "SparkPost"),
                        ],
                        max_length=12,
                        verbose_name="envoi par",
                    ),
                ),
                ("host", models.CharField(blank=True, max_length=190, verbose_name="serveur SMTP")),
                (
                    "port",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="port SMTP"),
                ),
                (
                    "encryption",
                    models.CharField(
                        choices=[
                            ("starttls", "STARTTLS, exigé"),
                            ("tls", "TLS dès la connexion"),
                            ("none", "aucune (démonstration)"),
                        ],
                        default="starttls",
                        max_length=10,
                        verbose_name="chiffrement",
                    ),
                ),
                ("sealed_credentials", models.BinaryField(verbose_name="identifiants scellés")),
                (
                    "webhook_secret",
                    models.TextField(blank=True, verbose_name="secret des avis de remise, chiffré"),
                ),
                (
                    "mailbox_host",
                    models.CharField(
                        blank=True, max_length=190, verbose_name="serveur IMAP des retours"
                    ),
                ),
                (
                    "mailbox_port",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="port IMAP"),
                ),
                (
                    "dkim_domain",
                    models.CharField(blank=True, max_length=190, verbose_name="domaine DKIM"),
                ),
                (
                    "dkim_selector",
                    models.CharField(blank=True, max_length=60, verbose_name="sélecteur DKIM"),
                ),
                (
                    "dkim_record",
                    models.TextField(blank=True, verbose_name="enregistrement TXT à publier"),
                ),
                (
                    "messages_per_second",
                    models.PositiveIntegerField(null=True, verbose_name="messages par seconde"),
                ),
                (
                    "messages_per_day",
                    models.PositiveIntegerField(null=True, verbose_name="messages par jour"),
                ),
                ("proposed_at", models.DateTimeField(verbose_name="proposée le")),
                ("decided_at", models.DateTimeField(null=True, verbose_name="décidée le")),
                (
                    "decided_by",
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
                        related_name="sending_identities",
                        to="insurers.insurer",
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "identité d’envoi",
                "verbose_name_plural": "identités d’envoi",
                "ordering": ("-proposed_at",),
            },
        ),
        migrations.CreateModel(
            name="SealedReceipt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("sealed", models.BinaryField()),
                ("received_at", models.DateTimeField()),
                (
                    "identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="notifications.sendingidentity",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address_fingerprint", models.UUIDField()),
                ("reason", models.CharField(max_length=60)),
                ("since_at", models.DateTimeField()),
                ("until_at", models.DateTimeField()),
                (
                    "insurer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="insurers.insurer",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="sendingidentity",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "approved")),
                fields=("insurer",),
                name="one_sending_identity_per_insurer",
            ),
        ),
        migrations.AddConstraint(
            model_name="sendingidentity",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("transport", "smtp"), _negated=True),
                    models.Q(("port__isnull", False), models.Q(("host", ""), _negated=True)),
                    _connector="OR",
                ),
                name="smtp_needs_a_host_and_a_port",
            ),
        ),
        migrations.AddConstraint(
            model_name="sendingidentity",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "approved"), _negated=True),
                    ("decided_by__isnull", False),
                    _connector="OR",
                ),
                name="an_identity_is_approved_by_someone",
            ),
        ),
        migrations.AddConstraint(
            model_name="sendingidentity",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("messages_per_second", None),
                        ("messages_per_second__gt", 0),
                        _connector="OR",
                    ),
                    models.Q(
                        ("messages_per_day", None), ("messages_per_day__gt", 0), _connector="OR"
                    ),
                ),
                name="sending_limits_are_positive",
            ),
        ),
        migrations.AddIndex(
            model_name="sealedreceipt",
            index=models.Index(fields=["received_at"], name="receipts_in_order"),
        ),
        migrations.AddIndex(
            model_name="suppression",
            index=models.Index(fields=["until_at"], name="suppressions_by_end"),
        ),
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.UniqueConstraint(
                fields=("insurer", "address_fingerprint"), name="each_address_suppressed_once"
            ),
        ),
    ]
