"""Let the web role learn whether a reference left with a message, and nothing else of messages.

The function is all that the web role may learn of a message. It runs with its owner's rights,
finds one row by the fingerprint of a reference, and gives nothing of the people it was for. An
attempt is what a server was asked to take, or the file of a letter; without one, and without a
receipt that tells of one, nobody holds the reference. Several were taken where the first one was in
doubt.
"""

from django.db import migrations

CREATE = """
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
DROP = "DROP FUNCTION notifications_find_reference(bytea)"


class Migration(migrations.Migration):
    dependencies = (("notifications", "0004_covered"),)
    operations = (migrations.RunSQL(CREATE, DROP),)
