"""Messages that somebody sends to themselves to see them: nobody is told by one.

They leave by the insurer's own sender, under a reference that is nobody's, marked TEST. The worker
notes that it takes one up before it sends it: after a crash it is not sent twice.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audit.trail import account, insurer_scope, record
from insurers.models import Role
from insurers.team.people import people_with_role
from notifications.campaigns.refusals import StepRefused
from notifications.channels import ChannelDownError, Outgoing, SenderRefusedError, channel_for
from notifications.models import Channel, NoticeVersion, State, Trial
from notifications.notices.content import NoticeContent
from notifications.notices.previews import BY_CODE, Recipient, preview
from notifications.notices.rendering import EmailText
from notifications.notices.versions import hold_versions
from notifications.references import message_id

AT_MOST = 10  # a person, a notice and a day
A_DAY = timedelta(days=1)
MARK = "[TEST] "
WRITERS = (Role.PREPARER, Role.APPROVER)
LOST_AFTER = timedelta(minutes=15)
NOBODY = 0  # the number of no notification: what bounces is for nobody


class TrialRefused(StepRefused):
    """The rule that forbids a step, for people."""


@transaction.atomic
def ask_for_trial(
    *, version: NoticeVersion, recipient: Recipient, asked_by_id: int, now: datetime
) -> Trial:
    """Note that a person wants a version sent to their own address. Raises TrialRefused."""
    notice = version.notice
    hold_versions("notice", notice.pk)
    of_the_day = Trial.objects.filter(
        version__notice=notice, asked_by=asked_by_id, asked_at__gt=now - A_DAY
    )
    if of_the_day.count() >= AT_MOST:
        raise TrialRefused(
            _("Vous avez demandé dix essais de cet avis en un jour : recommencez demain.")
        )
    trial = Trial.objects.create(
        version=version,
        recipient=recipient.code,
        asked_by_id=asked_by_id,
        asked_at=now,
    )
    record(
        action="notice.tried",
        scope=insurer_scope(notice.insurer_id),
        actor=account(asked_by_id),
        subject=f"notice:{notice.pk}",
        detail={"version": version.number, "recipient": recipient.code},
    )
    return trial


def send_trial_message(*, trial_id: int, now: datetime) -> None:
    """Send one to the account that asked for it (worker only); no transaction is open meanwhile."""
    if not Trial.objects.filter(pk=trial_id, taken_up_at=None).update(taken_up_at=now):
        return
    trial = Trial.objects.select_related("version__notice", "asked_by").get(pk=trial_id)
    insurer_id = trial.version.notice.insurer_id
    if not people_with_role(insurer_id=insurer_id, roles=WRITERS).filter(pk=trial.asked_by_id):
        return  # Whoever asked has no role there any more.
    content = NoticeContent.from_json(trial.version.content)
    outgoing = Outgoing(
        notification_id=NOBODY,
        address=trial.asked_by.email,
        sender_name=content.controller_name,
        reply_to=content.contact_email,
        message=_marked(preview(content, BY_CODE[trial.recipient]).email),
        message_id=message_id(NOBODY).replace("<", f"<trial-{trial.pk}-"),
    )
    state, reason = State.FAILED, ""
    try:
        for outcome in channel_for(Channel.EMAIL, insurer_id=insurer_id).send(iter([outgoing])):
            state, reason = outcome.state, outcome.reason
    except ChannelDownError:
        reason = "server_down"
    except SenderRefusedError:
        reason = "sender_refused"
    Trial.objects.filter(pk=trial_id).update(state=state, reason=reason)


def status_of(trial: Trial, *, now: datetime) -> Literal["sent", "refused", "waiting", "lost"]:
    """Return what became of a trial, as far as anybody knows."""
    if trial.state:
        return "sent" if trial.state == State.ACCEPTED else "refused"
    return "lost" if trial.asked_at < now - LOST_AFTER else "waiting"


def _marked(email: EmailText) -> EmailText:
    return replace(email, layout=replace(email.layout, subject=MARK + email.layout.subject))
