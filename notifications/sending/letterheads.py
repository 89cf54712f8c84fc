"""What all messages of a campaign share, laid out once for all connections of a process."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from insurers.lists.contacts import ContactOpener, open_contacts
from notifications.campaigns.halting import halt_campaign
from notifications.campaigns.sms_cost import sms_plan
from notifications.models import Campaign
from notifications.notices.content import NoticeContent
from notifications.notices.rendering import LANGUAGES, Language, MessageLayout, lay_out
from notifications.references import Names, namer

KEPT = 8  # campaigns whose layouts and keys a worker keeps in hand


@dataclass(frozen=True)
class Letterhead:
    """What all messages of a campaign share."""

    campaign: Campaign
    content: NoticeContent
    layouts: dict[Language, MessageLayout]
    sms_sender: str
    contacts: ContactOpener
    names: Callable[[int], Names]


@dataclass
class Letterheads:
    """Those of the campaigns that a process sends for, laid out once for all its connections."""

    _kept: OrderedDict[int, Letterhead] = field(default_factory=OrderedDict)
    _turn: Lock = field(default_factory=Lock)

    def of(self, campaign_id: int) -> Letterhead:
        """Return a campaign's; halt the campaign and raise where it cannot be made."""
        with self._turn:
            if campaign_id not in self._kept:
                self._kept[campaign_id] = _made_letterhead(campaign_id)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return self._kept[campaign_id]


def _made_letterhead(campaign_id: int) -> Letterhead:
    related = ("notice_version", "affected_list")
    campaign = Campaign.objects.select_related(*related).get(pk=campaign_id)
    try:
        return _letterhead(campaign)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # Or it would be met first at every turn, and nobody else would be served.
        halt_campaign(campaign_id=campaign_id, reason="unexpected", now=timezone.now())
        raise


def _letterhead(campaign: Campaign) -> Letterhead:
    content = NoticeContent.from_json(campaign.notice_version.content)
    sms_sender, has_plain_sms = sms_plan(campaign.plan)
    return Letterhead(
        campaign=campaign,
        content=content,
        layouts={
            language: lay_out(content, language=language, has_plain_sms=has_plain_sms)
            for language in LANGUAGES
        },
        sms_sender=sms_sender,
        contacts=open_contacts(campaign.affected_list),
        names=namer(),
    )
