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


class TrailCheckpoint(models.Model):
    """The last entry of a scope that may be dropped, signed before it was (`audit/expiry.py`).

    `signed` is a file of heads that holds it. The worker writes it, the owner role drops what
    stands before and dates `dropped_at`: from then on the chain begins after it.
    """

    scope = models.TextField(_("périmètre"))
    sequence = models.BigIntegerField(_("dernier rang"))
    hash = models.BinaryField(_("empreinte"))
    kept_from_date = models.DateField(_("gardé depuis le"))
    signed = models.BinaryField(_("fichier signé"))
    signed_at = models.DateTimeField(_("signé le"))
    dropped_at = models.DateTimeField(_("entrées ôtées le"), null=True)

    class Meta:
        verbose_name = _("terme du journal")
        verbose_name_plural = _("termes du journal")
        ordering = ("scope", "sequence")
        constraints = (
            models.UniqueConstraint(fields=("scope", "sequence"), name="each_checkpoint_once"),
        )

    def __str__(self) -> str:
        return f"{self.scope}#{self.sequence} checkpoint"
