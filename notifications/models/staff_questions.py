"""What insurers' staff ask about one person, and the answers, each for five minutes."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from insurers.models import Insurer

LONGEST_REASON = 500


class AskedOutcome(models.TextChoices):
    """What became of a question, in the trail too; all but the first are refusals."""

    ANSWERED = "answered"
    TOO_MANY_OF_PERSON = "person_cap"
    TOO_MANY_OF_INSURER = "insurer_cap"
    NO_ROLE = "no_role"
    NO_KEYS = "no_keys"
    AGED = "aged"
    FOREIGN = "foreign"
    DAMAGED = "damaged"
    IN_USE = "in_use"


class Asked(models.TextChoices):
    """What somebody wants to know, or to be done, of one person."""

    STANDING = "standing"  # staff, for the member on the phone
    MATCH = "match"  # an auditor: is this the person of that row?
    ACCESS = "access"  # an approver: what is held (Article 15)
    ERASURE = "erasure"  # an approver: erase the contact (Article 17)


class StaffQuestion(models.Model):
    """Sealed by the web process; the worker answers it, empties it, and forgets it in a day.

    Until then it counts: `taken_at` and `outcome` are the worker's, which the web role cannot set.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="+", db_index=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    asked = models.CharField(max_length=10, choices=Asked.choices, default=Asked.STANDING)
    reason = models.CharField(max_length=LONGEST_REASON, blank=True)
    sealed = models.BinaryField(default=bytes)
    asked_at = models.DateTimeField(db_default=Now())
    taken_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=15, blank=True, choices=AskedOutcome.choices)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(taken_at=None, outcome="")
                | (Q(taken_at__isnull=False, sealed=b"") & ~Q(outcome="")),
                name="a_taken_staff_question_is_emptied",
            ),
            models.CheckConstraint(
                condition=~Q(asked="match") | ~Q(reason=""), name="a_match_has_a_reason"
            ),
        )
        indexes = (
            models.Index(
                fields=("asked_at",), condition=Q(taken_at=None), name="staff_questions_in_order"
            ),
            models.Index(fields=("asked_by", "taken_at"), name="staff_questions_of_a_person"),
            models.Index(fields=("insurer", "taken_at"), name="staff_questions_of_an_insurer"),
            models.Index(fields=("taken_at",), name="staff_questions_by_age"),
        )

    def __str__(self) -> str:
        return f"question {self.pk}"


class StaffAnswer(models.Model):
    """Where a person stands, in codes (`replies/standing.py`): nothing that identifies them."""

    question = models.OneToOneField(
        StaffQuestion, models.CASCADE, primary_key=True, related_name="answer"
    )
    content = models.JSONField()
    made_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("made_at",), name="staff_answers_by_age"),)

    def __str__(self) -> str:
        return f"answer to question {self.question_id}"
