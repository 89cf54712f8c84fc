"""Build a campaign's outbox in bulk SQL: one message per address, everybody accounted for.

Every member of the list ends in exactly one event here: covered by a message to send, told
already, unreachable or cancelled with a reason. Claims, events and the campaign's new state are
one transaction of the worker; the messages are committed just before (`message_rows.py`).
"""

from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from insurers.lists.contacts import EMAIL_INVALID, HAS_POSTAL_ADDRESS, PHONE_INVALID
from insurers.lists.locks import take_turn
from insurers.lists.problems import Field
from insurers.lists.wrapping import fingerprints_agree
from insurers.models import AffectedList
from notifications.models import Campaign, CampaignKind, CampaignState, ListReach
from notifications.outbox.message_rows import (
    LEFT_OVER,
    Beside,
    Made,
    make_messages,
    messages_beside,
    take_memory,
)
from notifications.outbox.planning import (
    CLAIM,
    COVER,
    MEMBERS,
    NOT_OURS,
    SAME_PERSON,
    TOLD_FOR,
    UNLESS_CLAIMED,
    plan,
    run,
    values_of,
)
from notifications.outbox.settling import settle

MADE_AHEAD = timedelta(minutes=10)  # of the start: until then it can go back to its preparer
SHARED = 8  # more members than this on one address is a placeholder until someone confirms it

# An address that stands for more than SHARED members of the list is a placeholder (or a home
# for the elderly): nothing goes there, by any channel, until the approver confirms it.
CROWDED = """
INSERT INTO notifications_crowdedaddress (campaign_id, address_fingerprint)
SELECT %(campaign)s, address FROM (
    SELECT email_fingerprint AS address FROM affected_member WHERE list_id = %(list)s
    UNION ALL
    SELECT phone_fingerprint FROM affected_member WHERE list_id = %(list)s
) AS addresses
WHERE address IS NOT NULL AND NOT %(shared_confirmed)s
GROUP BY address HAVING count(*) > %(shared)s
ON CONFLICT DO NOTHING
"""

# Whoever waits behind them, for the approver's page: how many, and the first rows of the list.
CHOICES = """
INSERT INTO notifications_crowdedchoice (id, campaign_id, people, first_rows, is_applied)
SELECT c.id, %(campaign)s, count(*), to_jsonb((array_agg(w.ordinal ORDER BY w.ordinal))[1:5]), false
FROM notifications_crowdedaddress c JOIN (
    SELECT ordinal, email_fingerprint AS address FROM planned
    WHERE channel IS NULL AND lack = 'shared_address' AND left_out = 'unreachable'
    UNION
    SELECT ordinal, phone_fingerprint FROM planned
    WHERE channel IS NULL AND lack = 'shared_address' AND left_out = 'unreachable'
) AS w ON w.address = c.address_fingerprint
WHERE c.campaign_id = %(campaign)s GROUP BY c.id
"""

# The lists say by whom a complement reaches a person once: those that give an address of theirs
# come before those that give none, then the earlier ones.
NAMED_BEFORE = f"""
SELECT FROM affected_member other
JOIN insurers_affectedlist_operators theirs
    ON theirs.affectedlist_id = other.list_id AND theirs.operator_id = t.operator_id
LEFT JOIN listing_mark there ON there.list_id = other.list_id AND there.ordinal = other.ordinal
WHERE other.list_id = ANY (%(others)s) AND coalesce(there.ended, '') = ''
    AND (coalesce(other.email_fingerprint, other.phone_fingerprint) IS NULL, other.list_id)
        < (coalesce(p.email_fingerprint, p.phone_fingerprint) IS NULL, %(list)s)
    AND {SAME_PERSON.format(other="other")}
"""

# A complement or correction goes to whoever a finished campaign told, and to nobody else: from
# the list they were told from, or once nothing can be sent from there, from one other.
TELL_AGAIN = f"""
CREATE TEMPORARY TABLE claimed ON COMMIT DROP AS
SELECT ordinal FROM planned p WHERE p.channel IS NOT NULL AND EXISTS (
    SELECT FROM notifications_told t
    JOIN notifications_campaign teller ON teller.id = t.campaign_id
    JOIN insurers_affectedlist_operators o
        ON o.affectedlist_id = %(list)s AND o.operator_id = t.operator_id
    JOIN insurers_affectedlist source ON source.id = t.list_id
    LEFT JOIN listing_mark k ON k.list_id = t.list_id AND k.ordinal = t.ordinal
    WHERE teller.state = 'finished' AND {TOLD_FOR} AND (t.list_id = %(list)s
        OR (source.contacts_purged_at IS NOT NULL OR coalesce(k.ended, '') <> '')
            AND NOT EXISTS ({NAMED_BEFORE}))
)
"""

# Whoever has a channel is in the messages or left out, as each member is covered once.
EVENTS = """
WITH made AS (
    SELECT channel, sum(people) AS people, sum(messages) AS messages, sum(uncounted) AS uncounted
    FROM unnest(%(channels)s::text[], %(people)s::bigint[], %(messages)s::bigint[],
        %(uncounted)s::bigint[]) AS made (channel, people, messages, uncounted) GROUP BY channel
), left_over AS (
    SELECT count(*) - (SELECT coalesce(sum(people), 0) FROM made) AS people,
        count(*) FILTER (WHERE is_uncounted)
            - (SELECT coalesce(sum(uncounted), 0) FROM made) AS uncounted
    FROM planned WHERE channel IS NOT NULL
)
INSERT INTO notifications_deliveryevent (campaign_id, channel, state, previous_state, reason,
    previous_reason, people, messages, uncounted, at)
SELECT %(campaign)s, channel, 'pending', '', '', '', people, messages, uncounted, %(now)s FROM made
UNION ALL
SELECT %(campaign)s, '', left_out, '', lack, '', count(*), 0,
    count(*) FILTER (WHERE is_uncounted), %(now)s
FROM planned WHERE channel IS NULL GROUP BY left_out, lack
UNION ALL
SELECT %(campaign)s, '', %(left_state)s, '', %(left_reason)s, '', people, 0, uncounted, %(now)s
FROM left_over WHERE people <> 0
"""

# Claimed here, while the list on which they count tells them nothing.
NOW_TOLD_HERE = """
UPDATE listing_mark k SET is_stale = true FROM planned p JOIN claimed USING (ordinal)
WHERE k.list_id = %(list)s AND k.ordinal = p.ordinal AND NOT k.is_counted AND NOT EXISTS (
    SELECT FROM notifications_told t WHERE t.breach_id = %(breach)s
        AND t.insurer_id = %(insurer)s AND t.operator_id IN (SELECT id FROM insurers_operator)
        AND t.fingerprint = p.fingerprint AND t.campaign_id <> %(campaign)s
)
"""


def build_outbox(*, campaign_id: int, now: datetime) -> bool:
    """Make the messages of an approved campaign; return False where it is not its moment.

    That is: it starts later, it was done before, it is being done, another worker changes who is
    told of that insurer's people, or their fingerprints are of two key versions. The sweep tries
    again; workers that waited would send nothing meanwhile.
    """
    is_within = connection.in_atomic_block  # Of what it holds, no other connection sees anything.
    insurer_id = Campaign.objects.values_list("insurer_id", flat=True).get(pk=campaign_id)
    if not _note_crowded(campaign_id, insurer_id, now):
        return False
    with transaction.atomic():
        # Before any row is locked; a list that is published meanwhile waits.
        if not take_turn(insurer_id, wait=False):
            return False
        campaign = _approved(campaign_id, now)
        if campaign is None:
            return False  # Built, or another worker is at it.
        if not fingerprints_agree(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id):
            return False  # The key is being rotated: the sweep tries again.
        take_memory()
        values = values_of(campaign, now)
        if campaign.kind == CampaignKind.NOTICE:
            values |= {"left_state": "told_already", "left_reason": "earlier_campaign"}
            with nullcontext() if is_within else messages_beside(values) as beside:
                plan(values)
                run((CHOICES,), values)
                _claim(values)
                made = make_messages(values) if beside is None else _shared_out(values, beside)
            run(
                (EVENTS, NOW_TOLD_HERE, "DROP TABLE planned, claims CASCADE"),
                values | _columns(made),
            )
        else:
            values |= {"left_state": "cancelled", "left_reason": "not_told_before"}
            values |= {"others": _other_lists(campaign)}
            run((MEMBERS, TELL_AGAIN, COVER), values)
            made = make_messages(values)
            run((EVENTS, "DROP TABLE planned, claimed, covered"), values | _columns(made))
        Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.SENDING)
        settle(breach_id=campaign.breach_id, insurer_id=campaign.insurer_id, now=now)
    return True


def _approved(campaign_id: int, now: datetime) -> Campaign | None:
    """Lock a campaign whose outbox is to be made; None where it is made, being made, or early."""
    approved = Campaign.objects.filter(pk=campaign_id, state=CampaignState.APPROVED)
    found = approved.select_for_update(skip_locked=True).first()
    is_early = found is not None and found.starts_at and found.starts_at > now + MADE_AHEAD
    return None if is_early else found


def _other_lists(campaign: Campaign) -> list[int]:
    """Return the other lists from which the insurer's people can be written to."""
    lists = AffectedList.objects.open_to_campaigns().filter(
        breach=campaign.breach_id, insurer=campaign.insurer_id
    )
    return list(lists.exclude(pk=campaign.affected_list_id).values_list("pk", flat=True))


@transaction.atomic
def _note_crowded(campaign_id: int, insurer_id: UUID, now: datetime) -> bool:
    """Note the crowded addresses of the list, for all who plan; return whether it is the moment.

    Nothing of an attempt that was killed remains then.
    """
    if not take_turn(insurer_id, wait=False):
        return False
    campaign = _approved(campaign_id, now)
    if campaign is None:
        return False
    take_memory()
    values = {
        "campaign": campaign.pk,
        "list": campaign.affected_list_id,
        "shared": SHARED,
        "shared_confirmed": campaign.shared_addresses_confirmed,
    }
    run((LEFT_OVER, CROWDED), values)
    return True


def _shared_out(values: dict[str, Any], beside: Beside) -> Made:
    """Make the messages, or a share of them where the other connection's can be kept."""
    made = make_messages(values, is_beside=False)
    kept = beside.keep()
    return made + (make_messages(values, is_beside=True) if kept is None else kept)


def _columns(made: Made) -> dict[str, list[Any]]:
    names = ("channels", "people", "messages", "uncounted")
    return {name: [row[place] for row in made] for place, name in enumerate(names)}


def _claim(values: dict[str, Any]) -> None:
    """Claim whom nobody has claimed; the constraint decides where somebody just did.

    That is rare, as campaigns of an insurer take turns, and looking before each row is inserted
    doubles its price.
    """
    try:
        with transaction.atomic():
            run((CLAIM,), values)
    except IntegrityError:
        run((CLAIM + UNLESS_CLAIMED, NOT_OURS), values)


# Whoever an earlier list's campaign told, for all the operators, is not written to again.
REACH = f"""
WITH members AS (
    SELECT email_fingerprint AS email, phone_fingerprint AS phone, contact_flags
    FROM affected_member p WHERE p.list_id = %(list)s AND EXISTS (
        SELECT FROM insurers_affectedlist_operators o
        WHERE o.affectedlist_id = %(list)s AND NOT EXISTS (
            SELECT FROM notifications_told t WHERE t.operator_id = o.operator_id AND {TOLD_FOR}
        )
    )
), shared AS (
    SELECT count(*) AS people FROM members WHERE coalesce(email, phone) IS NOT NULL
    GROUP BY coalesce(email, phone) HAVING count(*) > %(shared)s
)
SELECT count(*) FILTER (WHERE email IS NOT NULL),
    count(DISTINCT email),
    count(*) FILTER (WHERE email IS NULL AND phone IS NOT NULL),
    count(DISTINCT phone) FILTER (WHERE email IS NULL),
    count(*) FILTER (WHERE email IS NULL AND phone IS NULL AND contact_flags & %(unusable)s = 0),
    count(*) FILTER (WHERE email IS NULL AND phone IS NULL AND contact_flags & %(unusable)s <> 0),
    (SELECT coalesce(sum(people), 0) FROM shared),
    (SELECT count(*) FROM shared),
    (SELECT count(*) FROM affected_member
        WHERE list_id = %(list)s AND %(has_postal)s AND contact_flags & %(postal)s <> 0),
    count(*) FILTER (WHERE email IS NULL AND phone IS NULL AND contact_flags & %(postal)s <> 0)
FROM members
"""


def count_reach(*, affected_list: AffectedList) -> ListReach:
    """Count how those of an accepted list who are not told yet can be reached, once (worker)."""
    with connection.cursor() as cursor:
        cursor.execute(
            REACH,
            {
                "list": affected_list.pk,
                "breach": affected_list.breach_id,
                "insurer": affected_list.insurer_id,
                "shared": SHARED,
                "unusable": EMAIL_INVALID | PHONE_INVALID,
                "postal": HAS_POSTAL_ADDRESS,
                "has_postal": Field.ADDRESS in (affected_list.text or {}).get("columns", {}),
            },
        )
        counts = cursor.fetchone() or (0,) * 10
    return ListReach.objects.get_or_create(
        affected_list=affected_list,
        defaults={
            "email_people": counts[0],
            "email_addresses": counts[1],
            "phone_only_people": counts[2],
            "phone_only_numbers": counts[3],
            "no_contact_people": counts[4],
            "invalid_contact_people": counts[5],
            "shared_people": counts[6],
            "shared_addresses": counts[7],
            "postal_people": counts[8],
            "postal_only_people": counts[9],
        },
    )[0]
