"""Whom a message covers, what everybody may read, what the web role may learn of a reference."""

from django.db import migrations

# Rows of `notifications_notificationmember` are only for the others of a family: five messages in
# six have none. This view says whom a message covers, named or not.
COVERED = """
CREATE VIEW notifications_covered WITH (security_invoker = true) AS
SELECT id AS notification_id, list_id, ordinal FROM notifications_notification WHERE people > 0
UNION ALL
SELECT notification_id, list_id, ordinal FROM notifications_notificationmember
"""

# Three views read as their owner: everybody sees these columns of these rows, whatever the policies
# of the tables say, and nothing else of them.
SENDERS = """
CREATE VIEW notifications_declaredsender WITH (security_barrier = true) AS
SELECT i.id, i.insurer_id, i.from_name, coalesce(c.outcome, '') AS outcome, c.findings, c.checked_at,
    coalesce(c.from_domain, lower(split_part(i.from_address, '@', 2))) AS from_domain
FROM notifications_sendingidentity i
LEFT JOIN notifications_sendercheck c ON c.identity_id = i.id
WHERE i.state = 'approved'
"""
# The name in front of the portal's own address is the controller's.
NAMES = """
CREATE VIEW notifications_declaredname WITH (security_barrier = true) AS
SELECT insurer_id, 'sms' AS channel, plan -> 'sms' ->> 'sender' AS name
FROM notifications_campaign
WHERE approved_at IS NOT NULL AND plan -> 'sms' ->> 'sender' <> ''
UNION
SELECT insurer_id, 'domain', sender_standing ->> 'domain'
FROM notifications_campaign WHERE approved_at IS NOT NULL AND sender_standing ->> 'domain' <> ''
UNION
SELECT c.insurer_id, 'email', v.content ->> 'controller_name'
FROM notifications_campaign c JOIN notifications_noticeversion v ON v.id = c.notice_version_id
WHERE c.approved_at IS NOT NULL AND v.content ->> 'controller_name' <> '' AND NOT EXISTS (
    SELECT FROM notifications_sendingidentity i
    WHERE i.insurer_id = c.insurer_id AND i.state = 'approved'
)
"""
STATEMENTS = """
CREATE VIEW notifications_publishedstatement WITH (security_barrier = true) AS
SELECT p.id, p.insurer_id, s.breach_id, v.number, v.content, v.sha256, p.decided_at AS published_at
FROM notifications_publication p
JOIN notifications_statement s ON s.id = p.statement_id
JOIN notifications_statementversion v ON v.id = p.version_id
WHERE p.state = 'published'
"""

# All that the web role may learn of a message is whether a reference left with it. The function
# finds one row by the fingerprint of a reference, and gives nothing of the people it was for. An
# attempt is what a server was asked to take, or the file of a letter; without one, and without a
# receipt that tells of one, nobody holds the reference. Several were taken where the first one was
# in doubt.
FIND_REFERENCE = """
CREATE FUNCTION notifications_find_reference(wanted bytea) RETURNS TABLE (
    insurer_id uuid, breach_id bigint, channel text, first_date date, last_date date,
    has_second_copy boolean, content jsonb, has_plain_sms boolean
) LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT campaign.insurer_id, campaign.breach_id, message.channel,
        (coalesce(sent.first_at, sent.refused_at, sent.told_at) AT TIME ZONE 'Europe/Paris')::date,
        (coalesce(sent.last_at, sent.refused_at, sent.told_at) AT TIME ZONE 'Europe/Paris')::date,
        sent.taken > 1, version.content - 'unreachable_plan',
        coalesce((campaign.plan #>> '{sms,is_plain}')::boolean, false)
    FROM public.notifications_notification AS message
    CROSS JOIN LATERAL (
        SELECT min(at) FILTER (WHERE state IN ('accepted', 'uncertain')) AS first_at,
            max(at) FILTER (WHERE state IN ('accepted', 'uncertain')) AS last_at,
            max(at) FILTER (WHERE previous_state = 'sending') AS refused_at,
            min(at) AS told_at,
            count(*) FILTER (WHERE state IN ('accepted', 'uncertain')) AS taken
        FROM public.notifications_deliveryevent
        WHERE notification_id = message.id AND state IN ('accepted', 'uncertain', 'deferred',
            'bounced', 'failed', 'delivered', 'complained')
    ) AS sent
    JOIN public.notifications_campaign AS campaign ON campaign.id = message.campaign_id
    JOIN public.notifications_noticeversion AS version ON version.id = campaign.notice_version_id
    WHERE message.reference_fingerprint = wanted AND sent.told_at IS NOT NULL
$$;
REVOKE ALL ON FUNCTION notifications_find_reference(bytea) FROM PUBLIC;
"""
# Nothing of whom the answer was for, when they asked, or the code that their page showed.
FIND_REPLY = """
CREATE FUNCTION notifications_find_reply(wanted bytea) RETURNS TABLE (
    insurer_id uuid, breach_id bigint, breach_ids bigint[], operator_ids bigint[],
    population_id bigint, channel text, sent_date date
) LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT reply.insurer_id, list.breach_id, reply.breach_ids, list.operator_ids,
        list.population_id, reply.channels[1], (reply.sent_at AT TIME ZONE 'Europe/Paris')::date
    FROM public.notifications_reply AS reply
    JOIN public.insurers_affectedlist AS list ON list.id = reply.list_id
    WHERE reply.reference_fingerprint = wanted AND reply.sent_at IS NOT NULL
$$;
REVOKE ALL ON FUNCTION notifications_find_reply(bytea) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = (("notifications", "0002_triggers"),)
    operations = (
        migrations.RunSQL(COVERED, "DROP VIEW notifications_covered"),
        migrations.RunSQL(SENDERS, "DROP VIEW notifications_declaredsender"),
        migrations.RunSQL(NAMES, "DROP VIEW notifications_declaredname"),
        migrations.RunSQL(STATEMENTS, "DROP VIEW notifications_publishedstatement"),
        migrations.RunSQL(FIND_REFERENCE, "DROP FUNCTION notifications_find_reference(bytea)"),
        migrations.RunSQL(FIND_REPLY, "DROP FUNCTION notifications_find_reply(bytea)"),
    )
