"""How an insurer's e-mail leaves, what comes back about it, and which addresses are left out."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insurers.models import Insurer


class Transport(models.TextChoices):
    """How messages leave: SMTP, or a provider of django-anymail."""

    SMTP = "smtp", "SMTP"
    BREVO = "brevo", "Brevo"
    MAILGUN = "mailgun", "Mailgun"
    MAILJET = "mailjet", "Mailjet"
    MAILTRAP = "mailtrap", "Mailtrap"
    MANDRILL = "mandrill", "Mandrill"
    POSTMARK = "postmark", "Postmark"
    RESEND = "resend", "Resend"
    SENDGRID = "sendgrid", "SendGrid"
    SPARKPOST = "sparkpost", "SparkPost"


class Encryption(models.TextChoices):
    """How a connection is protected; without TLS only in the demo."""

    STARTTLS = "starttls", _("STARTTLS, exigé")
    TLS = "tls", _("TLS dès la connexion")
    NONE = "none", _("aucune (démonstration)")


class IdentityState(models.TextChoices):
    """Transitions live in `notifications/senders/identities.py`."""

    PROPOSED = "proposed", _("à approuver par l’exploitant")
    APPROVED = "approved", _("en service")
    REFUSED = "refused", _("refusée")
    ENDED = "ended", _("terminée")


class SendingIdentity(models.Model):
    """The sender of an insurer's e-mail; without one the portal's own sends for it.

    Its staff propose, the portal operator approves the hosts. A row is never changed but for its
    state: another proposal takes its place. Passwords and provider keys are sealed to the worker.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="sending_identities")
    state = models.CharField(_("état"), max_length=10, choices=IdentityState.choices)
    from_name = models.CharField(_("nom de l’expéditeur"), max_length=80)
    from_address = models.EmailField(_("adresse de l’expéditeur"))
    reply_to = models.EmailField(_("adresse de réponse"), blank=True)
    bounce_domain = models.CharField(_("domaine des retours"), max_length=190, blank=True)
    transport = models.CharField(_("envoi par"), max_length=12, choices=Transport.choices)
    host = models.CharField(_("serveur SMTP"), max_length=190, blank=True)
    port = models.PositiveIntegerField(_("port SMTP"), null=True, blank=True)
    encryption = models.CharField(
        _("chiffrement"), max_length=10, choices=Encryption.choices, default=Encryption.STARTTLS
    )
    sealed_credentials = models.BinaryField(_("identifiants scellés"))
    webhook_secret = models.TextField(_("secret des avis de remise, chiffré"), blank=True)
    mailbox_host = models.CharField(_("serveur IMAP des retours"), max_length=190, blank=True)
    mailbox_port = models.PositiveIntegerField(_("port IMAP"), null=True, blank=True)
    dkim_domain = models.CharField(_("domaine DKIM"), max_length=190, blank=True)
    dkim_selector = models.CharField(_("sélecteur DKIM"), max_length=60, blank=True)
    dkim_record = models.TextField(_("enregistrement TXT à publier"), blank=True)
    messages_per_second = models.PositiveIntegerField(_("messages par seconde"), null=True)
    messages_per_day = models.PositiveIntegerField(_("messages par jour"), null=True)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(_("proposée le"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(_("décidée le"), null=True)

    class Meta:
        verbose_name = _("identité d’envoi")
        verbose_name_plural = _("identités d’envoi")
        ordering = ("-proposed_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("insurer",),
                condition=Q(state="approved"),
                name="one_sending_identity_per_insurer",
            ),
            models.CheckConstraint(
                condition=~Q(transport="smtp") | Q(port__isnull=False) & ~Q(host=""),
                name="smtp_needs_a_host_and_a_port",
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | Q(decided_by__isnull=False),
                name="an_identity_is_approved_by_someone",
            ),
            models.CheckConstraint(
                condition=(Q(messages_per_second=None) | Q(messages_per_second__gt=0))
                & (Q(messages_per_day=None) | Q(messages_per_day__gt=0)),
                name="sending_limits_are_positive",
            ),
        )

    def __str__(self) -> str:
        return f"sending identity {self.pk}"


class SealedReceipt(models.Model):
    """What a provider’s webhook brought, sealed by the web; the worker reads and deletes it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    identity = models.ForeignKey(SendingIdentity, models.CASCADE, related_name="+")
    sealed = models.BinaryField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("received_at",), name="receipts_in_order"),)

    def __str__(self) -> str:
        return f"sealed receipt {self.pk}"


class Suppression(models.Model):
    """An address that bounced, or complained: its insurer sends nothing there until `until_at`."""

    insurer = models.ForeignKey(Insurer, models.CASCADE, related_name="+")
    address_fingerprint = models.UUIDField()
    reason = models.CharField(max_length=60)
    since_at = models.DateTimeField()
    until_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("insurer", "address_fingerprint"), name="each_address_suppressed_once"
            ),
        )
        indexes = (models.Index(fields=("until_at",), name="suppressions_by_end"),)

    def __str__(self) -> str:
        return f"suppression {self.pk}"
