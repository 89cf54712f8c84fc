"""Save a new version of a notice, and take back the campaigns that wait with an earlier one."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from notifications.campaigns import take_back
from notifications.models import Notice, NoticeVersion
from notifications.notices import NoticeContent, hold_versions, save_version


@dataclass(frozen=True)
class Revision:
    """What saving did: the version that stands now, and how many campaigns it took back."""

    version: NoticeVersion
    is_new: bool
    taken_back: int = 0


@transaction.atomic
def revise(*, notice: Notice, content: NoticeContent, author_id: int, now: datetime) -> Revision:
    """Save a version, unless nothing changed.

    What was submitted or approved with an earlier version, and has no message yet, is a draft
    again: somebody must approve what changed.
    """
    hold_versions(notice.pk)
    last = notice.versions.latest("number")
    if bytes(last.sha256) == content.sha256():
        return Revision(last, is_new=False)
    version = save_version(notice=notice, content=content, author_id=author_id, now=now)
    comment = _("L’avis a changé depuis : il en est à la version %(number)d.") % {
        "number": version.number
    }
    taken_back = take_back(notice_id=notice.pk, comment=comment, person_id=author_id)
    return Revision(version, is_new=True, taken_back=taken_back)
