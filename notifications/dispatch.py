"""Send a campaign's messages: lease a batch, send it, record each outcome before the next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from insurers.lists.contacts import ContactOpener, open_contacts
from notifications.channels import ChannelDownError, Outgoing, SenderRefusedError, channel_for
from notifications.leases import abandon_batch, claim_batch, close_batch
from notifications.models import Campaign, CampaignState, Channel
from notifications.notices import NoticeContent
from notifications.outcomes import (
    finish_if_done,
    halt_campaign,
    halt_if_failing,
    note_sending,
    record_outcome,
)
from notifications.references import derive, message_id
from notifications.rendering import Language, MessageLayout, lay_out
from notifications.settling import settle

DOWN_DELAY = timedelta(seconds=30)


@dataclass(frozen=True)
class Letterhead:
    """What all messages of a campaign share."""

    campaign: Campaign
    content: NoticeContent
    layouts: dict[Language, MessageLayout]
    contacts: ContactOpener


@dataclass(frozen=True)
class Leased:
    """A message of a batch, and the sealed contact to send it to."""

    notification_id: int
    people: int
    ordinal: int
    contact: bytes


def dispatch_campaign(*, campaign_id: int, seconds: float) -> bool:
    """Send batches for about `seconds`; return whether messages remain that are due now.

    No database transaction is open while a provider is called.
    """
    campaign = Campaign.objects.select_related("notice_version", "affected_list").get(
        pk=campaign_id
    )
    letterhead = _letterhead(campaign)
    end = timezone.now() + timedelta(seconds=seconds)
    for channel in campaign.plan["channels"]:
        while Campaign.objects.filter(pk=campaign_id, state=CampaignState.SENDING).exists():
            if timezone.now() > end:
                return True
            has_more = _dispatch_batch(letterhead, Channel(channel))
            # What was being sent while its people were withdrawn has an outcome now.
            settle(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id, now=timezone.now())
            if not has_more:
                break
    finish_if_done(campaign_id=campaign_id, now=timezone.now())
    return False


def _letterhead(campaign: Campaign) -> Letterhead:
    content = NoticeContent.from_json(campaign.notice_version.content)
    return Letterhead(
        campaign=campaign,
        content=content,
        layouts={"fr": lay_out(content, language="fr"), "en": lay_out(content, language="en")},
        contacts=open_contacts(campaign.affected_list),
    )


def _dispatch_batch(letterhead: Letterhead, channel: Channel) -> bool:
    """Send one batch; return False where there was nothing to send or nobody to take it."""
    batch_id = claim_batch(campaign_id=letterhead.campaign.pk, channel=channel, now=timezone.now())
    if batch_id is None:
        return False
    try:
        messages = [_address(letterhead, channel, leased) for leased in _leased(batch_id)]
    except Exception:
        # Nothing was sent yet: all go back, and a person looks before anything is tried again.
        now = timezone.now()
        close_batch(batch_id=batch_id, now=now, due_at=now)
        halt_campaign(campaign_id=letterhead.campaign.pk, reason="unexpected")
        raise
    try:
        for number, outcome in enumerate(channel_for(channel).send(messages)):
            now = timezone.now()
            record_outcome(batch_id=batch_id, outcome=outcome, now=now)
            if number == 0:
                note_sending(campaign_id=letterhead.campaign.pk, now=now)
    except (ChannelDownError, SenderRefusedError) as error:
        now = timezone.now()
        close_batch(batch_id=batch_id, now=now, due_at=now + DOWN_DELAY)
        if isinstance(error, SenderRefusedError):
            halt_campaign(campaign_id=letterhead.campaign.pk, reason="sender_refused")
        else:
            halt_if_failing(campaign_id=letterhead.campaign.pk)
        return False
    except (OperationalError, InterfaceError):
        raise  # PostgreSQL is gone, and the lease with it: the sweep recovers the batch.
    except Exception:
        # Nobody knows what left: free the lease, so that the sweep marks the message in hand as
        # in doubt, and stop, so that the next batch does not meet the same fault.
        halt_campaign(campaign_id=letterhead.campaign.pk, reason="unexpected")
        abandon_batch(batch_id=batch_id)
        raise
    now = timezone.now()
    close_batch(batch_id=batch_id, now=now, due_at=now)
    note_sending(campaign_id=letterhead.campaign.pk, now=now)
    halt_if_failing(campaign_id=letterhead.campaign.pk)
    return True


def _leased(batch_id: int) -> Iterator[Leased]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.id, n.people, m.ordinal, m.contact FROM notifications_notification n"
            " JOIN affected_member m ON m.list_id = n.list_id AND m.ordinal = n.ordinal"
            " WHERE n.batch_id = %s AND n.state = 'sending' ORDER BY n.id",
            [batch_id],
        )
        rows = cursor.fetchall()
    return (Leased(row[0], row[1], row[2], bytes(row[3])) for row in rows)


def _address(letterhead: Letterhead, channel: Channel, leased: Leased) -> Outgoing:
    contact = letterhead.contacts.open(leased.ordinal, leased.contact)
    reference = derive(leased.notification_id)
    layout = letterhead.layouts["en" if contact.language == "en" else "fr"]
    if channel == Channel.EMAIL:
        message = layout.email(contact=contact, people=leased.people, reference=reference)
    else:
        message = layout.short_message(reference=reference)
    return Outgoing(
        notification_id=leased.notification_id,
        address=contact.email if channel == Channel.EMAIL else contact.phone,
        sender_name=letterhead.content.controller_name,
        reply_to=letterhead.content.contact_email,
        message=message,
        message_id=message_id(leased.notification_id),
    )
