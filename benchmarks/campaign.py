"""A campaign whose outbox is made: everybody has an e-mail address, sealed as in life."""

from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import UUID

from benchmarks.letter import Letter, address
from benchmarks.outbox import approved_campaign

if TYPE_CHECKING:
    from insurers.models import AffectedList
    from notifications.models import Campaign
    from notifications.notices.content import NoticeContent

COPY = """
COPY {table} (list_id, ordinal, key_version, contact_flags, name_tag, fingerprint,
    email_fingerprint, contact) FROM STDIN
"""
ADVICE = (
    "Méfiez-vous des appels et des messages qui citent vos remboursements de santé, votre mutuelle"
    " ou votre numéro d’adhérent : ne donnez ni mot de passe, ni code reçu par SMS, ni numéro de"
    " carte, et rappelez au numéro qui figure sur votre carte de tiers payant. En cas de doute sur"
    " un virement ou un remboursement, prévenez votre banque."
)


def campaign_of(name: str, messages: int) -> "Campaign":
    """Return a campaign of so many messages by e-mail, ready to be sent."""
    from django.utils import timezone

    from notifications.outbox.building import build_outbox

    campaign = approved_campaign(
        messages, name=name, fill=_members, content=asdict(_content()), channels=("email",)
    )
    assert build_outbox(campaign_id=campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    return campaign


def letter_of(campaign: "Campaign") -> Letter:
    """Return the message that the portal sends to somebody of a campaign."""
    from insurers.lists.contacts import Contact
    from notifications.channels.base import Outgoing
    from notifications.channels.mime import compose, visible_sender
    from notifications.models import Notification
    from notifications.notices.rendering import lay_out
    from notifications.references import derive, message_id
    from notifications.senders.choosing import portal_sender

    number = Notification.objects.values_list("pk", flat=True).get(campaign=campaign)
    content, to = _content(), address(1)
    message = lay_out(content, language="fr").email(
        contact=Contact("Camille", "Martin", to), people=1, reference=derive(number)
    )
    outgoing = Outgoing(
        notification_id=number,
        address=to,
        sender_name=content.controller_name,
        reply_to=content.contact_email,
        message=message,
        message_id=message_id(number),
    )
    sender = visible_sender(portal_sender(), outgoing)
    wire = compose(outgoing, sender=sender, address=to, receipt_token="a" * 32)
    return Letter(message.subject, message.text, message.html, wire.decode("ascii"))


def recorded(campaign: "Campaign") -> int:
    """Return how many messages have their outcome recorded; fail where one is not acceptance."""
    from django.db.models import Sum

    from notifications.models import State, Tally

    tallies = Tally.objects.filter(campaign=campaign).values_list("state")
    found = dict(tallies.annotate(Sum("messages")))
    outcomes = {state for state, messages in found.items() if messages}
    assert outcomes <= {State.PENDING, State.SENDING, State.ACCEPTED}, outcomes
    return int(found.get(State.ACCEPTED, 0))


def _content() -> "NoticeContent":
    from notifications.notices.content import NoticeContent, NoticeTexts

    return NoticeContent(
        controller_name="Mutuelle fictive",
        controller_address="1 rue du Port, 44000 Nantes",
        dpo_name="Dominique Dupont",
        contact_email="donnees@mutuelle.exemple.fr",
        contact_phone="02 40 00 00 00",
        contact_address="1 rue du Port, 44000 Nantes",
        fr=NoticeTexts(
            subject="Vos données personnelles ont été exposées",
            nature="Des données que traite notre opérateur de tiers payant ont été consultées.",
            consequences="Quelqu’un peut se faire passer pour nous en citant ces données.",
            measures="L’opérateur a fermé les comptes détournés ; nous avons prévenu la CNIL.",
            advice=ADVICE,
        ),
    )


def _members(found: "AffectedList") -> None:
    """Write so many members as the list says it has, each with an address of their own."""
    from django.db import connection

    from insurers.lists.contacts import Contact, contact_sealer, encode, make_data_key
    from insurers.lists.tables import table_name

    make_data_key(found)
    sealer = contact_sealer(found, attempt=found.attempt)
    with (
        connection.cursor() as cursor,
        cursor.copy(COPY.format(table=table_name(found.pk))) as rows,
    ):
        for n in range(1, found.members + 1):
            contact = Contact("Camille", "Martin", address(n), "", "fr")
            who = UUID(int=found.pk << 64 | n)
            rows.write_row((found.pk, n, 1, 0, n, who, who, sealer.seal(n, encode(contact))))
