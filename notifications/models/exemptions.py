"""An insurer's decision not to tell each person of a list (GDPR, Article 34(3))."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from insurers.models import AffectedList, Breach, Insurer


class ExemptionGround(models.TextChoices):
    """Why Article 34(3) asks for no message to each person; codes stand as reasons of figures."""

    UNINTELLIGIBLE = (
        "art_34_3_a",
        _("les données sont incompréhensibles pour qui les a prises (art. 34, § 3, a)"),
    )
    RISK_REMOVED = (
        "art_34_3_b",
        _("des mesures prises depuis ont écarté le risque élevé (art. 34, § 3, b)"),
    )
    DISPROPORTIONATE = (
        "art_34_3_c",
        _(
            "écrire à chacun exigerait des efforts disproportionnés : communication publique"
            " à la place (art. 34, § 3, c)"
        ),
    )


class ExemptionState(models.TextChoices):
    """Transitions live in `notifications/exemptions/deciding.py`."""

    SUBMITTED = "submitted", _("à approuver")
    RETURNED = "returned", _("renvoyée")
    STANDING = "standing", _("en vigueur")
    LIFT_ASKED = "lift_asked", _("en vigueur, levée à approuver")
    LIFTED = "lifted", _("levée")


# While it is in one of these, people are counted as exempt.
IN_FORCE = (ExemptionState.STANDING, ExemptionState.LIFT_ASKED)
# While it is in one of these, nothing else may be decided for the list.
OPEN = (ExemptionState.SUBMITTED, *IN_FORCE)


class Exemption(models.Model):
    """That the people of a list whom nobody has told need not be told one by one.

    It writes no event: while it is in force, those whom the list's campaign could not tell, or
    all where there is none, are counted as exempt (docs/decisions/0030).
    """

    insurer = models.ForeignKey(Insurer, models.PROTECT, related_name="+")
    breach = models.ForeignKey(Breach, models.PROTECT, related_name="+")
    affected_list = models.ForeignKey(AffectedList, models.PROTECT, related_name="exemptions")
    ground = models.CharField(_("motif légal"), max_length=15, choices=ExemptionGround.choices)
    justification = models.TextField(_("justification"))
    sha256 = models.BinaryField(_("empreinte de ce qui est approuvé"))
    state = models.CharField(_("état"), max_length=15, choices=ExemptionState.choices)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField(_("soumise le"))
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    approved_at = models.DateTimeField(_("approuvée le"), null=True)
    return_comment = models.TextField(_("motif du renvoi"), blank=True)
    lift_reason = models.TextField(_("motif de la levée"), blank=True)
    lift_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    lift_asked_at = models.DateTimeField(_("levée demandée le"), null=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    lifted_at = models.DateTimeField(_("levée le"), null=True)

    class Meta:
        verbose_name = _("dispense")
        ordering = ("-submitted_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("affected_list",),
                condition=Q(state__in=("submitted", "standing", "lift_asked")),
                name="one_open_exemption_per_list",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=F("submitted_by")),
                name="exemption_approved_by_another_person",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("submitted", "returned"))
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="nobody_exempt_without_approval",
            ),
            models.CheckConstraint(
                condition=~Q(state="lift_asked")
                | Q(lift_asked_by__isnull=False, lift_asked_at__isnull=False) & ~Q(lift_reason=""),
                name="a_lift_has_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(state="lifted")
                | Q(lift_asked_by__isnull=False, lifted_by__isnull=False, lifted_at__isnull=False)
                & ~Q(lifted_by=F("lift_asked_by"))
                & ~Q(lift_reason=""),
                name="exemption_lifted_by_another_person",
            ),
            models.CheckConstraint(
                condition=~Q(justification=""), name="an_exemption_has_a_justification"
            ),
        )

    def __str__(self) -> str:
        return f"exemption {self.pk}"

    @property
    def is_in_force(self) -> bool:
        """Whether people are counted as exempt."""
        return self.state in IN_FORCE
