"""What staff write and approve: notices, their versions, and campaigns."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from insurers.models import AffectedList, Breach, Insurer, Operator, Population


class Notice(models.Model):
    """The Article 34 message of an insurer for a breach, as a series of versions."""

    breach = models.ForeignKey(Breach, models.PROTECT, related_name="notices")
    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="notices")
    operators = models.ManyToManyField(Operator, related_name="notices")
    population = models.ForeignKey(Population, models.PROTECT, related_name="notices")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(_("créé le"))

    class Meta:
        verbose_name = _("avis")
        verbose_name_plural = _("avis")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"notice {self.pk}"


class NoticeVersion(models.Model):
    """One saved state of a notice; `content` is what `notices.NoticeContent` reads."""

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    content = models.JSONField(_("contenu"))
    sha256 = models.BinaryField(_("empreinte SHA-256"))
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    edited_at = models.DateTimeField(_("enregistrée le"))

    class Meta:
        verbose_name = _("version d’avis")
        verbose_name_plural = _("versions d’avis")
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=("notice", "number"), name="each_version_number_once"),
        )

    def __str__(self) -> str:
        return f"notice {self.notice_id} version {self.number}"


class Trial(models.Model):
    """A message that somebody has sent to themselves; nobody counts as told by it."""

    version = models.ForeignKey(NoticeVersion, models.CASCADE, related_name="trials")
    recipient = models.CharField(_("destinataire fictif"), max_length=20)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(_("demandé le"))
    taken_up_at = models.DateTimeField(_("pris en charge le"), null=True)
    state = models.CharField(_("état"), max_length=20, blank=True)
    reason = models.CharField(_("réponse"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("message d’essai")
        verbose_name_plural = _("messages d’essai")
        ordering = ("-asked_at",)

    def __str__(self) -> str:
        return f"trial {self.pk}"


class ListReach(models.Model):
    """How an accepted list can be reached, in people and addresses; the worker counts it once.

    Whoever another list's campaign has told by then is left out.

    `postal_people` are all whose postal address the list gives, `postal_only_people` those not told
    yet who have neither e-mail nor mobile. `shared_…` counts addresses that stand for more than
    eight members: an approver must confirm that they are real before anything is sent to them.
    """

    affected_list = models.OneToOneField(
        AffectedList, models.CASCADE, primary_key=True, related_name="reach"
    )
    email_people = models.PositiveBigIntegerField()
    email_addresses = models.PositiveBigIntegerField()
    phone_only_people = models.PositiveBigIntegerField()
    phone_only_numbers = models.PositiveBigIntegerField()
    no_contact_people = models.PositiveBigIntegerField()
    invalid_contact_people = models.PositiveBigIntegerField()
    shared_people = models.PositiveBigIntegerField()
    shared_addresses = models.PositiveBigIntegerField()
    postal_people = models.PositiveBigIntegerField(db_default=0, default=0)
    postal_only_people = models.PositiveBigIntegerField(db_default=0, default=0)

    class Meta:
        verbose_name = _("portée d’une liste")

    def __str__(self) -> str:
        return f"reach of list {self.affected_list_id}"


class CampaignState(models.TextChoices):
    """Transitions live in `notifications/campaigns/`: `submitting`, `approving`, `stopping`."""

    SUBMITTED = "submitted", _("à approuver")
    RETURNED = "returned", _("renvoyée")
    APPROVED = "approved", _("approuvée, envoi en préparation")
    SENDING = "sending", _("envoi en cours")
    PAUSED = "paused", _("en pause")
    HALTED = "halted", _("arrêtée")
    FINISHED = "finished", _("terminée")
    CANCELLED = "cancelled", _("annulée")


class CampaignKind(models.TextChoices):
    """A notice tells whoever is not told; the others tell again whoever was (design, 5.9)."""

    NOTICE = "notice", _("avis")
    COMPLEMENT = "complement", _("complément")
    CORRECTION = "correction", _("correction")


class Campaign(models.Model):
    """What is approved: one frozen notice version, one accepted list, one channel plan."""

    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="campaigns")
    breach = models.ForeignKey(Breach, models.PROTECT, related_name="campaigns")
    notice_version = models.ForeignKey(NoticeVersion, models.PROTECT, related_name="campaigns")
    affected_list = models.ForeignKey(AffectedList, models.PROTECT, related_name="campaigns")
    kind = models.CharField(
        _("nature"), max_length=10, choices=CampaignKind.choices, default=CampaignKind.NOTICE
    )
    kind_reason = models.TextField(_("motif du nouvel envoi"), blank=True)
    plan = models.JSONField(_("plan d’envoi"))
    sha256 = models.BinaryField(_("empreinte de ce qui est approuvé"))
    state = models.CharField(_("état"), max_length=20, choices=CampaignState.choices)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField(_("soumise le"))
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    approved_at = models.DateTimeField(_("approuvée le"), null=True)
    shared_addresses_confirmed = models.BooleanField(
        _("adresses partagées confirmées"), default=False
    )
    sender_standing = models.JSONField(_("domaine d’envoi à l’approbation"), null=True)
    sender_override = models.TextField(
        _("motif d’un envoi malgré un domaine non conforme"), blank=True
    )
    return_comment = models.TextField(_("motif du renvoi"), blank=True)
    halt_reason = models.CharField(_("motif de l’arrêt"), max_length=60, blank=True)
    halt_told = models.JSONField(_("personnes prévenues de l’arrêt"), default=list)
    tolerated_failures = models.FloatField(_("part d’échecs tolérée"), default=0.10)
    first_message_at = models.DateTimeField(_("premier message"), null=True)
    last_message_at = models.DateTimeField(_("dernier message"), null=True)
    finished_at = models.DateTimeField(_("terminée le"), null=True)
    interruptions = models.PositiveIntegerField(editable=False, db_default=0, default=0)
    """How often people left its list: batches claimed before that are given back."""

    class Meta:
        verbose_name = _("campagne d’envoi")
        verbose_name_plural = _("campagnes d’envoi")
        ordering = ("-submitted_at",)
        constraints = (
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=F("submitted_by")),
                name="campaign_approved_by_another_person",
                violation_error_message=_(
                    "La personne qui approuve n’est jamais celle qui a soumis."
                ),
            ),
            models.UniqueConstraint(
                fields=("affected_list",),
                condition=Q(kind="notice") & ~Q(state="returned"),
                name="one_running_campaign_per_list",
            ),
            models.CheckConstraint(
                condition=Q(kind="notice") | ~Q(kind_reason=""),
                name="telling_again_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("submitted", "returned", "cancelled"))
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="nothing_sent_without_approval",
            ),
            models.CheckConstraint(
                condition=~Q(sender_standing__outcome="fails") | ~Q(sender_override=""),
                name="a_failing_sender_has_a_reason",
            ),
        )

    def __str__(self) -> str:
        return f"campaign {self.pk}"

    @property
    def starts_at(self) -> datetime | None:
        """Before when nothing leaves, if the plan says so."""
        moment = self.plan.get("starts_at")
        return datetime.fromisoformat(moment) if moment else None


class Approval(models.Model):
    """That somebody approved a campaign, and what they vouched for; it stays when it comes back."""

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="approvals")
    version = models.ForeignKey(NoticeVersion, models.PROTECT, related_name="approvals")
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(_("approuvée le"))
    checked_points = models.JSONField(_("points vérifiés"))
    """The codes of `checklist.points_of`."""

    class Meta:
        verbose_name = _("approbation")
        verbose_name_plural = _("approbations")
        ordering = ("-approved_at", "-pk")

    def __str__(self) -> str:
        return f"approval {self.pk}"
