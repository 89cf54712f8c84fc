"""Keep the tallies from the delivery events, in the same transaction, by construction.

Sums are signed: an event takes its people and messages out of the state they leave and adds
them to the state they enter, in the hour of the event. The shard (of 8, by connection) keeps
workers from waiting for one another.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION notifications_tally_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notifications_tally AS tally
        (campaign_id, insurer_id, channel, state, reason, hour_at, shard, people, messages,
            uncounted)
    SELECT change.campaign_id, campaign.insurer_id, change.channel, change.state, change.reason,
        date_trunc('hour', change.at, 'UTC'), pg_backend_pid() % 8,
        sum(change.people), sum(change.messages),
        sum(change.uncounted)
    FROM (
        SELECT campaign_id, channel, state, reason, at, people, messages, uncounted
        FROM new_events
        UNION ALL
        SELECT campaign_id, channel, previous_state, previous_reason, at, -people, -messages,
            -uncounted
        FROM new_events WHERE previous_state <> ''
    ) AS change
    JOIN notifications_campaign AS campaign ON campaign.id = change.campaign_id
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ORDER BY 1, 3, 4, 5, 6, 7
    ON CONFLICT (campaign_id, channel, state, reason, hour_at, shard)
    DO UPDATE SET people = tally.people + EXCLUDED.people,
        messages = tally.messages + EXCLUDED.messages,
        uncounted = tally.uncounted + EXCLUDED.uncounted;
    RETURN NULL;
END $$;

CREATE TRIGGER notifications_tally_events AFTER INSERT ON notifications_deliveryevent
    REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION notifications_tally_events();
"""

DROP = """
DROP TRIGGER notifications_tally_events ON notifications_deliveryevent;
DROP FUNCTION notifications_tally_events();
"""


class Migration(migrations.Migration):
    dependencies = (("notifications", "0001_initial"),)
    operations = (migrations.RunSQL(CREATE, DROP),)
