"""Uploaded lists of affected people, and the members that the worker alone can read."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insurers.models.directory import Breach, Insurer, Operator, Population


class ListState(models.TextChoices):
    """Transitions live in `insurers/list_states.py`."""

    UPLOADED = "uploaded", _("reçue")
    INGESTING = "ingesting", _("en lecture")
    REVIEW = "review", _("à décider")
    ACCEPTING = "accepting", _("acceptation en cours")
    ACCEPTED = "accepted", _("acceptée")
    REFUSED = "refused", _("refusée")


class AffectedList(models.Model):
    """One uploaded file. Counts are in people (file rows for `rows_*`)."""

    id = models.AutoField(primary_key=True)
    breach = models.ForeignKey(Breach, models.PROTECT, related_name="affected_lists")
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="affected_lists")
    operators = models.ManyToManyField(Operator, related_name="affected_lists")
    population = models.ForeignKey(Population, models.PROTECT, related_name="affected_lists")
    state = models.CharField(_("état"), max_length=20, choices=ListState.choices)
    upload_id = models.UUIDField(_("envoi"), unique=True)
    chunk_count = models.PositiveIntegerField(_("morceaux scellés"))
    size_bytes = models.PositiveBigIntegerField(_("taille en octets"))
    sha256 = models.BinaryField(_("empreinte SHA-256 du fichier"), null=True)
    attempt = models.PositiveSmallIntegerField(_("essais de lecture"), default=0)
    bytes_read = models.PositiveBigIntegerField(_("octets lus"), default=0)
    rows = models.PositiveBigIntegerField(_("lignes"), default=0)
    rows_rejected = models.PositiveBigIntegerField(_("lignes rejetées"), default=0)
    rows_duplicate = models.PositiveBigIntegerField(_("lignes en double"), default=0)
    rows_conflicting = models.PositiveBigIntegerField(_("contacts contradictoires"), default=0)
    rows_already_listed = models.PositiveBigIntegerField(_("déjà sur une liste"), default=0)
    members = models.PositiveBigIntegerField(_("personnes"), default=0)
    members_with_email = models.PositiveBigIntegerField(_("avec courriel"), default=0)
    members_with_phone = models.PositiveBigIntegerField(_("avec mobile"), default=0)
    members_without_contact = models.PositiveBigIntegerField(_("sans contact"), default=0)
    refusal_code = models.CharField(_("motif du refus"), max_length=40, blank=True)
    refusal_row = models.PositiveBigIntegerField(_("ligne du refus"), null=True)
    refusal_column = models.CharField(_("colonne du refus"), max_length=60, blank=True)
    ingest_seconds = models.FloatField(_("durée de lecture en secondes"), null=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    uploaded_at = models.DateTimeField(_("reçue le"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(_("décidée le"), null=True)

    class Meta:
        verbose_name = _("liste de personnes concernées")
        verbose_name_plural = _("listes de personnes concernées")
        ordering = ("-uploaded_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "insurer", "sha256"),
                condition=~Q(state="refused"),
                name="each_file_once",
            ),
            models.CheckConstraint(
                condition=~Q(state="refused") | ~Q(refusal_code=""), name="a_refusal_has_a_reason"
            ),
        )

    def __str__(self) -> str:
        return f"list {self.pk}"


class Severity(models.TextChoices):
    REJECTED = "rejected", _("ligne rejetée")
    WARNING = "warning", _("à corriger")


class ListProblem(models.Model):
    """What is wrong with one cell or row of a file: a place and a code, never the value."""

    list = models.ForeignKey(AffectedList, models.CASCADE, related_name="problems")
    row = models.PositiveBigIntegerField(_("ligne"))
    column = models.CharField(_("colonne"), max_length=60, blank=True)
    code = models.CharField(_("problème"), max_length=40)
    severity = models.CharField(_("gravité"), max_length=10, choices=Severity.choices)

    class Meta:
        verbose_name = _("problème de liste")
        verbose_name_plural = _("problèmes de liste")
        indexes = (models.Index(fields=("list", "row"), name="problem_by_row"),)

    def __str__(self) -> str:
        return f"list {self.list_id} row {self.row} {self.code}"


class AffectedMember(models.Model):
    """One person of a list. The worker owns the table; the web role has no right on it.

    Partitioned by list and created by SQL (migration 0002). `ordinal` is the row of the
    source file, its header being row 1. `fingerprint`, `email_fingerprint` and
    `phone_fingerprint` are 128-bit keyed hashes; `name_tag` tells twins apart (32 bits, 0
    without a name); `contact` is sealed with AES-256-GCM under the list's data key.
    """

    pk = models.CompositePrimaryKey("list_id", "ordinal")
    list_id = models.IntegerField()
    ordinal = models.IntegerField()
    fingerprint = models.UUIDField()
    name_tag = models.IntegerField()
    key_version = models.SmallIntegerField()
    contact_flags = models.SmallIntegerField()
    email_fingerprint = models.UUIDField(null=True)
    phone_fingerprint = models.UUIDField(null=True)
    contact = models.BinaryField(null=True)

    class Meta:
        managed = False
        db_table = "affected_member"
        verbose_name = _("personne concernée")
        verbose_name_plural = _("personnes concernées")

    def __str__(self) -> str:
        return f"member {self.list_id}/{self.ordinal}"
