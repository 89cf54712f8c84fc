"""Random samples of a list's people that auditors draw: what became of each, no contact."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insurers.models import AffectedList, Insurer

LARGEST = 500


class Sample(models.Model):
    """Asked for by an auditor, drawn by the worker; kept for thirty days.

    `rows` is a list of `samples.histories.History`; `drawn_from` the last row of the file, among
    which was drawn. Whoever knows `seed` draws the same rows again (`samples/drawing.py`).
    """

    affected_list = models.ForeignKey(AffectedList, models.PROTECT, related_name="samples")
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="+")
    seed = models.CharField(_("graine"), max_length=40)
    size = models.PositiveSmallIntegerField(_("nombre de personnes"))
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(_("demandé le"))
    made_at = models.DateTimeField(_("tiré le"), null=True)
    drawn_from = models.PositiveBigIntegerField(_("dernière ligne du fichier"), default=0)
    rows = models.JSONField(_("personnes"), default=list)

    class Meta:
        verbose_name = _("échantillon")
        verbose_name_plural = _("échantillons")
        ordering = ("-asked_at", "-pk")
        constraints = (
            models.CheckConstraint(condition=Q(size__range=(1, LARGEST)), name="sample_sizes"),
        )
        indexes = (
            models.Index(fields=("asked_at",), condition=Q(made_at=None), name="samples_to_draw"),
        )

    def __str__(self) -> str:
        return f"sample {self.pk}"

    @property
    def row_count(self) -> int:
        """Among how many rows was drawn."""
        return max(self.drawn_from - 1, 0)
