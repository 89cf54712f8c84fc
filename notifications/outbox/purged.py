"""What the purge of a list's contacts means for its messages: addresses go, figures stay."""

from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from insurers.lists.contacts import EMAIL_SHARED, PHONE_SHARED
from insurers.lists.purging import PurgeRefusedError
from insurers.models import AffectedList
from notifications.campaigns.steps import ENDED
from notifications.exemptions.standing import ground_of
from notifications.models import (
    Campaign,
    CampaignKind,
    CampaignState,
    CrowdedAddress,
    Reply,
)
from notifications.sending.unfinished import unfinished

SLICE_MESSAGES = 50_000  # one transaction

# Why nothing was sent to these people is still told from their rows (`planning.PLANNED`).
NOTE_SHARED = """
WITH crowded AS MATERIALIZED (
    SELECT address_fingerprint FROM notifications_crowdedaddress
    WHERE campaign_id = ANY (%(campaigns)s)
)
UPDATE affected_member m SET contact_flags = contact_flags
    | CASE WHEN m.email_fingerprint IN (SELECT address_fingerprint FROM crowded)
        THEN %(email)s ELSE 0 END
    | CASE WHEN m.phone_fingerprint IN (SELECT address_fingerprint FROM crowded)
        THEN %(phone)s ELSE 0 END
WHERE m.list_id = %(list)s AND (
    m.email_fingerprint IN (SELECT address_fingerprint FROM crowded)
    OR m.phone_fingerprint IN (SELECT address_fingerprint FROM crowded)
)
"""

ERASE = """
UPDATE notifications_notification SET address_fingerprint = NULL
WHERE campaign_id = %s AND id >= %s AND id < %s AND address_fingerprint IS NOT NULL
"""


def refuse_purge_in_use(*, affected_list: AffectedList) -> None:
    """Raise PurgeRefusedError while people of the list are still to be told from it."""
    if _is_in_use(affected_list):
        raise PurgeRefusedError(
            _("Une campagne se sert encore de cette liste : attendez sa fin, ou annulez-la.")
        )
    campaigns = Campaign.objects.filter(affected_list=affected_list, kind=CampaignKind.NOTICE)
    told = campaigns.filter(state=CampaignState.FINISHED).exists()
    if not affected_list.everybody_left and not told and not ground_of(affected_list.pk):
        raise PurgeRefusedError(
            _(
                "Personne de cette liste n’a encore été informé : envoyez sa campagne, ou retirez"
                " d’abord la liste."
            )
        )


def _is_in_use(affected_list: AffectedList) -> bool:
    """Whether a campaign of the list is submitted, approved, being sent or being cancelled."""
    campaigns = Campaign.objects.filter(affected_list=affected_list)
    return campaigns.exclude(state__in=ENDED).exists() or are_being_cancelled(campaigns)


def are_being_cancelled(campaigns: QuerySet[Campaign]) -> bool:
    """Whether messages of cancelled ones still wait, or are in a worker's hands."""
    return unfinished(campaigns.filter(state=CampaignState.CANCELLED)).exists()


def note_shared_addresses(*, affected_list: AffectedList) -> None:
    """Keep which people had a shared address, in the transaction that erases the addresses."""
    campaigns = Campaign.objects.filter(affected_list=affected_list, kind=CampaignKind.NOTICE)
    values: dict[str, Any] = {
        "list": affected_list.pk,
        "campaigns": list(campaigns.values_list("pk", flat=True)),
        "email": EMAIL_SHARED,
        "phone": PHONE_SHARED,
    }
    if CrowdedAddress.objects.filter(campaign_id__in=values["campaigns"]).exists():
        with connection.cursor() as cursor:
            cursor.execute(NOTE_SHARED, values)


def erase_addresses(*, affected_list: AffectedList) -> None:
    """Erase what stands for the addresses of the list's messages; people and states stay.

    By slices; run again after a kill it does the rest (worker only).
    """
    for campaign_id in Campaign.objects.filter(affected_list=affected_list).values_list(
        "pk", flat=True
    ):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT min(id), max(id) FROM notifications_notification WHERE campaign_id = %s",
                [campaign_id],
            )
            first, last = cursor.fetchone() or (None, None)
            for start in range(first or 0, (last or -1) + 1, SLICE_MESSAGES):
                cursor.execute(ERASE, [campaign_id, start, start + SLICE_MESSAGES])
        CrowdedAddress.objects.filter(campaign_id=campaign_id).delete()
    Reply.objects.filter(list_id=affected_list.pk).update(address_fingerprint=None)
