"""Close a breach: whatever is kept by person goes, keys first; counts, texts and hashes stay.

The day is set by the portal operator, and changes nothing before it comes. Then nobody is listed
or told for the breach any more, and a worker erases, some thousands of rows at a time:

1. the keys of the fingerprints, so that no dump of the database finds anybody,
2. each list, its data key first (`insurers/lists/purging.py`), and its file of problems,
3. each campaign's messages and claims; its events stay, without saying of which message they are,
   so that figures can still be counted again from them,
4. what providers said of messages that are gone.

Killed anywhere, the next run does the rest.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from insurers.lists.fingerprint_keys import destroy_breach_keys
from insurers.lists.purging import PurgeRefusedError, purge_list, run_purge
from insurers.models import AffectedList, Breach, FingerprintKey, KeyState, ListState
from notifications.campaigns.steps import ENDED
from notifications.models import (
    Campaign,
    CampaignKind,
    CampaignState,
    CrowdedAddress,
    Erasure,
    ErasureKind,
    Exemption,
    LetterExport,
    Reply,
    Sample,
)
from notifications.models.exemptions import IN_FORCE
from notifications.outbox.purged import are_being_cancelled
from notifications.replies.outcomes import FIRST_NUMBER
from notifications.retention.due import problem_lines
from notifications.retention.erasing import begin, erase_problems_of, finish

logger = logging.getLogger(__name__)

SLICE = 20_000  # messages, or rows, of one transaction
DECIDED = (ListState.ACCEPTED, ListState.REFUSED, ListState.WITHDRAWN)

# The events lose their message before it goes: what a kill leaves is found by the message.
FORGET_EVENTS = """
UPDATE notifications_deliveryevent SET notification_id = NULL
WHERE notification_id >= %(first)s AND notification_id < %(after)s AND campaign_id = %(campaign)s
"""
FORGET_MEMBERS = """
DELETE FROM notifications_notificationmember AS covered USING notifications_notification AS message
WHERE covered.notification_id = message.id AND message.campaign_id = %(campaign)s
    AND message.id >= %(first)s AND message.id < %(after)s
"""
FORGET_MESSAGES = """
DELETE FROM notifications_notification
WHERE campaign_id = %(campaign)s AND id >= %(first)s AND id < %(after)s
"""
FORGET_CLAIMS = """
DELETE FROM notifications_told WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM notifications_told WHERE campaign_id = %(campaign)s LIMIT %(slice)s
))
"""
# What providers said is kept by message, without its campaign; that of answers to people's own
# questions (`replies/outcomes.py`) stays with them.
OF_MESSAGES = (
    "notifications_providerreference",
    "notifications_receipt",
    "notifications_smspart",
)
FORGET_ORPHANS = """
DELETE FROM {table} AS said WHERE said.id >= %(first)s AND said.id < %(after)s
    AND said.notification_id < %(answers)s AND NOT EXISTS (
        SELECT FROM notifications_notification AS message WHERE message.id = said.notification_id
    )
"""


@dataclass(frozen=True)
class Hindrance:
    """What must be done before a breach can be closed, and by whom."""

    insurer: str
    what: str


def hindrances(*, breach: Breach) -> list[Hindrance]:
    """Return what keeps a breach from being closed; also what each insurer has to do."""
    found = []
    lists = AffectedList.objects.filter(breach=breach).select_related("insurer")
    for one in lists.exclude(state__in=DECIDED).order_by("pk"):
        what = _("La liste n° %(number)s n’est pas décidée.") % {"number": one.pk}
        found.append(Hindrance(one.insurer.name, what))
    campaigns = Campaign.objects.filter(breach=breach).select_related("insurer")
    for campaign in campaigns.exclude(state__in=ENDED).order_by("pk"):
        what = _("La campagne n° %(number)s n’est pas terminée.") % {"number": campaign.pk}
        found.append(Hindrance(campaign.insurer.name, what))
    told = campaigns.filter(kind=CampaignKind.NOTICE, state=CampaignState.FINISHED)
    untold = lists.that_list_people().filter(
        state=ListState.ACCEPTED, purged_at=None, members_ended__lt=F("members")
    )
    exempt = Exemption.objects.filter(breach=breach, state__in=IN_FORCE)
    untold = untold.exclude(pk__in=exempt.values("affected_list"))
    for one in untold.exclude(pk__in=told.values("affected_list")).order_by("pk"):
        what = _(
            "Personne de la liste n° %(number)s n’a été informé : son organisme l’envoie ou la"
            " retire."
        ) % {"number": one.pk}
        found.append(Hindrance(one.insurer.name, what))
    return found


def close_what_is_due(*, now: datetime) -> None:
    """Close every breach whose day has come and that nothing hinders (worker only)."""
    today = timezone.localdate(now)
    for breach in Breach.objects.filter(closing_date__lte=today):
        if not hindrances(breach=breach) and not _is_busy(breach):
            close(breach=breach, now=now)


def close(*, breach: Breach, now: datetime) -> None:
    """Erase what is kept by person for a breach that is over (worker only)."""
    _destroy_keys(breach, now)
    for affected_list in AffectedList.objects.filter(breach=breach).order_by("pk"):
        _erase_list(affected_list, now)
    Sample.objects.filter(affected_list__breach=breach).delete()
    campaigns = Campaign.objects.filter(breach=breach).select_related("insurer").order_by("pk")
    erasures = [
        begin(
            ErasureKind.MESSAGES,
            now=now,
            breach=breach,
            insurer=campaign.insurer,
            campaign=campaign,
        )
        for campaign in campaigns
    ]
    if unfinished := [erasure for erasure in erasures if erasure.finished_at is None]:
        for erasure in unfinished:
            _erase_messages(erasure)
        for table in OF_MESSAGES:
            _erase_orphans(table)
        for erasure in unfinished:
            finish(erasure, {}, subject=f"campaign:{erasure.campaign_id}", now=now)


def _is_busy(breach: Breach) -> bool:
    """Whether a key is being rotated, or messages of a cancelled campaign are not settled."""
    rotating = (KeyState.ANNOUNCED, KeyState.WRAPPING)
    keys = FingerprintKey.objects.filter(breach=breach, state__in=rotating, destroyed_at=None)
    return keys.exists() or are_being_cancelled(Campaign.objects.filter(breach=breach))


def _destroy_keys(breach: Breach, now: datetime) -> None:
    erasure = begin(ErasureKind.KEYS, now=now, breach=breach)
    # Again each time: a dump that was restored knows them, and the store may have been.
    erasure.keys = destroy_breach_keys(breach_id=breach.pk, now=now)
    erasure.finished_at = erasure.finished_at or max(now, erasure.begun_at)
    erasure.save(update_fields=["keys", "finished_at"])


def _erase_list(affected_list: AffectedList, now: datetime) -> None:
    if affected_list.problems_erased_at is None and problem_lines(affected_list):
        erase_problems_of(affected_list, now=now)
    if not AffectedList.objects.with_members().filter(pk=affected_list.pk).exists():
        return
    try:
        purge = purge_list(affected_list=affected_list, requested_by=None, now=now)
    except PurgeRefusedError:
        # A message of a cancelled campaign is still in a worker's hands: the next run.
        logger.info("list %s waits for its campaign", affected_list.pk)
    else:
        run_purge(purge_id=purge.pk, now=now)


def _erase_messages(erasure: Erasure) -> None:
    campaign = erasure.campaign
    assert campaign is not None
    first, last = _bounds("notifications_notification", "campaign_id = %s", [campaign.pk])
    for start in range(first, last + 1, SLICE):
        _erase_slice(erasure, start)
    while _erase_claims(erasure):
        pass
    CrowdedAddress.objects.filter(campaign=campaign).delete()
    LetterExport.objects.filter(campaign=campaign).exclude(content=b"").update(content=b"")
    Reply.objects.filter(list_id=campaign.affected_list_id).delete()


def _erase_slice(erasure: Erasure, start: int) -> None:
    values = {"campaign": erasure.campaign_id, "first": start, "after": start + SLICE}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FORGET_EVENTS, values)
        events = cursor.rowcount
        cursor.execute(FORGET_MEMBERS, values)
        cursor.execute(FORGET_MESSAGES, values)
        _count(erasure, messages=cursor.rowcount, events=events)


def _erase_claims(erasure: Erasure) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FORGET_CLAIMS, {"campaign": erasure.campaign_id, "slice": SLICE})
        claims: int = cursor.rowcount
        _count(erasure, claims=claims)
    return claims


def _count(erasure: Erasure, **more: int) -> None:
    """Add to a proof, in the transaction that erases: killed or not, it says what went."""
    for name, count in more.items():
        erasure.counts[name] = erasure.counts.get(name, 0) + count
    erasure.save(update_fields=["counts"])


def _erase_orphans(table: str) -> None:
    first, last = _bounds(table, "true", [])
    for start in range(first, last + 1, SLICE):
        with connection.cursor() as cursor:
            values = {"first": start, "after": start + SLICE, "answers": FIRST_NUMBER}
            cursor.execute(FORGET_ORPHANS.format(table=table), values)


def _bounds(table: str, condition: str, values: list[Any]) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min(id), max(id) FROM {table} WHERE {condition}", values)
        first, last = cursor.fetchone() or (None, None)
    return (0, -1) if first is None or last is None else (first, last)
