"""A notice as fictional recipients of every kind would receive it; never as a real one does."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from insurers.lists.contacts import Contact
from notifications.campaigns.sms_cost import SAMPLE_REFERENCE
from notifications.notices.content import NoticeContent
from notifications.notices.rendering import EmailText, Language, Message, lay_out


@dataclass(frozen=True)
class Recipient:
    """Somebody who does not exist, and how many people their address stands for."""

    code: str
    label: str | Promise
    contact: Contact
    people: int = 1
    language: Language = "fr"


RECIPIENTS = (
    Recipient("one", _("Une personne"), Contact("Camille", "Exemple")),
    Recipient(
        "long",
        _("Un nom très long"),
        Contact("Marie-Ségolène Apolline", "de La Rochefoucauld-Exemple"),
    ),
    Recipient("no_first_name", _("Sans prénom"), Contact("", "Exemple")),
    Recipient("unnamed", _("Sans nom connu"), Contact()),
    Recipient(
        "family", _("Une famille de quatre à la même adresse"), Contact("Camille", "Exemple"), 4
    ),
    Recipient("english", _("Une personne qui lit l’anglais"), Contact("Alex", "Sample"), 1, "en"),
)
SAMPLE_ADDRESS = "Appartement 12\n8 rue de l’Exemple\n75000 Paris\n"
BY_CODE = {recipient.code: recipient for recipient in RECIPIENTS}


@dataclass(frozen=True)
class Preview:
    """What one of them would receive."""

    recipient: Recipient
    email: EmailText
    sms: Message


def preview(content: NoticeContent, recipient: Recipient = RECIPIENTS[0]) -> Preview:
    """Lay a notice out for a fictional recipient, under a reference that is nobody's."""
    layout = lay_out(content, language=recipient.language)
    email = layout.email(
        contact=recipient.contact, people=recipient.people, reference=SAMPLE_REFERENCE
    )
    return Preview(recipient, email, layout.short_message(reference=SAMPLE_REFERENCE))
