"""Have people come back to the list whose address for them a list that leaves had corrected."""

from typing import Any

from django.db import connection

from insurers.models import AffectedList, ListState

_COME_BACK = """
UPDATE members.listing_mark AS mark SET ended = '', is_stale = true
FROM members.affected_member AS earlier, members.affected_member AS leaving
LEFT JOIN members.listing_mark AS gone USING (list_id, ordinal)
WHERE mark.list_id = %(earlier)s AND mark.ended = 'corrected'
    AND earlier.list_id = %(earlier)s AND earlier.ordinal = mark.ordinal
    AND leaving.list_id = %(leaving)s AND coalesce(gone.ended, '') = ''
    AND leaving.fingerprint = earlier.fingerprint
    AND (0 IN (leaving.name_tag, earlier.name_tag) OR leaving.name_tag = earlier.name_tag)
    AND NOT EXISTS (
        SELECT FROM members.affected_member AS other
        LEFT JOIN members.listing_mark AS theirs USING (list_id, ordinal)
        WHERE other.list_id = ANY (%(others)s) AND coalesce(theirs.ended, '') = ''
            AND other.fingerprint = earlier.fingerprint
            AND (0 IN (other.name_tag, earlier.name_tag) OR other.name_tag = earlier.name_tag)
    )
"""


def let_come_back(affected_list: AffectedList) -> None:
    """Let people stand again where a list that is about to leave had corrected their address.

    To the latest such list, for those whom no list for the same operators names otherwise; lists
    that a campaign uses have cancelled them for good (docs/decisions/0017). Worker only, before
    the list's own people are ended.
    """
    alike = _alike(affected_list)
    others = list(alike.values_list("pk", flat=True))
    unused = alike.filter(is_in_use=False, members_ended__gt=0, purges=None)
    with connection.cursor() as cursor:
        for earlier in unused.order_by("-decided_at", "-pk").values_list("pk", flat=True):
            values: dict[str, Any] = {"earlier": earlier, "leaving": affected_list.pk}
            cursor.execute(_COME_BACK, values | {"others": others})


def does_not_give_back(affected_list: AffectedList) -> bool:
    """Whether people may stay off a list in use when this one, which corrected them, leaves."""
    corrected = affected_list.rows_contact_changed > 0
    return corrected and _alike(affected_list).filter(is_in_use=True, members_ended__gt=0).exists()


def _alike(affected_list: AffectedList) -> Any:
    """Return the other accepted lists of the same operators and population."""
    return AffectedList.objects.filter(
        breach_id=affected_list.breach_id,
        insurer_id=affected_list.insurer_id,
        population_id=affected_list.population_id,
        operator_ids=affected_list.operator_ids,
        state=ListState.ACCEPTED,
        purged_at=None,
    ).exclude(pk=affected_list.pk)
