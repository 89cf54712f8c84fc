"""Evidence that is checked without trusting the portal: its key, the heads that left, the packs."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insurers.models import Breach, Insurer


class EvidenceKey(models.Model):
    """That a signing key exists, and its public half; the key itself is in the key store only."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    public_key = models.BinaryField()  # Ed25519, 32 bytes
    proof = models.BinaryField()  # `fingerprint_keys.proof_of`
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"evidence key {self.number}"


class KeptHeads(models.Model):
    """A signed file of the trail's heads that left: its number, its hash, when it was mailed."""

    number = models.PositiveIntegerField(primary_key=True)
    sha256 = models.BinaryField()
    chains = models.PositiveIntegerField()
    signed_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"heads {self.number}"


class PackState(models.TextChoices):
    """Transitions live in `notifications/evidence/packs.py`."""

    ASKED = "asked", _("en préparation")
    READY = "ready", _("prêt")
    FAILED = "failed", _("impossible à préparer")
    ERASED = "erased", _("effacé")


class EvidencePack(models.Model):
    """A ZIP of evidence of one insurer in one breach; `rows_*` count delivery events written.

    The file stands in EVIDENCE_DIR under the pack's id, only once it is whole.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    breach = models.ForeignKey(Breach, models.PROTECT, related_name="evidence_packs")
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="evidence_packs")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(_("demandé le"))
    state = models.CharField(
        _("état"), max_length=10, choices=PackState.choices, default=PackState.ASKED
    )
    failures = models.PositiveSmallIntegerField(_("échecs"), db_default=0, default=0)
    rows_done = models.PositiveBigIntegerField(_("événements écrits"), db_default=0, default=0)
    rows_total = models.PositiveBigIntegerField(_("événements"), db_default=0, default=0)
    size_bytes = models.PositiveBigIntegerField(_("taille en octets"), db_default=0, default=0)
    sha256 = models.BinaryField(_("empreinte SHA-256 du fichier"), default=bytes)
    made_at = models.DateTimeField(_("prêt le"), null=True)
    expires_at = models.DateTimeField(_("effacé après le"), null=True)

    class Meta:
        verbose_name = _("dossier de preuves")
        verbose_name_plural = _("dossiers de preuves")
        ordering = ("-requested_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "insurer"),
                condition=Q(state="asked"),
                name="one_evidence_pack_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="ready") | Q(made_at__isnull=False, expires_at__isnull=False),
                name="a_ready_pack_is_dated",
            ),
        )

    def __str__(self) -> str:
        return f"evidence pack {self.pk}"
