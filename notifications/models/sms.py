"""What a provider calls the parts of SMS, and what its receipts said of each."""

from django.db import models


class SmsPart(models.Model):
    """One part of a message at a provider; `state` is empty until its final receipt.

    Without a message where the receipt came before the provider's own answer was noted, or is
    of something that this portal did not send.
    """

    account = models.CharField(max_length=60)
    provider_id = models.CharField(max_length=65)
    notification_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=15, blank=True)
    reason = models.CharField(max_length=60, blank=True)
    noted_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("account", "provider_id"), name="each_sms_part_once"),
        )
        indexes = (
            models.Index(fields=("notification_id",), name="parts_of_an_sms"),
            models.Index(fields=("noted_at",), name="sms_parts_by_age"),
        )

    def __str__(self) -> str:
        return f"part of notification {self.notification_id}"
