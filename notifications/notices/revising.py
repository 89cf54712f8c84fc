"""Save a new version of a notice, and take back the campaigns that wait with the one before."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from notifications.campaigns.approving import record_return, take_back
from notifications.models import Campaign, Notice, NoticeVersion
from notifications.notices.content import NoticeContent, save_version
from notifications.notices.versions import hold_versions


class SavedMeanwhileError(Exception):
    """Somebody saved a version that the person has not seen; `number` is the latest."""

    def __init__(self, number: int) -> None:
        super().__init__("saved meanwhile")
        self.number = number


@dataclass(frozen=True)
class Revision:
    """What saving did: the version that stands now, and the campaigns that it took back."""

    version: NoticeVersion
    is_new: bool
    taken_back: tuple[Campaign, ...] = ()


@transaction.atomic
def revise(
    *, notice: Notice, content: NoticeContent, changes: int, author_id: int, now: datetime
) -> Revision:
    """Save a version, unless nothing changed; `changes` is the number of the one that was changed.

    What was submitted or approved with it, and has no message yet, is a draft again: somebody must
    approve what changed. Raises SavedMeanwhileError, and CampaignRefused while a worker makes its
    messages; nothing is saved then.
    """
    hold_versions("notice", notice.pk)
    last = notice.versions.latest("number")
    if last.number != changes:
        raise SavedMeanwhileError(last.number)
    if bytes(last.sha256) == content.sha256():
        return Revision(last, is_new=False)
    with translation.override(settings.LANGUAGE_CODE):  # whoever reads it, in whatever language
        comment = _("L’avis a changé depuis : il en est à la version %(number)d.")
    # Rows first, the trail last: everybody else locks them in this order.
    campaigns = take_back(notice_id=notice.pk, comment=comment % {"number": last.number + 1})
    version = save_version(notice=notice, content=content, author_id=author_id, now=now)
    for campaign in campaigns:
        record_return(campaign, person_id=author_id)
    return Revision(version, is_new=True, taken_back=tuple(campaigns))
