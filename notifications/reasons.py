"""Why someone is not told, or a message not accepted: codes kept in the database, in words."""

import re

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from notifications.models import Transport

CAMPAIGN_CANCELLED = "campaign_cancelled"

LABELS = {
    "no_contact": gettext_noop("ni courriel ni mobile sur la liste"),
    "invalid_contact": gettext_noop("contact inutilisable"),
    "shared_address": gettext_noop("adresse partagée par plus de huit personnes, non confirmée"),
    "suppressed": gettext_noop("adresse qui a refusé un envoi, ou s’en est plainte, depuis un an"),
    "earlier_campaign": gettext_noop("déjà informée par une autre campagne"),
    "corrected": gettext_noop("contact corrigé : suivie sur une liste suivante"),
    "replaced": gettext_noop("absente de la liste qui remplace celle-ci, ou reprise par elle"),
    "withdrawn": gettext_noop("retirée par l’organisme"),
    "not_told_before": gettext_noop("pas encore informée : rien à compléter"),
    CAMPAIGN_CANCELLED: gettext_noop("campagne annulée par l’organisme"),
    "sent_again": gettext_noop("en doute, envoyée une seconde fois"),
    "receipt-soft": gettext_noop("refusée pour un temps, selon le prestataire"),
    "receipt-hard": gettext_noop("adresse refusée, selon le prestataire"),
    "receipt-failed": gettext_noop("échec, selon le prestataire"),
    "receipt-delivered": gettext_noop("remise, selon le prestataire"),
    "receipt-complained": gettext_noop("signalée comme indésirable"),
    "worker-lost": gettext_noop("processus arrêté pendant l’envoi"),
    "smtp-no-answer": gettext_noop("connexion coupée avant la réponse du serveur"),
    "smtp-dropped": gettext_noop("connexion coupée par le serveur"),
    "letter-exported": gettext_noop("lettre remise à l’organisme, qui l’envoie"),
    "smpp-no-answer": gettext_noop("connexion coupée avant la réponse du prestataire SMS"),
    "ovh-no-answer": gettext_noop("connexion coupée avant la réponse du prestataire SMS"),
    "ovh-invalid-receiver": gettext_noop("numéro que le prestataire SMS n’admet pas"),
    "sms-undeliv": gettext_noop("SMS que l’opérateur mobile n’a pas pu remettre"),
    "sms-expired": gettext_noop("SMS que le téléphone n’a pas pris à temps"),
    "sms-rejectd": gettext_noop("SMS refusé par l’opérateur mobile"),
    "sms-deleted": gettext_noop("SMS effacé par l’opérateur mobile"),
    "ovh-receipt-2": gettext_noop("SMS que l’opérateur mobile n’a pas pu remettre"),
    "ovh-receipt-16": gettext_noop("SMS refusé par l’opérateur mobile"),
    "art_34_3_a": gettext_noop("données incompréhensibles pour qui les a prises (art. 34, § 3, a)"),
    "art_34_3_b": gettext_noop("risque élevé écarté par des mesures prises (art. 34, § 3, b)"),
    "art_34_3_c": gettext_noop(
        "efforts disproportionnés, communication publique à la place (art. 34, § 3, c)"
    ),
    "smtp-syntax": gettext_noop("adresse que le serveur ne sait pas lire"),
}
PROVIDER_CODE = re.compile(r"smtp-(\d{3})")
SMS_CODE = re.compile(r"(?:smpp|ovh)-([0-9a-f]{3,8})")
OTHERS = "|".join(transport for transport in Transport if transport != Transport.SMTP)
MAIL_PROVIDER = re.compile(rf"(?:{OTHERS})-(?:(\d{{3}})|(no-answer)|([a-z_-]+))")
RECEIPT_DETAIL = re.compile(r"(sms-[a-z]+)-[0-9a-f]+")
REPORTED = re.compile(r"(?:dsn|bounce)-(\d\.\d+\.\d+)")


def reason_label(code: str) -> str:
    """Return a reason in the reader's language; a provider's code stays a number."""
    if match := PROVIDER_CODE.fullmatch(code):
        return _("réponse %(code)s du serveur de courriel") % {"code": match[1]}
    if match := SMS_CODE.fullmatch(code):
        return _("réponse %(code)s du prestataire SMS") % {"code": match[1]}
    if match := MAIL_PROVIDER.fullmatch(code):
        return _of_a_mail_provider(*match.groups())
    if match := RECEIPT_DETAIL.fullmatch(code):
        code = match[1]
    if match := REPORTED.fullmatch(code):
        return _("non remis, code %(code)s") % {"code": match[1]}
    if code.startswith("complaint-"):
        return _("signalée comme indésirable par son destinataire")
    return _(LABELS[code]) if code in LABELS else code


def _of_a_mail_provider(code: str | None, no_answer: str | None, said: str | None) -> str:
    if code:
        return _("réponse %(code)s du prestataire de courriel") % {"code": code}
    if no_answer:
        return _("connexion coupée avant la réponse du prestataire de courriel")
    return _("« %(said)s », selon le prestataire de courriel") % {"said": said}
