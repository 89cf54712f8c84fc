"""What the DNS says of the domains that e-mail is sent from, and what everybody may read of it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from notifications.models.sending import SendingIdentity


class DomainOutcome(models.TextChoices):
    """Whether receivers can tell that a message comes from the domain that it names."""

    ALIGNED = "aligned", _("conforme")
    FAILS = "fails", _("non conforme")
    UNKNOWN = "unknown", _("non vérifié")


class DomainFinding(models.TextChoices):
    """What was found for SPF, DKIM or DMARC (`sender_domains/findings.py` says what it means)."""

    SPF_VALID = "spf_valid", _("le domaine dit quels serveurs écrivent en son nom")
    SPF_MISSING = "spf_missing", _("aucun enregistrement SPF")
    SPF_SEVERAL = "spf_several", _("plusieurs enregistrements SPF : les récepteurs les ignorent")
    SPF_UNREADABLE = "spf_unreadable", _("enregistrement SPF mal écrit")
    SPF_BROKEN_INCLUDE = (
        "spf_broken_include",
        _("l’enregistrement SPF renvoie à un domaine qui n’en a pas, ou dont le sien est fautif"),
    )
    SPF_TOO_MANY = "spf_too_many", _("l’enregistrement SPF demande plus de dix recherches")
    SPF_NOBODY = "spf_nobody", _("l’enregistrement SPF n’autorise aucun serveur")
    SPF_EVERYBODY = "spf_everybody", _("l’enregistrement SPF autorise n’importe quel serveur")
    SPF_NOT_ALIGNED = (
        "spf_not_aligned",
        _("le domaine des retours n’est pas celui de l’expéditeur"),
    )
    SPF_OF_PROVIDER = (
        "spf_of_provider",
        _("les retours vont au prestataire : seule la signature compte"),
    )
    DKIM_OURS = "dkim_ours", _("la clé publiée est celle qui signe les messages")
    DKIM_PUBLISHED = "dkim_published", _("une clé est publiée sous le sélecteur déclaré")
    DKIM_MISSING = "dkim_missing", _("aucune clé sous le sélecteur qui signe les messages")
    DKIM_DIFFERENT = "dkim_different", _("la clé publiée n’est pas celle qui signe les messages")
    DKIM_REVOKED = "dkim_revoked", _("la clé publiée est révoquée")
    DKIM_NOT_ALIGNED = (
        "dkim_not_aligned",
        _("le domaine qui signe n’est pas celui de l’expéditeur"),
    )
    DKIM_NONE = "dkim_none", _("aucune clé de signature dans ce domaine")
    DKIM_UNDECLARED = (
        "dkim_undeclared",
        _("des clés de signature existent ; celle qui sert n’est pas déclarée"),
    )
    DMARC_REJECT = "dmarc_reject", _("le domaine demande de refuser les messages non conformes")
    DMARC_QUARANTINE = (
        "dmarc_quarantine",
        _("le domaine demande d’écarter les messages non conformes"),
    )
    DMARC_NONE = "dmarc_none", _("publié, mais ne demande pas d’écarter les messages non conformes")
    DMARC_MISSING = "dmarc_missing", _("aucun enregistrement DMARC")
    DMARC_SEVERAL = "dmarc_several", _("plusieurs enregistrements DMARC : ils sont ignorés")
    DMARC_UNREADABLE = "dmarc_unreadable", _("enregistrement DMARC mal écrit")
    NO_ANSWER = "no_answer", _("le DNS n’a pas répondu")
    FICTIONAL = "fictional", _("domaine fictif de la démonstration, rien n’est demandé")


class SenderCheck(models.Model):
    """What was last found about the domain of a sender; without an identity, the portal's own.

    What did not answer takes nothing away: `outcome` and `findings` are of `checked_at`, when the
    DNS answered, and `tried_at` says when it was last asked.
    """

    identity = models.OneToOneField(
        SendingIdentity, models.CASCADE, null=True, related_name="check_of_domain"
    )
    from_domain = models.CharField(_("domaine"), max_length=255)
    outcome = models.CharField(_("résultat"), max_length=10, choices=DomainOutcome.choices)
    findings = models.JSONField(_("détail"))
    checked_at = models.DateTimeField(_("vérifié le"), null=True)
    tried_at = models.DateTimeField(_("demandé le"))

    class Meta:
        verbose_name = _("domaine d’envoi vérifié")
        verbose_name_plural = _("domaines d’envoi vérifiés")
        ordering = ("from_domain",)
        constraints = (
            models.UniqueConstraint(
                fields=("identity",), nulls_distinct=False, name="one_check_per_sender"
            ),
            models.CheckConstraint(
                condition=models.Q(outcome="unknown") | models.Q(checked_at__isnull=False),
                name="what_is_known_has_a_date",
            ),
        )

    def __str__(self) -> str:
        return f"check of sender {self.identity_id or 'portal'}"


class DeclaredSender(models.Model):
    """What everybody may read of an identity in service: a view (migration 0003).

    It holds neither the server, nor the address before the @, nor anything sealed.
    """

    id = models.UUIDField(primary_key=True)
    insurer_id = models.UUIDField()
    from_name = models.CharField(max_length=80)
    from_domain = models.CharField(max_length=255)
    outcome = models.CharField(max_length=10, choices=DomainOutcome.choices)
    findings = models.JSONField(null=True)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "notifications_declaredsender"

    def __str__(self) -> str:
        return f"declared sender {self.pk}"


class DeclaredName(models.Model):
    """What an insurer's messages came under, from approved campaigns: a view (migration 0003).

    `channel` is "sms" for the sender of its SMS, "email" for a name before the portal's address,
    "domain" for a domain that its e-mail left from.
    """

    pk = models.CompositePrimaryKey("insurer_id", "channel", "name")
    insurer_id = models.UUIDField()
    channel = models.CharField(max_length=10)
    name = models.CharField(max_length=200)

    class Meta:
        managed = False
        db_table = "notifications_declaredname"

    def __str__(self) -> str:
        return f"declared name of {self.insurer_id}"
