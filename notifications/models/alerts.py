"""What somebody has to do something about, from when it was found until it is no longer so."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from insurers.models import Breach, Insurer

LONGEST_SUBJECT = 80


class AlertKind(models.TextChoices):
    """What is wrong; the words on what to do are in `alerts/words.py`."""

    CLOCK = "clock", _("Autorité non notifiée dans le délai")
    SILENT = "silent", _("Organisme silencieux")
    HALTED = "halted", _("Campagne arrêtée")
    RECOUNT = "recount", _("Nombres qui diffèrent du décompte")
    TRAIL = "trail", _("Journal altéré")
    KEY = "key", _("Clé à remplacer")
    ERASURE = "erasure", _("Effacement en retard")
    EXEMPTION = "exemption", _("Dispense sans communication publique")


class Alert(models.Model):
    """One thing to do. `subject` names it (`campaign:4`), `detail` holds figures and codes.

    `mailed` is how many people were written to, once; they are told again if it comes back after
    a day.
    """

    kind = models.CharField(_("nature"), max_length=10, choices=AlertKind.choices)
    insurer = models.ForeignKey(Insurer, models.CASCADE, null=True, related_name="+")
    breach = models.ForeignKey(Breach, models.CASCADE, null=True, related_name="+")
    subject = models.CharField(_("objet"), max_length=LONGEST_SUBJECT, blank=True)
    detail = models.JSONField(_("détail"), default=dict)
    is_for_operator = models.BooleanField(_("pour l’exploitant"), default=False)
    raised_at = models.DateTimeField(_("depuis le"))
    ended_at = models.DateTimeField(_("réglée le"), null=True)
    mailed = models.PositiveIntegerField(_("personnes prévenues"), default=0)

    class Meta:
        verbose_name = _("alerte")
        verbose_name_plural = _("alertes")
        ordering = ("-raised_at", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "insurer", "breach", "subject"),
                condition=Q(ended_at=None),
                nulls_distinct=False,
                name="each_alert_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("raised_at")),
                name="an_alert_ends_after_it_began",
            ),
        )

    def __str__(self) -> str:
        return f"alert {self.pk} {self.kind}"
