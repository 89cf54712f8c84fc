"""Compare a list with those accepted before it: who is new, listed already, changed, leaving.

Everything is computed twice from the same SQL: for the report once the file is read, and again
when the list is published, under the insurer's turn. The results are two temporary tables that
last until the transaction ends: `met` (a row of the list is a person of an earlier list) and
`leaving` (people of earlier lists to whom nothing more is to be sent from there). Lists that
leave whole are in neither. What each effect means is in docs/decisions/0007.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from insurers.lists.contacts import HAS_POSTAL_ADDRESS
from insurers.lists.tables import table_name
from insurers.models import AffectedList, Ended, ListEffect, ListState


@dataclass(frozen=True)
class Earlier:
    """Accepted lists of the same breach and insurer, as the list to come relates to them.

    Of those neither withdrawn nor purged, `covering` name at least its operators, `same` exactly
    its operators, `narrower` none but its operators; the last two are of its population. `whole`
    are the same ones that no approved campaign uses, for a list that replaces: they leave at once.
    """

    every: list[int]
    covering: list[int]
    same: list[int]
    narrower: list[int]
    whole: list[int]

    def but_for(self, whole: list[int]) -> "Earlier":
        """Return what remains to be compared once the lists `whole` have left."""

        def remaining(lists: list[int]) -> list[int]:
            return [pk for pk in lists if pk not in whole]

        return replace(
            self,
            every=remaining(self.every),
            covering=remaining(self.covering),
            same=remaining(self.same),
            narrower=remaining(self.narrower),
            whole=[],
        )


def earlier_lists(affected_list: AffectedList) -> Earlier:
    """Return the lists that a list is compared with."""
    wanted = set(affected_list.operators.values_list("pk", flat=True))
    operators: dict[int, set[int]] = defaultdict(set)
    staying, alike, unused = set[int](), set[int](), set[int]()
    lists = AffectedList.objects.that_stand_by_person().filter(
        breach_id=affected_list.breach_id, insurer_id=affected_list.insurer_id
    )
    rows = lists.values_list("pk", "operators", "state", "purged_at", "population_id", "is_in_use")
    for list_id, operator_id, state, purged_at, population_id, is_in_use in rows:
        operators[list_id].add(operator_id)
        if state == ListState.ACCEPTED and purged_at is None:
            staying.add(list_id)
            if population_id == affected_list.population_id:
                alike.add(list_id)
        if not is_in_use:
            unused.add(list_id)
    every = sorted(operators)
    same = [pk for pk in every if operators[pk] == wanted and pk in alike]
    replaces = affected_list.effect == ListEffect.REPLACE
    return Earlier(
        every=every,
        covering=[pk for pk in every if wanted <= operators[pk] and pk in staying],
        same=same,
        narrower=[pk for pk in every if operators[pk] <= wanted and pk in alike],
        whole=[pk for pk in same if pk in unused] if replaces else [],
    )


# Joined on the fingerprint alone, so that PostgreSQL reads each table once; a CASE, because it
# would expect next to no row to pass a plain condition. `has_news`: the row gives an address that
# the earlier list does not; a postal one counts where it takes no other address away.
_MEET = f"""
CREATE TEMPORARY TABLE met ON COMMIT DROP AS
SELECT member.ordinal, earlier.list_id AS earlier_list, earlier.ordinal AS earlier_ordinal,
    member.name_tag, earlier.name_tag AS earlier_tag, coalesce(mark.ended, '') AS ended,
    coalesce(member.email_fingerprint <> earlier.email_fingerprint,
        member.email_fingerprint IS NOT NULL)
    OR coalesce(member.phone_fingerprint <> earlier.phone_fingerprint,
        member.phone_fingerprint IS NOT NULL)
    OR (member.contact_flags & {HAS_POSTAL_ADDRESS} > earlier.contact_flags & {HAS_POSTAL_ADDRESS}
        AND coalesce(member.email_fingerprint = earlier.email_fingerprint,
            earlier.email_fingerprint IS NULL)
        AND coalesce(member.phone_fingerprint = earlier.phone_fingerprint,
            earlier.phone_fingerprint IS NULL)) AS has_news
FROM {{table}} AS member
JOIN members.affected_member AS earlier ON earlier.fingerprint = member.fingerprint
    AND earlier.list_id = ANY (%(every)s)
LEFT JOIN members.listing_mark AS mark
    ON mark.list_id = earlier.list_id AND mark.ordinal = earlier.ordinal
WHERE CASE WHEN 0 IN (earlier.name_tag, member.name_tag) THEN true
    ELSE earlier.name_tag = member.name_tag END
"""

# A row without a name is taken for the first of the twins that share its fingerprint: of those
# on the other list, which are all in `met` beside it.
_NOT_FIRST_TWIN = """
DELETE FROM met WHERE ctid IN (
    SELECT place FROM (
        SELECT ctid AS place, CASE WHEN earlier_tag = 0
            THEN name_tag > min(name_tag) OVER (PARTITION BY earlier_list, earlier_ordinal)
            ELSE earlier_tag > min(earlier_tag) OVER (PARTITION BY earlier_list, ordinal)
        END AS is_another
        FROM met WHERE earlier_tag <> name_tag
    ) AS pair WHERE is_another
)
"""

# Each listing once.
_LEAVING = """
CREATE TEMPORARY TABLE leaving
    (list_id integer, ordinal integer, reason varchar(10)) ON COMMIT DROP
"""

# The new contact takes the place of the old one, for the same operators.
_CORRECTED = """
INSERT INTO leaving SELECT DISTINCT earlier_list, earlier_ordinal, 'corrected' FROM met
WHERE ended = '' AND has_news AND earlier_list = ANY (%(staying)s)
"""

# Also whose contact was corrected: else they would come back with it (`returning.py`).
_REPLACED = """
INSERT INTO leaving
SELECT member.list_id, member.ordinal, 'replaced' FROM members.affected_member AS member
LEFT JOIN members.listing_mark AS mark USING (list_id, ordinal)
WHERE member.list_id = ANY (%(staying)s) AND coalesce(mark.ended, '') IN ('', 'corrected')
    AND NOT EXISTS (
        SELECT FROM met
        WHERE met.earlier_list = member.list_id AND met.earlier_ordinal = member.ordinal
    )
"""

_WITHDRAWN = """
INSERT INTO leaving SELECT DISTINCT earlier_list, earlier_ordinal, 'withdrawn' FROM met
WHERE ended IN ('', 'corrected') AND earlier_list = ANY (%(narrower)s)
"""

_STEPS = {
    ListEffect.ADD: (_CORRECTED,),
    ListEffect.REPLACE: (_CORRECTED, _REPLACED),
    ListEffect.WITHDRAW: (_WITHDRAWN,),
}


def compare(affected_list: AffectedList, earlier: Earlier) -> None:
    """Fill `met` and `leaving` for a list whose own table is indexed (worker, in a transaction).

    Of `earlier`, nobody of `whole` is put in `leaving`: such a list leaves as one.
    """
    values: dict[str, Any] = {
        "every": earlier.every,
        "staying": [pk for pk in earlier.same if pk not in earlier.whole],
        "narrower": earlier.narrower,
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS met, leaving")
        cursor.execute(_MEET.format(table=table_name(affected_list.pk)), values)
        cursor.execute(_LEAVING)
        if earlier.every:
            cursor.execute(_NOT_FIRST_TWIN)
            cursor.execute("ANALYZE met")
            for statement in _STEPS[ListEffect(affected_list.effect)]:
                cursor.execute(statement, values)
            cursor.execute("ANALYZE leaving")


def all_leave(list_id: int) -> None:
    """Fill `leaving` with everybody of an accepted list (worker, in a transaction)."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS leaving")
        cursor.execute(_LEAVING)
        cursor.execute(
            "INSERT INTO leaving SELECT list_id, ordinal, %s FROM members.affected_member"
            " LEFT JOIN members.listing_mark AS mark USING (list_id, ordinal)"
            " WHERE list_id = %s AND coalesce(mark.ended, '') = ''",
            [Ended.WITHDRAWN.value, list_id],
        )


def stays_listed(earlier: Earlier) -> list[int]:
    """Return the lists on which people without a new address go on counting."""
    return [pk for pk in earlier.covering if pk not in earlier.whole]
