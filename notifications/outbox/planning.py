"""Who a campaign can tell, by which channel, and who is told already: SQL that several share."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from insurers.lists.contacts import (
    EMAIL_ERASED,
    EMAIL_INVALID,
    EMAIL_SHARED,
    PHONE_ERASED,
    PHONE_INVALID,
    PHONE_SHARED,
)
from insurers.models import AffectedList
from notifications.models import Campaign

# Members of campaigns' lists, with the first channel of the plan that reaches each, or what
# they lack. Whoever ended is still there: what counts is what the campaign made of them.
# After a purge of the contacts, their flags say what there was.
PLANNED = f"""
SELECT c.id AS campaign_id, m.list_id, m.ordinal, m.fingerprint, m.name_tag, m.key_version,
    m.email_fingerprint, m.phone_fingerprint, coalesce(k.ended, '') AS ended,
    NOT coalesce(k.is_counted, true) AS is_uncounted,
    CASE WHEN (m.email_fingerprint IS NOT NULL OR m.contact_flags & {EMAIL_ERASED} <> 0)
            AND e.campaign_id IS NULL AND m.contact_flags & {EMAIL_SHARED} = 0
            AND c.plan->'channels' ? 'email' THEN 'email'
         WHEN (m.phone_fingerprint IS NOT NULL OR m.contact_flags & {PHONE_ERASED} <> 0)
            AND s.campaign_id IS NULL AND m.contact_flags & {PHONE_SHARED} = 0
            AND c.plan->'channels' ? 'sms' THEN 'sms'
         WHEN c.plan->'channels' ? 'letter' THEN 'letter'
    END AS channel,
    CASE WHEN e.campaign_id IS NOT NULL OR s.campaign_id IS NOT NULL
            OR m.contact_flags & {EMAIL_SHARED | PHONE_SHARED} <> 0 THEN 'shared_address'
         WHEN m.contact_flags & {EMAIL_INVALID | PHONE_INVALID} <> 0 THEN 'invalid_contact'
         ELSE 'no_contact' END AS lack
FROM notifications_campaign c
JOIN affected_member m ON m.list_id = c.affected_list_id
LEFT JOIN listing_mark k ON k.list_id = m.list_id AND k.ordinal = m.ordinal
LEFT JOIN notifications_crowdedaddress e
    ON e.campaign_id = c.id AND e.address_fingerprint = m.email_fingerprint
LEFT JOIN notifications_crowdedaddress s
    ON s.campaign_id = c.id AND s.address_fingerprint = m.phone_fingerprint
"""

# Only whom the campaign can still tell has a channel.
MEMBERS = f"""
CREATE TEMPORARY TABLE planned ON COMMIT DROP AS
SELECT ordinal, fingerprint, name_tag, key_version, email_fingerprint, phone_fingerprint,
    is_uncounted,
    CASE WHEN ended = '' THEN channel END AS channel,
    CASE WHEN ended = '' THEN 'unreachable' ELSE 'cancelled' END AS left_out,
    CASE WHEN ended = '' THEN lack ELSE ended END AS lack
FROM ({PLANNED} WHERE c.id = %(campaign)s AND m.list_id = %(list)s) AS member
"""

# The same person as `p`: a row without a name is the first of the twins.
SAME_PERSON = """
{other}.fingerprint = p.fingerprint AND (
    {other}.name_tag = p.name_tag OR p.name_tag = 0
    OR {other}.name_tag = 0 AND NOT EXISTS (
        SELECT FROM affected_member twin WHERE twin.list_id = %(list)s
            AND twin.fingerprint = p.fingerprint
            AND twin.name_tag <> 0 AND twin.name_tag < p.name_tag)
)
"""
# Claims on them.
TOLD_FOR = f"""
t.breach_id = %(breach)s AND t.insurer_id = %(insurer)s AND {SAME_PERSON.format(other="t")}
"""

_ADDRESS = """CASE p.channel WHEN 'email' THEN p.email_fingerprint
    WHEN 'sms' THEN p.phone_fingerprint ELSE p.fingerprint END AS address"""

# Whom no campaign is seen to have claimed, for each operator.
CLAIMS = f"""
CREATE TEMPORARY TABLE claims ON COMMIT DROP AS
SELECT o.operator_id, p.ordinal, p.fingerprint, p.name_tag, p.key_version, p.channel,
    p.is_uncounted, {_ADDRESS}
FROM planned p CROSS JOIN insurers_affectedlist_operators o
WHERE p.channel IS NOT NULL AND o.affectedlist_id = %(list)s AND NOT EXISTS (
    SELECT FROM notifications_told t WHERE t.operator_id = o.operator_id AND {TOLD_FOR}
)
"""

# Once, also where somebody is claimed for several operators.
COVERED = """
CREATE TEMPORARY VIEW covered AS
SELECT {distinct} ordinal, channel, is_uncounted, address FROM claims;
CREATE TEMPORARY VIEW claimed AS SELECT ordinal FROM covered;
"""

# The constraint decides who is told already, also between campaigns built at the same time.
CLAIM = """
INSERT INTO notifications_told
    (breach_id, insurer_id, operator_id, fingerprint, name_tag, campaign_id, list_id, ordinal,
     key_version)
SELECT %(breach)s, %(insurer)s, operator_id, fingerprint, name_tag, %(campaign)s, %(list)s, ordinal,
    key_version
FROM claims ORDER BY fingerprint, name_tag, operator_id
"""
UNLESS_CLAIMED = "ON CONFLICT DO NOTHING"

# Whom somebody else has claimed meanwhile, or another row of the list.
NOT_OURS = """
DELETE FROM claims c WHERE NOT EXISTS (
    SELECT FROM notifications_told t WHERE t.breach_id = %(breach)s AND t.insurer_id = %(insurer)s
        AND t.operator_id = c.operator_id AND t.fingerprint = c.fingerprint
        AND t.name_tag = c.name_tag AND t.campaign_id = %(campaign)s AND t.ordinal = c.ordinal
)
"""

CLAIMED = """
CREATE TEMPORARY TABLE claimed ON COMMIT DROP AS
SELECT DISTINCT ordinal FROM notifications_told
WHERE campaign_id = %(campaign)s AND list_id = %(list)s;
ANALYZE claimed;
"""

COVER = f"""
CREATE TEMPORARY TABLE covered ON COMMIT DROP AS
SELECT p.ordinal, p.channel, p.is_uncounted, {_ADDRESS}
FROM planned p JOIN claimed USING (ordinal) WHERE p.channel IS NOT NULL;
"""


def plan(values: dict[str, Any]) -> None:
    """Make the tables `planned`, of a list's members, and `claims`, with `covered` of these."""
    run((MEMBERS, CLAIMS), values)
    operators = AffectedList.operators.through.objects.filter(affectedlist=values["list"])
    distinct = "DISTINCT" if operators.count() > 1 else ""
    run((COVERED.format(distinct=distinct),), values)


def values_of(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """Return the parameters of the statements above."""
    return {
        "campaign": campaign.pk,
        "breach": campaign.breach_id,
        "insurer": campaign.insurer_id,
        "list": campaign.affected_list_id,
        "now": now,
    }


def run(scripts: Iterable[str], values: dict[str, Any]) -> None:
    """Execute scripts of statements, each ended by a semicolon and a new line."""
    with connection.cursor() as cursor:
        for script in scripts:
            for statement in script.split(";\n"):
                if statement.strip():
                    cursor.execute(statement, values)
