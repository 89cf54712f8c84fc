"""Submit a campaign: a notice version, an accepted list and a plan, frozen together."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from insurers.models import AffectedList
from notifications.campaigns.steps import OVER, CampaignRefused, record_step
from notifications.exemptions.standing import is_decided_for
from notifications.models import (
    Campaign,
    CampaignKind,
    CampaignState,
    Channel,
    Notice,
    NoticeVersion,
)
from notifications.notices.checklist import Unmet, unmet
from notifications.notices.content import NoticeContent
from notifications.notices.facts import Facts, facts_for
from notifications.notices.versions import hold_versions
from notifications.senders.domains import own_domains
from notifications.senders.names import check_sender_name
from notifications.sending.doubts import DoubtPolicy


def channels_offered() -> list[Channel]:
    """Return the channels that this installation can send by, in the order of the plan."""
    sms = [Channel.SMS] if settings.SMS_ACCOUNT else []
    return [Channel.EMAIL, *sms, Channel.LETTER]


def facts_of(notice: Notice) -> Facts:
    """Return what the directory says of the notice's breach, operators, population and insurer."""
    facts = facts_for(
        breach=notice.breach,
        operators=list(notice.operators.order_by("pk")),
        population=notice.population,
    )
    return replace(facts, own_domains=own_domains(notice.insurer))


def checklist_of(version: NoticeVersion) -> list[Unmet]:
    """Return what the notice still lacks."""
    return unmet(NoticeContent.from_json(version.content), facts_of(version.notice))


@transaction.atomic
def submit_campaign(
    *,
    version: NoticeVersion,
    affected_list: AffectedList,
    channels: Sequence[Channel],
    submitted_by_id: int,
    now: datetime,
    kind: CampaignKind = CampaignKind.NOTICE,
    kind_reason: str = "",
    starts_at: datetime | None = None,
    in_doubt: DoubtPolicy = DoubtPolicy.RETRY,
    sms_sender: str = "",
    has_plain_sms: bool = False,
) -> Campaign:
    """Freeze a notice version, an accepted list and a plan together, for approval.

    The plan says by which channels, not before when, what becomes of a message in doubt, and whom
    an SMS comes from.

    A complement or correction tells again, for the reason given, people of the list who were
    told. Raises CampaignRefused while the checklist is not met, the version is not the latest, or
    the parts do not fit.
    """
    notice = version.notice
    check_is_latest(version)
    if problems := checklist_of(version):
        raise CampaignRefused(_("L’avis ne respecte pas encore l’article 34."), problems)
    # Nobody asks for its purge at the same moment.
    affected_list = AffectedList.objects.select_for_update().get(pk=affected_list.pk)
    kind_reason = "" if kind == CampaignKind.NOTICE else kind_reason.strip()
    _check_list(affected_list, notice)
    if kind == CampaignKind.NOTICE and is_decided_for(affected_list.pk):
        raise CampaignRefused(
            _("Cette liste a une dispense, en vigueur ou à approuver : faites-la d’abord lever.")
        )
    if kind != CampaignKind.NOTICE:
        _check_telling_again(affected_list, kind_reason)
    if not channels:
        raise CampaignRefused(_("Choisissez au moins un canal."))
    plan: dict[str, Any] = {
        "channels": [channel.value for channel in channels_offered() if channel in channels],
        "starts_at": starts_at.isoformat() if starts_at else None,
        "in_doubt": in_doubt.value,
    }
    if Channel.SMS in plan["channels"]:
        plan["sms"] = {"sender": _checked_sender(sms_sender), "is_plain": has_plain_sms}
    try:
        with transaction.atomic():
            campaign = Campaign.objects.create(
                insurer_id=notice.insurer_id,
                breach_id=notice.breach_id,
                notice_version=version,
                affected_list=affected_list,
                kind=kind,
                kind_reason=kind_reason,
                plan=plan,
                sha256=content_hash(
                    version=version,
                    affected_list=affected_list,
                    plan=plan,
                    kind=kind,
                    kind_reason=kind_reason,
                ),
                state=CampaignState.SUBMITTED,
                submitted_by_id=submitted_by_id,
                submitted_at=now,
            )
    except IntegrityError as error:
        raise CampaignRefused(_("Cette liste a déjà une campagne.")) from error
    record_step(campaign, "campaign.submitted", submitted_by_id)
    return campaign


def _check_list(affected_list: AffectedList, notice: Notice) -> None:
    """Refuse a list that nobody may be written to from, or that is not the notice's."""
    if affected_list.purges.exists():
        raise CampaignRefused(
            _("Les contacts de cette liste sont effacés, ou vont l’être : envoyez une autre liste.")
        )
    if affected_list not in AffectedList.objects.open_to_campaigns():
        raise CampaignRefused(_("Choisissez une liste acceptée, qui n’est pas retirée."))
    if (affected_list.breach_id, affected_list.insurer_id, affected_list.population_id) != (
        notice.breach_id,
        notice.insurer_id,
        notice.population_id,
    ) or set(affected_list.operators.all()) != set(notice.operators.all()):
        raise CampaignRefused(
            _(
                "L’avis et la liste ne portent pas sur la même violation, les mêmes opérateurs et"
                " la même population : choisissez une autre liste ou un autre avis."
            )
        )


def _checked_sender(name: str) -> str:
    """Return whom an SMS comes from: the name given, or the portal's own."""
    sender: str = name or settings.SMS_ACCOUNT["sender"]
    try:
        check_sender_name(sender)
    except ValidationError as error:
        raise CampaignRefused(error.messages[0]) from error
    return sender


def check_is_latest(version: NoticeVersion) -> None:
    """Refuse what is not the last word; nobody adds one until the transaction ends."""
    hold_versions("notice", version.notice_id)
    latest = NoticeVersion.objects.filter(notice=version.notice_id).latest("number")
    if latest.pk != version.pk:
        raise CampaignRefused(
            _("L’avis a changé : il en est à la version %(number)d. Relisez-la d’abord.")
            % {"number": latest.number}
        )


def _check_telling_again(affected_list: AffectedList, reason: str) -> None:
    """Refuse a complement or correction without a reason, or before its people were told."""
    if not reason:
        raise CampaignRefused(_("Dites pourquoi ces personnes doivent être informées à nouveau."))
    campaigns = Campaign.objects.filter(affected_list=affected_list).exclude(state__in=OVER)
    if not campaigns.filter(kind=CampaignKind.NOTICE, state=CampaignState.FINISHED).exists():
        raise CampaignRefused(
            _("Attendez que l’avis soit envoyé à toute la liste avant de le compléter.")
        )
    if campaigns.exclude(state=CampaignState.FINISHED).exists():
        raise CampaignRefused(_("Cette liste a déjà une campagne en cours."))


def content_hash(
    *,
    version: NoticeVersion,
    affected_list: AffectedList,
    plan: dict[str, Any],
    kind: str,
    kind_reason: str,
) -> bytes:
    """Return the SHA-256 that binds notice, list, plan and kind: what an approver approves."""
    bound = {
        "kind": str(kind),
        "kind_reason": kind_reason,
        "list": affected_list.pk,
        "list_sha256": bytes(affected_list.sha256 or b"").hex(),
        "notice_sha256": bytes(version.sha256).hex(),
        "plan": plan,
    }
    return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).digest()
