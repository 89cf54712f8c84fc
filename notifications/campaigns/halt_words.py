"""What people read of a campaign that stopped by itself."""

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from notifications.models import Campaign, CampaignState

WORDS = {
    "sender_refused": gettext_noop(
        "Le serveur ou le prestataire refuse l’expéditeur : l’envoi s’est arrêté sans rien perdre."
        " Faites vérifier la configuration, puis reprenez."
    ),
    "sender_fails": gettext_noop(
        "Le domaine d’envoi n’est plus conforme : l’envoi s’est arrêté sans rien perdre."
        " Faites-le corriger, puis reprenez, ou reprenez en disant pourquoi."
    ),
    "no_answer": gettext_noop(
        "Le serveur ou le prestataire coupe la connexion avant de répondre : les messages"
        " concernés sont marqués « en doute » et l’envoi s’est arrêté. Faites-le vérifier, puis"
        " reprenez."
    ),
    "unexpected": gettext_noop(
        "Une erreur inattendue a arrêté l’envoi ; le message en cours est marqué « en doute »."
        " Prévenez l’exploitant du portail avant de reprendre."
    ),
    "all_refused": gettext_noop(
        "Le serveur ou le prestataire a refusé vingt messages de suite : l’envoi s’est arrêté."
        " Faites vérifier la configuration et la liste, puis reprenez."
    ),
    "failures": gettext_noop(
        "Plus d’un message sur dix a échoué pour de bon : l’envoi s’est arrêté de lui-même."
        " Vérifiez la liste avant de reprendre."
    ),
}


def halted_because(campaign: Campaign) -> str:
    """Return why a halted campaign stopped and what to do, in the reader's language."""
    return _(WORDS[campaign.halt_reason]) if campaign.state == CampaignState.HALTED else ""


def told_of_halt(campaign: Campaign) -> list[str]:
    """Return who was told that it stopped, by name."""
    told = get_user_model().objects.filter(pk__in=campaign.halt_told)
    return list(told.order_by("name").values_list("name", flat=True))
