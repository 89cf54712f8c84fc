"""What the worker alone reads: messages, whom they cover, what became of them; and tallies."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insurers.models import Insurer
from notifications.models.campaigns import Campaign


class Channel(models.TextChoices):
    EMAIL = "email", _("courriel")
    SMS = "sms", _("SMS")
    LETTER = "letter", _("lettre")


class State(models.TextChoices):
    """Of a message, or (last group) of people who get none. See `notifications/states.py`."""

    PENDING = "pending", _("à envoyer")
    SENDING = "sending", _("en cours d’envoi")
    DEFERRED = "deferred", _("remise différée")
    ACCEPTED = "accepted", _("acceptée par le serveur")
    DELIVERED = "delivered", _("remise")
    UNCERTAIN = "uncertain", _("en doute")
    BOUNCED = "bounced", _("adresse refusée")
    COMPLAINED = "complained", _("signalée comme indésirable")
    FAILED = "failed", _("échec")
    SUPPRESSED = "suppressed", _("adresse écartée")
    CANCELLED = "cancelled", _("annulée")
    UNREACHABLE = "unreachable", _("injoignable")
    TOLD_ALREADY = "told_already", _("déjà informée")
    EXEMPT = "exempt", _("dispense (article 34, § 3)")


# Of rows written by the million. Nobody has the right to delete a campaign, and the outbox is
# made while its row is locked; a batch is deleted only where it has no message: checking each row
# would find nothing. Their other indexes begin with it.
BULK: dict[str, Any] = {"related_name": "+", "db_constraint": False, "db_index": False}


class DispatchBatch(models.Model):
    """Messages leased by one worker connection, which holds this id as an advisory lock."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", db_index=False)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    sender = models.CharField(max_length=80, blank=True)
    window = models.PositiveSmallIntegerField(db_default=1, default=1)
    claimed_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    was_recovered = models.BooleanField(db_default=False, default=False)
    interruptions = models.PositiveIntegerField(db_default=0, default=0)
    """Those of its campaign when it was claimed: once there are more, the rest goes back."""

    class Meta:
        indexes = (
            models.Index(fields=("id",), condition=Q(closed_at=None), name="open_batches"),
            models.Index(fields=("id",), condition=Q(was_recovered=True), name="recovered_batches"),
            models.Index(fields=("campaign", "id"), name="latest_batch_of_a_campaign"),
        )

    def __str__(self) -> str:
        return f"batch {self.pk}"


class DispatchTicket(models.Model):
    """The number of the one task that may next take a slot among the dispatchers."""

    slot = models.SmallIntegerField(primary_key=True)
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"ticket of slot {self.slot}"


class Notification(models.Model):
    """One message to one address; the address itself stays sealed with the member named.

    It covers the member named, unless `people` is 0, and those of `NotificationMember`.
    `address_fingerprint` is emptied when the contacts of the list are purged. Of its `people`,
    the register counts `uncounted` on another list, or no longer. `due_at` is when it is to be
    sent, or when what is to be done about a doubt; `resent_at` when it was sent again because of
    a doubt. `receipts_wait`: receipts came while it was being sent.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, **BULK)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    address_fingerprint = models.UUIDField(null=True)
    reference_fingerprint = models.BinaryField(null=True)
    list_id = models.IntegerField()
    ordinal = models.IntegerField()
    people = models.IntegerField()
    uncounted = models.IntegerField(db_default=0, default=0)
    state = models.CharField(max_length=15, choices=State.choices)
    reason = models.CharField(max_length=60, blank=True)
    batch = models.ForeignKey(DispatchBatch, models.DO_NOTHING, null=True, **BULK)
    attempts = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField()
    resent_at = models.DateTimeField(null=True)
    receipts_wait = models.BooleanField(db_default=False, default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "channel", "address_fingerprint"),
                condition=~Q(state="cancelled"),
                name="one_message_per_address",
            ),
            models.UniqueConstraint(
                fields=("reference_fingerprint",),
                condition=Q(reference_fingerprint__isnull=False),
                name="each_reference_once",
            ),
        )
        indexes = (
            models.Index(
                fields=("campaign", "channel", "due_at", "id"),
                condition=Q(state__in=("pending", "deferred")),
                name="messages_that_wait",
            ),
            models.Index(fields=("list_id", "ordinal"), name="messages_that_name_a_member"),
            models.Index(
                fields=("batch",),
                condition=Q(state="sending") | Q(channel="letter", batch__isnull=False),
                name="messages_of_a_batch",
            ),
            models.Index(
                fields=("campaign", "due_at"),
                condition=Q(state="uncertain"),
                name="messages_in_doubt",
            ),
            models.Index(
                fields=("id",), condition=Q(receipts_wait=True), name="messages_with_receipts"
            ),
        )

    def __str__(self) -> str:
        return f"notification {self.pk}"


class Acceptance(models.Model):
    """A message that its server took, until `sending/acceptances.py` makes an event of it.

    `reference_fingerprint` is that of the message's reference, which has left with it.
    """

    pk = models.CompositePrimaryKey("batch_id", "notification_id")
    batch_id = models.IntegerField()
    notification_id = models.BigIntegerField()
    reason = models.CharField(max_length=60)
    reference = models.CharField(max_length=120)
    reference_fingerprint = models.BinaryField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"acceptance of notification {self.notification_id}"


class CrowdedAddress(models.Model):
    """An address of more than eight members of the list, which the approver did not confirm."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+")
    address_fingerprint = models.UUIDField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "address_fingerprint"), name="each_crowded_address_once"
            ),
        )

    def __str__(self) -> str:
        return f"crowded address of campaign {self.campaign_id}"


class CrowdedChoice(models.Model):
    """What an approver sees of a crowded address (by its id): how many wait, where on the list."""

    id = models.BigIntegerField(primary_key=True)
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="crowded_choices")
    people = models.IntegerField()
    first_rows = models.JSONField(default=list)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True)
    is_applied = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"choice {self.pk} of campaign {self.campaign_id}"


class NotificationMember(models.Model):
    """Another member whom a message covers, of the same list as the one that it names.

    Most messages cover one member, and have no such row. Plain columns, no foreign key to the
    partitioned table.
    """

    pk = models.CompositePrimaryKey("notification_id", "list_id", "ordinal")
    notification_id = models.BigIntegerField()
    list_id = models.IntegerField()
    ordinal = models.IntegerField()

    class Meta:
        indexes = (models.Index(fields=("list_id", "ordinal"), name="messages_of_a_member"),)

    def __str__(self) -> str:
        return f"notification {self.notification_id} covers {self.list_id}/{self.ordinal} as well"


class CoveredMember(models.Model):
    """A message covers a member, named or not: a view (migration 0003), the place to ask."""

    pk = models.CompositePrimaryKey("notification_id", "list_id", "ordinal")
    notification_id = models.BigIntegerField()
    list_id = models.IntegerField()
    ordinal = models.IntegerField()

    class Meta:
        managed = False
        db_table = "notifications_covered"

    def __str__(self) -> str:
        return f"notification {self.notification_id} covers {self.list_id}/{self.ordinal}"


class DeliveryEvent(models.Model):
    """Append-only: a message, or a number of people, left a state and entered another.

    A trigger adds each event to the tallies in the same transaction (migration 0002); a
    constraint refuses a move that `notifications/states.py` does not have (migration 0002).
    """

    # Not checked: that would lock the campaign's row for each message (and see BULK).
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", db_constraint=False)
    notification_id = models.BigIntegerField(null=True)
    channel = models.CharField(max_length=10, blank=True)
    state = models.CharField(max_length=15, choices=State.choices)
    previous_state = models.CharField(max_length=15, blank=True)
    previous_reason = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=60, blank=True)
    people = models.BigIntegerField()
    messages = models.BigIntegerField()
    uncounted = models.BigIntegerField(db_default=0, default=0)
    at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("notification_id",), name="events_of_a_message"),)

    def __str__(self) -> str:
        return f"event {self.pk} {self.state}"


class ReceiptKind(models.TextChoices):
    DELIVERED = "delivered", _("remise")
    DELAYED = "delayed", _("retardée, le prestataire essaie encore")
    SOFT = "soft", _("refusée pour un temps")
    HARD = "hard", _("adresse refusée")
    COMPLAINED = "complained", _("signalée comme indésirable")
    FAILED = "failed", _("échec")


class ProviderReference(models.Model):
    """What a provider calls one attempt to send a message, where it gives a name of its own."""

    sender = models.CharField(max_length=80)
    reference = models.CharField(max_length=120)
    notification_id = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("sender", "reference"), name="each_provider_reference_once"
            ),
        )

    def __str__(self) -> str:
        return f"reference of notification {self.notification_id}"


class Receipt(models.Model):
    """What a provider said of a message after its answer, once; kept also where it is of none."""

    key = models.CharField(max_length=64, unique=True)
    sender = models.CharField(max_length=80)
    notification_id = models.BigIntegerField(null=True)
    reference = models.CharField(max_length=120, blank=True)
    kind = models.CharField(max_length=10, choices=ReceiptKind.choices)
    code = models.CharField(max_length=60, blank=True)
    text = models.CharField(max_length=200, blank=True)
    is_applied = models.BooleanField(default=False)
    received_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(
                fields=("notification_id",),
                condition=Q(is_applied=False),
                name="receipts_that_wait",
            ),
            models.Index(
                fields=("sender", "reference"),
                condition=Q(notification_id=None),
                name="receipts_of_no_message",
            ),
        )

    def __str__(self) -> str:
        return f"receipt {self.pk} {self.kind}"


class SenderPace(models.Model):
    """How far a sending identity has got: its next slot, today's count, its rest. One row each."""

    sender = models.CharField(max_length=80, primary_key=True)
    next_at = models.DateTimeField()
    day_date = models.DateField()
    sent_today = models.BigIntegerField(default=0)
    rests_until_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return "pace of a sender"


class Tally(models.Model):
    """Signed counts: the sum over hours and shards is what stands in a state now."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="tallies")
    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="+")
    channel = models.CharField(max_length=10, blank=True)
    state = models.CharField(max_length=15, choices=State.choices)
    reason = models.CharField(max_length=60, blank=True)
    hour_at = models.DateTimeField()
    shard = models.SmallIntegerField()
    people = models.BigIntegerField()
    messages = models.BigIntegerField()
    uncounted = models.BigIntegerField(db_default=0, default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("campaign", "channel", "state", "reason", "hour_at", "shard"),
                name="one_tally_per_hour_and_shard",
            ),
        )

    def __str__(self) -> str:
        return f"tally of campaign {self.campaign_id} {self.state}"


class Told(models.Model):
    """A member is claimed by a campaign, for an operator; a bounce releases the claim."""

    pk = models.CompositePrimaryKey(
        "breach_id", "insurer_id", "operator_id", "fingerprint", "name_tag"
    )
    breach_id = models.BigIntegerField()
    insurer_id = models.UUIDField()
    operator_id = models.BigIntegerField()
    fingerprint = models.UUIDField()
    name_tag = models.IntegerField()
    key_version = models.SmallIntegerField(default=1)
    campaign = models.ForeignKey(Campaign, models.CASCADE, **BULK)
    list_id = models.IntegerField()
    ordinal = models.IntegerField()

    class Meta:
        indexes = (
            models.Index(fields=("campaign", "list_id", "ordinal"), name="told_by_campaign"),
        )

    def __str__(self) -> str:
        return f"told by campaign {self.campaign_id}"
