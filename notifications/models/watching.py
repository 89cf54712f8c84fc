"""What shows how a campaign goes, and that the portal's processes live."""

from django.db import models

from notifications.models.campaigns import Campaign
from notifications.models.outbox import Channel


class CampaignSample(models.Model):
    """A campaign's tallies at one moment: its rate is between two of them, its course all."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="samples", db_index=False)
    at = models.DateTimeField()
    people = models.JSONField()  # by standing
    messages_done = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("campaign", "at"), name="one_sample_at_a_time"),
        )

    def __str__(self) -> str:
        return f"sample of campaign {self.campaign_id}"


class AnswerExample(models.Model):
    """The first answer of a provider for a reason, in its own words, scrubbed."""

    campaign = models.ForeignKey(
        Campaign, models.CASCADE, related_name="answer_examples", db_index=False
    )
    channel = models.CharField(max_length=10, choices=Channel.choices)
    reason = models.CharField(max_length=60)
    text = models.CharField(max_length=200)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "channel", "reason"), name="one_example_per_reason"
            ),
        )

    def __str__(self) -> str:
        return f"example of campaign {self.campaign_id}"


class Heartbeat(models.Model):
    """When a kind of process last showed that it lives."""

    process = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"heartbeat of {self.process}"
