"""Who waits to be told that an insurer's answer changed: addresses sealed, counts in clear."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insurers.models import Insurer


class WaitingRequest(models.Model):
    """What somebody typed, sealed to the worker: the web role adds rows and reads none."""

    # Made by whoever seals it, and inside the seal too.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sealed = models.BinaryField()
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"waiting request {self.pk}"


class WaitingAddress(models.Model):
    """An address that waits for an insurer's answer; deleted once it is told.

    `due_at` is when its next message may leave: the one that asks for confirmation (None once it
    left), then the one that tells. `taken_up_at` says that a message is in a worker's hand.
    `is_doubtful` says that it may have left already: it leaves once more at most.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="+")
    fingerprint = models.UUIDField()
    sealed = models.BinaryField()
    token_sha256 = models.BinaryField(unique=True)
    language = models.CharField(max_length=2)
    asked_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    taken_up_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    is_doubtful = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("insurer", "fingerprint"), name="an_address_waits_once_for_an_insurer"
            ),
        )
        indexes = (
            models.Index(fields=("due_at",), name="waiting_messages_due"),
            models.Index(
                fields=("asked_at",),
                condition=Q(confirmed_at=None),
                name="waiting_unconfirmed",
            ),
        )

    def __str__(self) -> str:
        return f"waiting address {self.pk}"


class SentConfirmation(models.Model):
    """That a mailbox was asked to confirm, so that nobody is flooded; forgotten after 30 days."""

    mailbox = models.UUIDField()
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="+")
    sent_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("mailbox", "sent_at"), name="confirmations_of_mailbox"),)

    def __str__(self) -> str:
        return f"sent confirmation {self.pk}"


class WaitingKey(models.Model):
    """That the key of waiting addresses exists; the key itself is in the key store only."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    proof = models.BinaryField()  # `fingerprint_keys.proof_of`
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"waiting key {self.number}"


class Ending(models.TextChoices):
    """Why a confirmed address no longer waits."""

    TOLD = "told", _("prévenues")
    REMOVED = "removed", _("retirées")
    UNREACHABLE = "unreachable", _("injoignables")
    EXPIRED = "expired", _("restées sans réponse")


class WaitingTally(models.Model):
    """How many confirmed addresses of an insurer ended their wait in a month; stays for good."""

    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="waiting_tallies")
    month_date = models.DateField(_("mois"))
    ending = models.CharField(_("fin"), max_length=15, choices=Ending.choices)
    people = models.PositiveBigIntegerField(_("personnes"))

    class Meta:
        verbose_name = _("attente terminée")
        verbose_name_plural = _("attentes terminées")
        ordering = ("-month_date", "insurer__name", "ending")
        constraints = (
            models.UniqueConstraint(
                fields=("insurer", "month_date", "ending"), name="one_waiting_tally_a_month"
            ),
        )

    def __str__(self) -> str:
        return f"waiting tally {self.pk}"


class WaitingCount(models.Model):
    """How many confirmed addresses wait for an insurer now: a view (migration 0001)."""

    insurer_id = models.UUIDField(primary_key=True)
    people = models.BigIntegerField()
    first_date = models.DateField()

    class Meta:
        managed = False

    def __str__(self) -> str:
        return f"waiting count of insurer {self.insurer_id}"
