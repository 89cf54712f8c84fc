"""Files under way, and the tokens that let an insurer's programs send them."""

from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from insurers.models.directory import Breach, Insurer, Operator, Population

TOKEN_LASTS_AT_MOST = timedelta(days=366)


class TokenScope(models.TextChoices):
    LISTS_WRITE = "lists:write", _("envoyer des listes")
    LISTS_READ = "lists:read", _("lire l’état et les problèmes des listes")


class ApiToken(models.Model):
    """What a program of an insurer presents; the secret itself is shown once and never stored."""

    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="api_tokens")
    name = models.CharField(_("nom"), max_length=80)
    secret_sha256 = models.BinaryField(_("empreinte SHA-256 du jeton"), unique=True)
    scopes = ArrayField(
        models.CharField(max_length=20, choices=TokenScope.choices), verbose_name=_("droits")
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(_("créé le"))
    expires_at = models.DateTimeField(_("valable jusqu’au"))
    last_used_date = models.DateField(_("dernier usage"), null=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    revoked_at = models.DateTimeField(_("révoqué le"), null=True)

    class Meta:
        verbose_name = _("jeton")
        verbose_name_plural = _("jetons")
        constraints = (
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at"))
                & Q(expires_at__lte=F("created_at") + TOKEN_LASTS_AT_MOST),
                name="a_token_ends_within_a_year",
            ),
            models.CheckConstraint(
                condition=Q(revoked_by=None, revoked_at=None)
                | Q(revoked_by__isnull=False, revoked_at__isnull=False),
                name="a_revocation_names_its_author",
            ),
        )

    def __str__(self) -> str:
        return f"token {self.pk}"


class ListEffect(models.TextChoices):
    """What accepting a list does to the accepted lists before it (docs/decisions/0007)."""

    ADD = "add", _("ajouter")
    REPLACE = "replace", _("remplacer")
    WITHDRAW = "withdraw", _("retirer")


class UploadState(models.TextChoices):
    RECEIVING = "receiving", _("en cours")
    RECEIVED = "received", _("reçu")
    CANCELLED = "cancelled", _("annulé")
    FORGOTTEN = "forgotten", _("abandonné")
    NO_ROOM = "no_room", _("arrêté faute de place")


class UploadQuerySet(models.QuerySet["Upload"]):
    def under_way(self) -> "UploadQuerySet":
        """Keep the files that can still be resumed."""
        return self.filter(state=UploadState.RECEIVING)


class Upload(models.Model):
    """A file that comes in parts; its id is the `upload_id` of the list it becomes.

    `received_bytes` counts whole sealed pieces until the last one. `attempt` is the number of
    the part that may write: a newer part takes the upload over from one that hangs.
    """

    id = models.UUIDField(primary_key=True)
    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="uploads")
    breach = models.ForeignKey(Breach, models.CASCADE, related_name="uploads")
    operators = models.ManyToManyField(Operator, related_name="uploads")
    population = models.ForeignKey(Population, models.PROTECT, related_name="uploads")
    effect = models.CharField(
        _("effet"), max_length=10, choices=ListEffect.choices, default=ListEffect.ADD
    )
    corrects = models.ForeignKey(
        "insurers.AffectedList", models.PROTECT, null=True, related_name="+"
    )
    state = models.CharField(_("état"), max_length=20, choices=UploadState.choices)
    size_bytes = models.PositiveBigIntegerField(_("taille annoncée en octets"))
    received_bytes = models.PositiveBigIntegerField(_("octets reçus"), default=0)
    attempt = models.PositiveIntegerField(_("parties commencées"), default=0)
    expected_sha256 = models.BinaryField(_("empreinte SHA-256 annoncée"), null=True)
    # Milliseconds since 1970, as browsers say: whoever resumes must pick the same file.
    file_modified_ms = models.BigIntegerField(_("fichier modifié le"), null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    token = models.ForeignKey(ApiToken, models.PROTECT, null=True, related_name="uploads")
    created_at = models.DateTimeField(_("commencé le"))
    last_at = models.DateTimeField(_("dernier octet reçu le"))

    objects = UploadQuerySet.as_manager()

    class Meta:
        verbose_name = _("envoi")
        verbose_name_plural = _("envois")
        constraints = (
            models.CheckConstraint(
                condition=Q(received_bytes__lte=F("size_bytes")), name="no_more_than_declared"
            ),
            models.CheckConstraint(
                condition=Q(created_by=None, token__isnull=False)
                | Q(created_by__isnull=False, token=None),
                name="an_upload_has_one_author",
            ),
        )
        indexes = (
            models.Index(
                fields=("last_at",), condition=Q(state="receiving"), name="uploads_under_way"
            ),
        )

    def __str__(self) -> str:
        return f"upload {self.pk}"
