"""The trail: one append-only, hash-chained list of staff actions per scope."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Outcome(models.TextChoices):
    DONE = "done", _("fait")
    REFUSED = "refused", _("refusé")


class AuditEntry(models.Model):
    """One action. The database sets `at`, `sequence` and the hashes, and refuses any change."""

    scope = models.TextField(_("périmètre"))
    sequence = models.BigIntegerField(_("rang"))
    at = models.DateTimeField(_("date"))
    actor = models.TextField(_("auteur"))
    action = models.TextField(_("action"))
    subject = models.TextField(_("objet"))
    outcome = models.TextField(_("résultat"), choices=Outcome.choices)
    detail = models.TextField(_("détail"))
    previous_hash = models.BinaryField()
    hash = models.BinaryField()

    class Meta:
        verbose_name = _("entrée du journal")
        verbose_name_plural = _("journal")
        ordering = ("scope", "sequence")
        constraints = (
            models.UniqueConstraint(fields=("scope", "sequence"), name="audit_one_entry_per_rank"),
        )

    def __str__(self) -> str:
        return f"{self.scope}#{self.sequence} {self.action}"


class TrailHead(models.Model):
    """The last rank and hash of a scope; only the chaining trigger writes it."""

    scope = models.TextField(primary_key=True)
    sequence = models.BigIntegerField()
    hash = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.scope}#{self.sequence}"
