"""What the database does by itself with delivery events, and with changes that the register shows.

It refuses an event whose state may not follow the one before it, and adds each event to the
tallies in the same transaction, by construction. It marks the campaigns and the insurers whose sums
are out of date. An event is only appended; once a breach is closed it loses the message it is of.
"""

from django.db import migrations

# As `notifications.states.allowed_moves` has them (tests/notifications/test_states.py compares).
MOVES = (
    "accepted>bounced",
    "accepted>complained",
    "accepted>deferred",
    "accepted>delivered",
    "accepted>failed",
    "bounced>complained",
    "cancelled>bounced",
    "cancelled>complained",
    "cancelled>delivered",
    "cancelled>failed",
    "deferred>bounced",
    "deferred>cancelled",
    "deferred>complained",
    "deferred>delivered",
    "deferred>failed",
    "deferred>sending",
    "delivered>bounced",
    "delivered>complained",
    "delivered>failed",
    "failed>bounced",
    "failed>complained",
    "pending>bounced",
    "pending>cancelled",
    "pending>complained",
    "pending>deferred",
    "pending>delivered",
    "pending>failed",
    "pending>sending",
    "sending>accepted",
    "sending>bounced",
    "sending>deferred",
    "sending>failed",
    "sending>pending",
    "sending>suppressed",
    "sending>uncertain",
    "suppressed>bounced",
    "suppressed>complained",
    "suppressed>delivered",
    "suppressed>failed",
    "uncertain>bounced",
    "uncertain>complained",
    "uncertain>deferred",
    "uncertain>delivered",
    "uncertain>failed",
    "uncertain>pending",
)

# One array, not a comparison for each move: PostgreSQL reads the expression anew for each event.
ALLOW_MOVES = """
ALTER TABLE notifications_deliveryevent ADD CONSTRAINT only_allowed_moves CHECK (
    previous_state = '' OR (previous_state || '>' || state) = ANY (CAST('{%s}' AS text[]))
)
"""
FREE_MOVES = "ALTER TABLE notifications_deliveryevent DROP CONSTRAINT only_allowed_moves"

# Sums are signed: an event takes its people and messages out of the state they leave and adds
# them to the state they enter, in the hour of the event. The shard (of 8, by connection) keeps
# workers from waiting for one another.
TALLY_EVENTS = """
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
TALLY_NOTHING = """
DROP TRIGGER notifications_tally_events ON notifications_deliveryevent;
DROP FUNCTION notifications_tally_events();
"""

# Campaigns whose tallies change are marked in the transaction that changes them. The mark is
# locked even where it stands already, so that whoever sums the tallies up (and takes only marks
# that nobody holds) cannot take it away between the change and its commit.
MARK_TALLY_CHANGES = """
CREATE FUNCTION notifications_mark_tally_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notifications_tallychange AS mark (campaign_id, shard)
    SELECT DISTINCT campaign_id, pg_backend_pid() % 8 FROM new_events ORDER BY 1
    ON CONFLICT (campaign_id, shard) DO UPDATE SET shard = mark.shard WHERE false;
    RETURN NULL;
END $$;

CREATE TRIGGER notifications_mark_tally_change AFTER INSERT ON notifications_deliveryevent
    REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT EXECUTE FUNCTION notifications_mark_tally_change();
"""
MARK_NO_TALLY_CHANGE = """
DROP TRIGGER notifications_mark_tally_change ON notifications_deliveryevent;
DROP FUNCTION notifications_mark_tally_change();
"""

# So is the line of an insurer whose lists, campaigns or exemptions change. Each change adds a mark
# of its own: nobody waits for another to mark, and whoever sums up takes only the marks that were
# committed before it read.
MARK_CHANGES = """
CREATE FUNCTION notifications_mark_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notifications_registerchange (breach_id, insurer_id)
    VALUES (NEW.breach_id, NEW.insurer_id);
    RETURN NULL;
END $$;

CREATE TRIGGER notifications_mark_new_list AFTER INSERT ON insurers_affectedlist
    FOR EACH ROW WHEN (NEW.state IN ('accepted', 'withdrawing', 'withdrawn'))
    EXECUTE FUNCTION notifications_mark_change();
CREATE TRIGGER notifications_mark_list AFTER UPDATE ON insurers_affectedlist
    FOR EACH ROW WHEN (
        (OLD.state IN ('accepted', 'withdrawing', 'withdrawn')
            OR NEW.state IN ('accepted', 'withdrawing', 'withdrawn'))
        AND (OLD.state, OLD.effect, OLD.members, OLD.members_uncounted, OLD.rows,
            OLD.rows_rejected, OLD.corrects_id) IS DISTINCT FROM
            (NEW.state, NEW.effect, NEW.members, NEW.members_uncounted, NEW.rows,
            NEW.rows_rejected, NEW.corrects_id)
    ) EXECUTE FUNCTION notifications_mark_change();
CREATE TRIGGER notifications_mark_new_campaign AFTER INSERT ON notifications_campaign
    FOR EACH ROW EXECUTE FUNCTION notifications_mark_change();
CREATE TRIGGER notifications_mark_campaign AFTER UPDATE ON notifications_campaign
    FOR EACH ROW WHEN (
        (OLD.state, OLD.kind, OLD.affected_list_id, OLD.first_message_at, OLD.last_message_at)
        IS DISTINCT FROM
        (NEW.state, NEW.kind, NEW.affected_list_id, NEW.first_message_at, NEW.last_message_at)
    ) EXECUTE FUNCTION notifications_mark_change();
CREATE TRIGGER notifications_mark_new_exemption AFTER INSERT ON notifications_exemption
    FOR EACH ROW EXECUTE FUNCTION notifications_mark_change();
CREATE TRIGGER notifications_mark_exemption AFTER UPDATE ON notifications_exemption
    FOR EACH ROW WHEN ((OLD.state, OLD.ground, OLD.affected_list_id) IS DISTINCT FROM
        (NEW.state, NEW.ground, NEW.affected_list_id))
    EXECUTE FUNCTION notifications_mark_change();
"""
MARK_NO_CHANGE = """
DROP TRIGGER notifications_mark_new_exemption ON notifications_exemption;
DROP TRIGGER notifications_mark_exemption ON notifications_exemption;
DROP TRIGGER notifications_mark_new_list ON insurers_affectedlist;
DROP TRIGGER notifications_mark_list ON insurers_affectedlist;
DROP TRIGGER notifications_mark_new_campaign ON notifications_campaign;
DROP TRIGGER notifications_mark_campaign ON notifications_campaign;
DROP FUNCTION notifications_mark_change();
"""

# The message is also the only column that the worker role may write.
FORGET_ONLY = """
CREATE FUNCTION notifications_only_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a delivery event is never changed, it only loses its message';
END $$;
CREATE TRIGGER notifications_only_forget BEFORE UPDATE ON notifications_deliveryevent
    FOR EACH ROW WHEN (NEW.notification_id IS NOT NULL)
    EXECUTE FUNCTION notifications_only_forget();
"""
CHANGE_EVENTS = """
DROP TRIGGER notifications_only_forget ON notifications_deliveryevent;
DROP FUNCTION notifications_only_forget();
"""


class Migration(migrations.Migration):
    dependencies = (("notifications", "0001_initial"),)
    operations = (
        migrations.RunSQL(ALLOW_MOVES % ",".join(MOVES), FREE_MOVES),
        migrations.RunSQL(TALLY_EVENTS, TALLY_NOTHING),
        migrations.RunSQL(MARK_TALLY_CHANGES, MARK_NO_TALLY_CHANGE),
        migrations.RunSQL(MARK_CHANGES, MARK_NO_CHANGE),
        migrations.RunSQL(FORGET_ONLY, CHANGE_EVENTS),
    )
