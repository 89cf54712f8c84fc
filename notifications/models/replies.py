"""What people ask the portal about themselves, and the messages that answer them."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from insurers.models import Insurer
from notifications.models.outbox import Channel, State


class SealedQuestion(models.Model):
    """« Am I concerned? », sealed by the web process; the worker answers and deletes it.

    `due_at` is when it came, by PostgreSQL's clock, or when it is to be tried again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sealed = models.BinaryField()
    due_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = (models.Index(fields=("due_at",), name="questions_in_order"),)

    def __str__(self) -> str:
        return f"sealed question {self.pk}"


class TakenQuestion(models.Model):
    """A question that was taken up: a copy of it is refused for as long as it would count."""

    id = models.UUIDField(primary_key=True)
    taken_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("taken_at",), name="taken_questions_by_age"),)

    def __str__(self) -> str:
        return f"taken question {self.pk}"


class Reply(models.Model):
    """A message that answers somebody, to the contact that the insurer supplied for them.

    The address stays sealed with the member (`list_id`, `ordinal`); `code` is what the page
    showed; `asked_about` is a keyed hash of who was asked about, by which answers are limited. It
    is kept for as long as it counts, then erased.
    """

    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="+")
    asked_about = models.UUIDField()
    breach_ids = ArrayField(models.BigIntegerField())
    list_id = models.IntegerField()
    ordinal = models.IntegerField()
    channels = ArrayField(models.CharField(max_length=10, choices=Channel.choices))
    """By which it may leave, in order: the first is tried, the others if that fails."""
    language = models.CharField(max_length=2)
    code = models.CharField(max_length=10)
    asked_at = models.DateTimeField()
    made_at = models.DateTimeField()
    state = models.CharField(_("état"), max_length=15, choices=State.choices)
    reason = models.CharField(max_length=60, blank=True)
    attempts = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    reference_fingerprint = models.BinaryField(null=True)
    address_fingerprint = models.UUIDField(null=True)
    receipts_wait = models.BooleanField(default=False, db_default=False)
    """Whether receipts came while it was being sent: they are applied after its outcome."""

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("reference_fingerprint",),
                condition=Q(reference_fingerprint__isnull=False),
                name="each_reply_reference_once",
            ),
        )
        indexes = (
            models.Index(
                fields=("due_at", "id"),
                condition=Q(state__in=("pending", "deferred", "sending")),
                name="replies_in_progress",
            ),
            models.Index(fields=("asked_about", "made_at"), name="replies_to_somebody"),
            models.Index(
                fields=("id",), condition=Q(receipts_wait=True), name="replies_with_receipts"
            ),
            models.Index(fields=("made_at",), name="replies_by_age"),
            models.Index(fields=("list_id",), name="replies_of_a_list"),
        )

    def __str__(self) -> str:
        return f"reply {self.pk}"
