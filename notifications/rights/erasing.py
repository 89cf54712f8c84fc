"""Erase what the portal can erase of one person at their request (Article 17), worker only.

The contact goes, on every list of the insurer, with what stands for its addresses. The fingerprint
stays until the breach is closed: without it nobody could show that the person was told, nor keep a
later list from telling them again (Article 17(3)(b) and (e)).
"""

from django.db import connection

from insurers.lists.finding import Found
from insurers.lists.purging import WITHOUT_CONTACTS
from insurers.models import AffectedList
from notifications.models import Notification, Reply
from notifications.outbox.purged import refuse_purge_in_use

_SET = ", ".join(f"{name} = {value}" for name, value in WITHOUT_CONTACTS.items())
ERASE = f"""
UPDATE affected_member SET {_SET}
WHERE list_id = %s AND ordinal = %s AND contact IS NOT NULL
"""


def erase_contact(places: list[Found]) -> int:
    """Erase the contact at these places, in the caller's transaction; return at how many it was.

    Raises PurgeRefusedError where somebody of one of these lists is still to be told: nobody is
    lost for having asked.
    """
    erased = 0
    for affected_list in AffectedList.objects.filter(pk__in={place.list_id for place in places}):
        refuse_purge_in_use(affected_list=affected_list)
    for place in places:
        with connection.cursor() as cursor:
            cursor.execute(ERASE, [place.list_id, place.ordinal])
            erased += cursor.rowcount
        mine = {"list_id": place.list_id, "ordinal": place.ordinal}
        # An address that others share still stands for them.
        Notification.objects.filter(**mine, people=1).update(address_fingerprint=None)
        Reply.objects.filter(**mine).delete()
    return erased
