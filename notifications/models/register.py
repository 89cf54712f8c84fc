"""What the register keeps of its own: records of Article 33(5), sums made beforehand, recounts."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from insurers.models import Breach, Insurer


class RecordVersion(models.Model):
    """One saved state of an insurer's record of a breach (GDPR, article 33(5)). Never changed.

    `content` is what `notifications/register/record.py` reads.
    """

    breach = models.ForeignKey(Breach, models.PROTECT, related_name="+")
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="records")
    number = models.PositiveIntegerField(_("version"))
    content = models.JSONField(_("contenu"))
    sha256 = models.BinaryField(_("empreinte SHA-256"))
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    edited_at = models.DateTimeField(_("enregistrée le"))

    class Meta:
        verbose_name = _("version d’un registre interne")
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "insurer", "number"), name="each_record_version_once"
            ),
        )

    def __str__(self) -> str:
        return f"record of breach {self.breach_id} version {self.number}"


class RegisterSum(models.Model):
    """An insurer's line of a breach, made beforehand, so that a page reads one row.

    `listed` = the six that follow it, in people. `sums` holds rows of [campaign, channel, state,
    reason, people, messages], people of notices only; `told_by_day` rows of [day in Paris,
    channel, people told that day, net]. The times of shares are the ends of the hours (UTC) since
    when that share of `listed` people has been told. It holds while no `TallyChange` of its
    campaigns stands, and no `RegisterChange` of its own.
    """

    breach = models.ForeignKey(Breach, models.CASCADE, related_name="+")
    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="+")
    lists = models.IntegerField(default=0)
    rows_rejected = models.BigIntegerField(default=0)
    listed = models.BigIntegerField()
    told = models.BigIntegerField(default=0)
    in_progress = models.BigIntegerField(default=0)
    unreachable = models.BigIntegerField(default=0)
    exempt = models.BigIntegerField(default=0)
    told_already = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    sums = models.JSONField(default=list)
    told_by_day = models.JSONField(default=list)
    first_message_at = models.DateTimeField(null=True)
    last_message_at = models.DateTimeField(null=True)
    half_told_at = models.DateTimeField(null=True)
    most_told_at = models.DateTimeField(null=True)
    all_told_at = models.DateTimeField(null=True)
    summed_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "insurer"), name="one_sum_per_breach_and_insurer"
            ),
        )

    def __str__(self) -> str:
        return f"sum of breach {self.breach_id}"


class TallyChange(models.Model):
    """The tallies of a campaign changed since they were summed: a trigger's mark (0013)."""

    pk = models.CompositePrimaryKey("campaign_id", "shard")
    campaign = models.ForeignKey(
        "notifications.Campaign",
        models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    shard = models.SmallIntegerField()

    def __str__(self) -> str:
        return f"change of campaign {self.campaign_id}"


class RegisterChange(models.Model):
    """A list or campaign of an insurer changed since its line was summed: a trigger's mark (0020).

    Each change adds a mark of its own, so that nobody waits for anybody to mark.
    """

    breach = models.ForeignKey(Breach, models.CASCADE, related_name="+", db_constraint=False)
    insurer = models.ForeignKey(
        Insurer, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )

    def __str__(self) -> str:
        return f"change in breach {self.breach_id}"


class RecountResult(models.Model):
    """One recount of every tally from the delivery events, and of the equation on every line."""

    started_at = models.DateTimeField(_("commencé le"))
    finished_at = models.DateTimeField(_("terminé le"))
    events = models.BigIntegerField(_("événements"))
    lines = models.IntegerField(_("lignes"))
    differences = models.IntegerField(_("différences"))

    class Meta:
        verbose_name = _("recomptage")
        ordering = ("-started_at", "-pk")

    def __str__(self) -> str:
        return f"recount {self.pk}"


class Recounted(models.TextChoices):
    """What a recount compares."""

    TALLY = "tally", _("décompte")
    SUM = "sum", _("somme du registre")
    LINE = "line", _("égalité de la ligne")


class RecountDifference(models.Model):
    """A figure that a recount does not find again, in people and messages.

    Of a line, `recounted_people` is the sum over what people can be, `kept_people` the listed.
    """

    result = models.ForeignKey(RecountResult, models.CASCADE, related_name="found")
    breach = models.ForeignKey(Breach, models.CASCADE, related_name="+")
    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="+")
    campaign = models.ForeignKey(
        "notifications.Campaign", models.CASCADE, null=True, related_name="+"
    )
    kind = models.CharField(_("nature"), max_length=10, choices=Recounted.choices)
    channel = models.CharField(max_length=10, blank=True)
    state = models.CharField(max_length=15, blank=True)
    reason = models.CharField(max_length=60, blank=True)
    recounted_people = models.BigIntegerField()
    kept_people = models.BigIntegerField()
    recounted_messages = models.BigIntegerField(default=0)
    kept_messages = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("différence")
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"difference {self.pk} of recount {self.result_id}"
