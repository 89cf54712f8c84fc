"""How long what is kept of people stays, and the proof of what was erased."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from insurers.models import AffectedList, Breach, Insurer
from notifications.models.campaigns import Campaign


class RetentionPeriod(models.Model):
    """Days that differ from the portal's own, for a breach, or for one insurer in it."""

    breach = models.ForeignKey(
        Breach, models.CASCADE, related_name="retention_periods", verbose_name=_("violation")
    )
    insurer = models.ForeignKey(
        Insurer,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("organisme"),
        help_text=_("Vide : tous ceux de cette violation."),
    )
    contacts_days = models.PositiveSmallIntegerField(
        _("contacts : jours après la fin de la campagne")
    )
    problems_days = models.PositiveSmallIntegerField(
        _("fichier des problèmes : jours après l’acceptation")
    )

    class Meta:
        verbose_name = _("durée de conservation")
        verbose_name_plural = _("durées de conservation")
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "insurer"), nulls_distinct=False, name="one_period_per_place"
            ),
            models.CheckConstraint(
                condition=Q(contacts_days__range=(1, 730), problems_days__range=(1, 730)),
                name="periods_are_of_days",
                violation_error_message=_("Donnez un nombre de jours entre 1 et 730."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.breach_id}/{self.insurer_id or 'all'}"


class ErasureKind(models.TextChoices):
    """What went, beside contacts and lists (of which `ListPurge` is the proof)."""

    PROBLEMS = "problems", _("fichier des problèmes")
    KEYS = "keys", _("clés des empreintes")
    MESSAGES = "messages", _("messages et remises, un par un")


class Erasure(models.Model):
    """That something was erased because its time was over: what, how much, when, which keys.

    One that is not finished was interrupted, and is gone on with. `counts` are rows by table.
    """

    kind = models.CharField(_("objet"), max_length=10, choices=ErasureKind.choices)
    breach = models.ForeignKey(Breach, models.PROTECT, related_name="erasures")
    insurer = models.ForeignKey(Insurer, models.PROTECT, null=True, related_name="+")
    affected_list = models.ForeignKey(AffectedList, models.PROTECT, null=True, related_name="+")
    campaign = models.ForeignKey(Campaign, models.PROTECT, null=True, related_name="erasures")
    keys = models.JSONField(_("clés détruites"), default=list)
    counts = models.JSONField(_("nombres"), default=dict)
    begun_at = models.DateTimeField(_("commencé le"))
    finished_at = models.DateTimeField(_("terminé le"), null=True)

    class Meta:
        verbose_name = _("effacement")
        verbose_name_plural = _("effacements")
        ordering = ("begun_at", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "breach", "insurer", "affected_list", "campaign"),
                nulls_distinct=False,
                name="each_erasure_once",
            ),
            models.CheckConstraint(
                condition=Q(finished_at=None) | Q(finished_at__gte=F("begun_at")),
                name="an_erasure_ends_after_it_began",
            ),
        )

    def __str__(self) -> str:
        return f"erasure {self.pk}"

    @property
    def shown_counts(self) -> list[str]:
        """The counts in words."""
        words = {
            "lines": ngettext_lazy("%d ligne", "%d lignes"),
            "messages": ngettext_lazy("%d message", "%d messages"),
            "events": ngettext_lazy("%d événement", "%d événements"),
            "claims": ngettext_lazy("%d personne informée", "%d personnes informées"),
        }
        return [str(words[name] % count) for name, count in self.counts.items() if name in words]
