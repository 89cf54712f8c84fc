"""Who may act for an insurer, who may review, and what an insurer declares."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from insurers.models.directory import Breach, Insurer


class Role(models.TextChoices):
    PREPARER = "preparer", _("préparateur")
    APPROVER = "approver", _("approbateur")
    VIEWER = "viewer", _("lecteur")


class Membership(models.Model):
    """A role of a person at an insurer; it counts once a second person has confirmed it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="memberships")
    role = models.CharField(_("rôle"), max_length=20, choices=Role.choices)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("invité par")
    )
    created_at = models.DateTimeField(_("créé le"))
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("confirmé par"),
    )
    confirmed_at = models.DateTimeField(_("confirmé le"), null=True, blank=True)
    ended_at = models.DateTimeField(_("terminé le"), null=True, blank=True)

    class Meta:
        verbose_name = _("rôle chez un organisme")
        verbose_name_plural = _("rôles chez les organismes")
        constraints = (
            models.UniqueConstraint(
                fields=("user", "insurer", "role"),
                condition=Q(ended_at=None),
                name="each_running_role_once",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by=None)
                | (~Q(confirmed_by=F("invited_by")) & ~Q(confirmed_by=F("user"))),
                name="membership_confirmed_by_another_person",
                violation_error_message=_(
                    "Une autre personne que celle qui invite, et que la personne invitée, "
                    "doit confirmer ce rôle."
                ),
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by=None, confirmed_at=None)
                | Q(confirmed_by__isnull=False, confirmed_at__isnull=False),
                name="membership_confirmation_is_dated",
            ),
        )

    def __str__(self) -> str:
        return f"membership {self.pk}"


class Mandate(models.Model):
    """What an auditor may read, and until when; without `user`, an invitation is under way."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="mandates"
    )
    breaches = models.ManyToManyField(Breach, related_name="mandates", verbose_name=_("violations"))
    insurers = models.ManyToManyField(
        Insurer, related_name="mandates", verbose_name=_("organismes")
    )
    until_date = models.DateField(_("jusqu’au"))
    created_at = models.DateTimeField(_("créé le"))

    class Meta:
        verbose_name = _("mandat d’auditeur")
        verbose_name_plural = _("mandats d’auditeurs")

    def __str__(self) -> str:
        return f"mandate {self.pk}"


class Invitation(models.Model):
    """A person asked to join: a role at an insurer, or an auditor's mandate."""

    email = models.EmailField(_("adresse e-mail"))
    insurer = models.ForeignKey(
        Insurer, models.CASCADE, null=True, blank=True, related_name="invitations"
    )
    role = models.CharField(_("rôle"), max_length=20, choices=Role.choices, blank=True)
    mandate = models.ForeignKey(
        Mandate, models.CASCADE, null=True, blank=True, related_name="invitations"
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("invité par")
    )
    created_at = models.DateTimeField(_("envoyée le"))
    expires_at = models.DateTimeField(_("valable jusqu’au"))
    accepted_at = models.DateTimeField(_("acceptée le"), null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("invitation")
        constraints = (
            models.CheckConstraint(
                condition=Q(insurer=None, role="", mandate__isnull=False)
                | (Q(insurer__isnull=False, mandate=None) & ~Q(role="")),
                name="invitation_names_a_role_at_an_insurer_or_a_mandate",
                violation_error_message=_(
                    "Choisissez un organisme et un rôle, ou un mandat d’auditeur."
                ),
            ),
        )

    def __str__(self) -> str:
        return f"invitation {self.pk}"


class Declaration(models.Model):
    """What an insurer declares for a breach, with the dates that start the clocks."""

    breach = models.ForeignKey(Breach, models.CASCADE, related_name="declarations")
    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="declarations")
    is_concerned = models.BooleanField(_("concerné"))
    operator_notice_at = models.DateTimeField(
        _("avis de l’opérateur reçu le"), null=True, blank=True
    )
    awareness_at = models.DateTimeField(_("prise de connaissance"), null=True, blank=True)
    expected_people = models.PositiveBigIntegerField(
        _("nombre de personnes attendu"), null=True, blank=True
    )
    authority_notified_at = models.DateTimeField(
        _("autorité de contrôle (CNIL) notifiée le"), null=True, blank=True
    )
    authority_reference = models.CharField(
        _("numéro de dossier auprès de l’autorité"), max_length=60, blank=True
    )
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    declared_at = models.DateTimeField(_("déclaré le"))

    class Meta:
        verbose_name = _("déclaration")
        constraints = (
            models.UniqueConstraint(
                fields=("breach", "insurer"), name="one_declaration_per_breach"
            ),
            models.CheckConstraint(
                condition=Q(is_concerned=False) | Q(awareness_at__isnull=False),
                name="concerned_declaration_dates_its_awareness",
            ),
            models.CheckConstraint(
                condition=Q(authority_reference="") | Q(authority_notified_at__isnull=False),
                name="a_file_number_has_its_notification",
            ),
        )

    def __str__(self) -> str:
        return f"declaration {self.pk}"
