"""Campaigns: submit what is to be approved, return it, approve it, pause, resume, cancel it."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.trail import account, insurer_scope, record
from insurers.models import AffectedList, ListState
from notifications.campaigns.mail import tell_preparers
from notifications.campaigns.refusals import StepRefused
from notifications.models import (
    Approval,
    Campaign,
    CampaignKind,
    CampaignState,
    Channel,
    Notice,
    NoticeVersion,
)
from notifications.notices.checklist import Unmet, points_of, unmet
from notifications.notices.content import NoticeContent
from notifications.notices.facts import Facts, facts_for
from notifications.notices.version_lock import hold_versions
from notifications.register.figures import failed_share
from notifications.sender_domains.standing import Standing, sender_standing
from notifications.senders.domains import own_domains
from notifications.senders.names import check_sender_name
from notifications.sending.doubts import DoubtPolicy

OVER = (CampaignState.RETURNED,)  # its list can be submitted again
# As OVER, by a complement or correction only where it is finished. (Never once it is cancelled.)
RESUBMITTABLE = (*OVER, CampaignState.FINISHED)
ENDED = (*RESUBMITTABLE, CampaignState.CANCELLED)
# Whose messages are not made yet.
RETURNABLE = (CampaignState.SUBMITTED, CampaignState.APPROVED)
# A campaign whose outbox is made and that may still send.
STOPPABLE = (CampaignState.SENDING, CampaignState.PAUSED, CampaignState.HALTED)
_NOT_SUBMITTED = _("Cette campagne n’attend plus d’approbation.")


class CampaignRefused(StepRefused):
    """The rule that forbids a step, for people."""


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
    _check_is_latest(version)
    if problems := checklist_of(version):
        raise CampaignRefused(_("L’avis ne respecte pas encore l’article 34."), problems)
    # Nobody asks for its purge at the same moment.
    affected_list = AffectedList.objects.select_for_update().get(pk=affected_list.pk)
    if affected_list.purges.exists():
        raise CampaignRefused(
            _("Les contacts de cette liste sont effacés, ou vont l’être : envoyez une autre liste.")
        )
    if affected_list not in AffectedList.objects.open_to_campaigns():
        raise CampaignRefused(_("Choisissez une liste acceptée, qui n’est pas retirée."))
    if kind != CampaignKind.NOTICE:
        kind_reason = kind_reason.strip()
        _check_telling_again(affected_list, kind_reason)
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
    if not channels:
        raise CampaignRefused(_("Choisissez au moins un canal."))
    plan: dict[str, Any] = {
        "channels": [channel.value for channel in channels_offered() if channel in channels],
        "starts_at": starts_at.isoformat() if starts_at else None,
        "in_doubt": in_doubt.value,
    }
    if Channel.SMS in plan["channels"]:
        sender = sms_sender or settings.SMS_ACCOUNT["sender"]
        try:
            check_sender_name(sender)
        except ValidationError as error:
            raise CampaignRefused(error.messages[0]) from error
        plan["sms"] = {"sender": sender, "is_plain": has_plain_sms}
    try:
        with transaction.atomic():
            campaign = Campaign.objects.create(
                insurer_id=notice.insurer_id,
                breach_id=notice.breach_id,
                notice_version=version,
                affected_list=affected_list,
                kind=kind,
                kind_reason="" if kind == CampaignKind.NOTICE else kind_reason,
                plan=plan,
                sha256=content_hash(
                    version=version,
                    affected_list=affected_list,
                    plan=plan,
                    kind=kind,
                    kind_reason="" if kind == CampaignKind.NOTICE else kind_reason,
                ),
                state=CampaignState.SUBMITTED,
                submitted_by_id=submitted_by_id,
                submitted_at=now,
            )
    except IntegrityError as error:
        raise CampaignRefused(_("Cette liste a déjà une campagne.")) from error
    _record(campaign, "campaign.submitted", submitted_by_id)
    return campaign


def _check_is_latest(version: NoticeVersion) -> None:
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


def barred_from_approving(campaign: Campaign) -> set[int]:
    """Return who uploaded the list, edited the notice or submitted the campaign.

    A program uploads for the person who made its token.
    """
    program = campaign.affected_list.uploaded_with
    editors = campaign.notice_version.notice.versions.values_list("edited_by_id", flat=True)
    barred = {
        campaign.submitted_by_id,
        campaign.affected_list.uploaded_by_id,
        program.created_by_id if program else None,
        campaign.affected_list.decided_by_id,
        *editors,
    }
    return {person for person in barred if person is not None}


@transaction.atomic
def approve_campaign(
    *,
    campaign_id: int,
    approver_id: int,
    checked_points: Collection[str],
    shared_addresses_confirmed: bool,
    now: datetime,
    sender_override: str = "",
) -> Campaign:
    """Let the worker build the outbox and start. Raises CampaignRefused.

    `checked_points` are the codes of the points that the approver vouches for: all, or none is.
    `sender_override` is why the approver sends from a domain whose DNS fails; what was known of
    the domain stays with the campaign (docs/decisions/0021).
    """
    _check_is_latest(NoticeVersion.objects.get(campaigns=campaign_id))
    campaign = _locked(campaign_id, CampaignState.SUBMITTED, otherwise=_NOT_SUBMITTED)
    if approver_id in barred_from_approving(campaign):
        raise CampaignRefused(
            _(
                "La personne qui approuve n’est jamais celle qui a envoyé la liste, modifié l’avis"
                " ou soumis la campagne. Demandez à un autre approbateur."
            )
        )
    points = [point.code for point in points_of(campaign.plan["channels"])]
    if not set(points) <= set(checked_points):
        raise CampaignRefused(_("Vérifiez et cochez chaque point de la liste de contrôle."))
    if problems := checklist_of(campaign.notice_version):
        raise CampaignRefused(
            _("L’annuaire a changé depuis, et l’avis ne respecte plus l’article 34 : renvoyez-le."),
            problems,
        )
    expected = content_hash(
        version=campaign.notice_version,
        affected_list=campaign.affected_list,
        plan=campaign.plan,
        kind=campaign.kind,
        kind_reason=campaign.kind_reason,
    )
    if bytes(campaign.sha256) != expected:
        raise CampaignRefused(_("Ce qui a été soumis a changé : soumettez à nouveau."))
    sender = _judge_sender(campaign, sender_override)
    # A list that replaces this one from now on leaves it its people.
    in_use = AffectedList.objects.filter(pk=campaign.affected_list_id, state=ListState.ACCEPTED)
    if not in_use.update(is_in_use=True):
        raise CampaignRefused(_("La liste a été retirée : renvoyez la campagne."))
    campaign.state = CampaignState.APPROVED
    campaign.approved_by_id = approver_id
    campaign.approved_at = now
    campaign.shared_addresses_confirmed = shared_addresses_confirmed
    campaign.save(
        update_fields=[
            "state",
            "approved_by",
            "approved_at",
            "shared_addresses_confirmed",
            "sender_standing",
            "sender_override",
        ]
    )
    Approval.objects.create(
        campaign=campaign,
        version=campaign.notice_version,
        approved_by_id=approver_id,
        approved_at=now,
        checked_points=points,
    )
    _record(
        campaign,
        "campaign.approved",
        approver_id,
        sender=sender.outcome.value,
        sender_overridden=sender.fails,
    )
    return campaign


def _judge_sender(campaign: Campaign, override: str) -> Standing:
    """Note on the campaign what is known of its sender's domain, and why it is used all the same.

    Raises CampaignRefused for a domain that fails without a reason.
    """
    sender = sender_standing(campaign.insurer_id)
    if sender.fails and not override.strip():
        raise CampaignRefused(
            _(
                "Le domaine d’envoi %(domain)s n’est pas conforme : corrigez-le, ou cochez que vous"
                " envoyez quand même et écrivez pourquoi."
            )
            % {"domain": sender.domain}
        )
    campaign.sender_standing = sender.as_json()
    campaign.sender_override = override.strip() if sender.fails else ""
    return sender


@transaction.atomic
def return_campaign(*, campaign_id: int, approver_id: int, comment: str, now: datetime) -> Campaign:
    """Send a campaign back with a comment; its list can be submitted again.

    Also an approved one, as long as the worker has not made its messages.
    """
    campaign = _locked(campaign_id, *RETURNABLE, otherwise=_NOT_SUBMITTED)
    if not comment.strip():
        raise CampaignRefused(_("Dites ce qui est à corriger."))
    _give_back(campaign, comment.strip())
    _record(campaign, "campaign.returned", approver_id)
    tell_preparers(campaign=campaign, prepared_by=barred_from_approving(campaign) - {approver_id})
    return campaign


def take_back(*, notice_id: int, comment: str) -> list[Campaign]:
    """Return to their preparers the campaigns that wait with the latest version of a notice.

    The caller holds the notice's versions, and records what it did with `record_return`. One whose
    messages are made keeps the version that was approved. Raises CampaignRefused where a worker is
    making them.
    """
    waiting = Campaign.objects.filter(notice_version__notice=notice_id, state__in=RETURNABLE)
    campaigns = _locked_at_once(waiting)
    for campaign in campaigns:
        _give_back(campaign, comment)
    return campaigns


def record_return(campaign: Campaign, *, person_id: int) -> None:
    """Keep in the trail that a change took a campaign back; mail who made it, and who approved."""
    _record(campaign, "campaign.returned", person_id)
    approved_by = campaign.approvals.values_list("approved_by", flat=True)
    concerned = barred_from_approving(campaign) | set(approved_by)
    tell_preparers(campaign=campaign, prepared_by=concerned - {person_id})


def _give_back(campaign: Campaign, comment: str) -> None:
    """Make a campaign a draft again; nobody has approved it any more."""
    was_approved = campaign.state == CampaignState.APPROVED
    campaign.state = CampaignState.RETURNED
    campaign.return_comment = comment
    campaign.approved_by, campaign.approved_at = None, None
    campaign.sender_standing, campaign.sender_override = None, ""
    campaign.save(
        update_fields=[
            "state",
            "return_comment",
            "approved_by",
            "approved_at",
            "sender_standing",
            "sender_override",
        ]
    )
    if was_approved:
        others = Campaign.objects.filter(affected_list=campaign.affected_list_id).exclude(
            state__in=(CampaignState.SUBMITTED, CampaignState.RETURNED)
        )
        AffectedList.objects.filter(pk=campaign.affected_list_id).update(is_in_use=others.exists())


@transaction.atomic
def pause_campaign(*, campaign_id: int, person_id: int, now: datetime) -> Campaign:
    """Stop sending after the message in hand; everything stays where it is."""
    campaign = _locked(
        campaign_id,
        CampaignState.SENDING,
        otherwise=_("Cette campagne n’est pas en cours d’envoi."),
    )
    campaign.state = CampaignState.PAUSED
    campaign.save(update_fields=["state"])
    _record(campaign, "campaign.paused", person_id)
    return campaign


@transaction.atomic
def resume_paused(*, campaign_id: int, person_id: int, now: datetime) -> Campaign:
    """Let a paused campaign go on exactly where it stopped."""
    campaign = _locked(
        campaign_id, CampaignState.PAUSED, otherwise=_("Cette campagne n’est pas en pause.")
    )
    campaign.state = CampaignState.SENDING
    campaign.save(update_fields=["state"])
    _record(campaign, "campaign.resumed", person_id)
    return campaign


@transaction.atomic
def cancel_campaign(*, campaign_id: int, approver_id: int, now: datetime) -> Campaign:
    """End a campaign for good: nothing more leaves; who was not told is let go.

    What a worker holds at that moment comes back unsent. The worker cancels the messages
    (`cancelling.py`). Who was told stays told.
    """
    campaign = _locked(
        campaign_id,
        *STOPPABLE,
        otherwise=_("Cette campagne n’envoie rien que l’on puisse annuler."),
    )
    campaign.state = CampaignState.CANCELLED
    campaign.finished_at = now
    campaign.save(update_fields=["state", "finished_at"])
    _record(campaign, "campaign.cancelled", approver_id)
    return campaign


@transaction.atomic
def resume_campaign(
    *, campaign_id: int, approver_id: int, now: datetime, sender_override: str = ""
) -> Campaign:
    """Let a halted campaign go on where it stopped.

    Whoever resumes has judged the failures so far: it halts again at twice their share. A domain
    that fails takes a reason here as for the approval, unless one was given then.
    """
    campaign = _locked(
        campaign_id, CampaignState.HALTED, otherwise=_("Cette campagne n’est pas arrêtée.")
    )
    campaign.tolerated_failures = max(campaign.tolerated_failures, 2 * failed_share(campaign.pk))
    campaign.state = CampaignState.SENDING
    campaign.halt_reason = ""
    campaign.halt_told = []
    changed = ["state", "halt_reason", "halt_told", "tolerated_failures"]
    if not campaign.sender_override:
        _judge_sender(campaign, sender_override)
        changed += ["sender_standing", "sender_override"]
    campaign.save(update_fields=changed)
    _record(
        campaign,
        "campaign.resumed",
        approver_id,
        sender_overridden=bool(campaign.sender_override),
    )
    return campaign


def _locked(campaign_id: int, *states: CampaignState, otherwise: Promise) -> Campaign:
    """Lock a campaign that must be in one of the states; raise CampaignRefused(`otherwise`)."""
    (campaign,) = _locked_at_once(Campaign.objects.filter(pk=campaign_id))
    if campaign.state not in states:
        raise CampaignRefused(otherwise)
    return campaign


def _locked_at_once(campaigns: QuerySet[Campaign]) -> list[Campaign]:
    """Lock campaigns; raise CampaignRefused where a worker makes an outbox, for a minute maybe."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
    related = campaigns.select_related("affected_list", "notice_version__notice")
    try:
        with transaction.atomic():
            return list(related.select_for_update(of=("self",)))
    except OperationalError as error:
        raise CampaignRefused(
            _("L’envoi est en préparation : recommencez dans une minute.")
        ) from error


def _record(campaign: Campaign, action: str, actor_id: int, **more: str | bool) -> None:
    record(
        action=action,
        scope=insurer_scope(campaign.insurer_id),
        actor=account(actor_id),
        subject=f"campaign:{campaign.pk}",
        detail={
            "sha256": bytes(campaign.sha256).hex(),
            "list": campaign.affected_list_id,
            "kind": str(campaign.kind),
            **more,
        },
    )
