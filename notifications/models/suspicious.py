"""Messages that people took for scams, as they report them: by nobody, about nobody."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from insurers.models import Insurer

AT_MOST = 5000  # characters of a report


class ReportedChannel(models.TextChoices):
    SMS = "sms", _("SMS")
    EMAIL = "email", _("courriel")
    CALL = "call", _("appel téléphonique")
    LETTER = "letter", _("lettre")


class SuspiciousMessage(models.Model):
    """A pasted message without what may be personal (`verifying/suspicious.py`).

    A year later it is erased. `insurer` is the one it claims to come from; `alike` is the same
    for messages that differ by numbers, addresses and spaces only.
    """

    # Made here: whoever may only insert a row cannot ask which number it was given.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    insurer = models.ForeignKey(
        Insurer, models.PROTECT, null=True, related_name="suspicious_messages"
    )
    channel = models.CharField(
        _("arrivé par"), max_length=10, choices=ReportedChannel.choices, blank=True
    )
    text = models.CharField(_("texte"), max_length=AT_MOST)
    alike = models.UUIDField()
    reported_date = models.DateField(_("signalé le"))

    class Meta:
        verbose_name = _("message suspect")
        verbose_name_plural = _("messages suspects")
        indexes = (models.Index(fields=("reported_date",), name="suspicious_by_day"),)

    def __str__(self) -> str:
        return f"suspicious message {self.pk}"
