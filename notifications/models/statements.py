"""What an insurer says in public of a breach, on its page of the directory."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from insurers.models import Breach, Insurer


class StatementGround(models.TextChoices):
    """Why an insurer speaks in public."""

    INFORM = "inform", _("pour informer, en plus des messages individuels")
    ART_34_3_C = (
        "art_34_3_c",
        _("à la place de messages individuels, qui exigeraient des efforts disproportionnés"),
    )

    @property
    def article(self) -> str:
        """The article that the ground rests on, "" where the law asks for none."""
        return "34(3)(c)" if self == StatementGround.ART_34_3_C else ""


class Statement(models.Model):
    """An insurer's public statement about a breach, as a series of versions."""

    breach = models.ForeignKey(Breach, models.PROTECT, related_name="statements")
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="statements")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(_("commencée le"))

    class Meta:
        verbose_name = _("communication publique")
        verbose_name_plural = _("communications publiques")
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "insurer"), name="one_statement_per_insurer_and_breach"
            ),
        )

    def __str__(self) -> str:
        return f"statement {self.pk}"


class StatementVersion(models.Model):
    """One saved state; `content` is what `statements.StatementContent` reads. Never changed."""

    statement = models.ForeignKey(Statement, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    content = models.JSONField(_("contenu"))
    sha256 = models.BinaryField(_("empreinte SHA-256"))
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    edited_at = models.DateTimeField(_("enregistrée le"))

    class Meta:
        verbose_name = _("version d’une communication publique")
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(
                fields=("statement", "number"), name="each_statement_version_once"
            ),
        )

    def __str__(self) -> str:
        return f"statement {self.statement_id} version {self.number}"


class PublicationState(models.TextChoices):
    """Transitions live in `notifications/statements/publishing.py`."""

    SUBMITTED = "submitted", _("à approuver")
    RETURNED = "returned", _("renvoyée")
    PUBLISHED = "published", _("publiée")
    REPLACED = "replaced", _("remplacée par une autre version")
    WITHDRAWN = "withdrawn", _("retirée")


class Publication(models.Model):
    """A version of a statement on its way to the public: submitted, decided, perhaps withdrawn."""

    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="+")
    statement = models.ForeignKey(Statement, models.PROTECT, related_name="publications")
    version = models.ForeignKey(StatementVersion, models.PROTECT, related_name="publications")
    state = models.CharField(_("état"), max_length=10, choices=PublicationState.choices)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField(_("soumise le"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(_("décidée le"), null=True)
    return_comment = models.TextField(_("motif du renvoi"), blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(_("plus publique depuis le"), null=True)
    withdrawal_reason = models.TextField(_("motif du retrait"), blank=True)

    class Meta:
        verbose_name = _("publication")
        ordering = ("-submitted_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("statement",),
                condition=Q(state="published"),
                name="one_version_of_a_statement_is_public",
            ),
            models.UniqueConstraint(
                fields=("statement",),
                condition=Q(state="submitted"),
                name="one_version_of_a_statement_waits",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("submitted", "returned"))
                | Q(decided_by__isnull=False, decided_at__isnull=False)
                & ~Q(decided_by=F("submitted_by")),
                name="a_statement_is_approved_by_another_person",
            ),
            models.CheckConstraint(
                condition=~Q(state="withdrawn")
                | Q(ended_by__isnull=False, ended_at__isnull=False) & ~Q(withdrawal_reason=""),
                name="a_withdrawal_has_a_reason",
            ),
        )

    def __str__(self) -> str:
        return f"publication {self.pk}"


class PublishedStatement(models.Model):
    """What everybody may read of a statement: a view (migration 0003) of the published version."""

    id = models.BigIntegerField(primary_key=True)
    insurer_id = models.UUIDField()
    breach_id = models.BigIntegerField()
    number = models.PositiveIntegerField()
    content = models.JSONField()
    sha256 = models.BinaryField()
    published_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "notifications_publishedstatement"

    def __str__(self) -> str:
        return f"published statement {self.pk}"
