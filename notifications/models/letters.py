"""Files of letters: rows by which an insurer prints them from its own records, or PDF to print."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insurers.models import Insurer
from notifications.models.campaigns import Campaign
from notifications.models.outbox import DispatchBatch

TRIES = 3


class LetterKind(models.TextChoices):
    """What a file holds. Only those whose list gives a postal address can be in a PDF."""

    PDF = "pdf", _("PDF à imprimer : les lettres dont la liste donne l’adresse")
    ROWS_WITHOUT_ADDRESS = "rest", _("Numéros de ligne : les autres lettres")
    ROWS = "rows", _("Numéros de ligne : toutes les lettres")


class LetterExport(models.Model):
    """One file, encrypted to the insurer's own key; its content goes once it is downloaded.

    A row without `made_at` waits for the worker. `repeats` is the export whose letters it holds
    again, where that file was lost. PDF follow one another: `first` is the file that was asked
    for, whose `total` is how many letters there were to print. One that could not be laid out
    `TRIES` times is made, of nothing: its letters wait, and can be asked for again.
    """

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="letter_exports")
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="+")
    kind = models.CharField(
        _("contenu"),
        max_length=10,
        choices=LetterKind.choices,
        db_default=LetterKind.ROWS,
        default=LetterKind.ROWS,
    )
    recipient = models.CharField(_("clé publique age"), max_length=100)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(_("demandé le"))
    repeats = models.ForeignKey("self", models.PROTECT, null=True, related_name="repeated_by")
    first = models.ForeignKey("self", models.PROTECT, null=True, related_name="followed_by")
    total = models.PositiveIntegerField(_("lettres à imprimer"), db_default=0, default=0)
    failures = models.PositiveSmallIntegerField(_("échecs"), db_default=0, default=0)
    batch = models.ForeignKey(DispatchBatch, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(_("prêt le"), null=True)
    letters = models.PositiveIntegerField(_("lettres"), default=0)
    rows = models.PositiveIntegerField(_("lignes"), default=0)
    sha256 = models.BinaryField(_("empreinte du fichier chiffré"), default=bytes)
    content = models.BinaryField(_("fichier chiffré"), default=bytes)
    downloaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    downloaded_at = models.DateTimeField(_("téléchargé le"), null=True)

    class Meta:
        verbose_name = _("fichier de lettres")
        verbose_name_plural = _("fichiers de lettres")
        ordering = ("-requested_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("campaign",),
                condition=Q(made_at=None),
                name="one_letter_export_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(downloaded_at=None)
                | Q(made_at__isnull=False, downloaded_by__isnull=False),
                name="a_download_has_somebody",
            ),
        )

    def __str__(self) -> str:
        return f"letter export {self.pk}"

    @property
    def is_given_up(self) -> bool:
        """Whether it holds nothing because it could not be laid out."""
        return self.failures >= TRIES and not self.letters

    @property
    def file_name(self) -> str:
        """What the file is called where it is saved."""
        return f"lettres-{self.pk}.{'pdf' if self.kind == LetterKind.PDF else 'csv'}.age"
