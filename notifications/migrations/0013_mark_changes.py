"""Mark the campaigns whose tallies change, in the transaction that changes them.

The mark is locked even where it stands already, so that whoever sums the tallies up (and takes
only marks that nobody holds) cannot take it away between the change and its commit.
"""

from django.db import migrations

CREATE = """
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

INSERT INTO notifications_tallychange (campaign_id, shard)
SELECT DISTINCT campaign_id, 0 FROM notifications_tally;
"""

DROP = """
DROP TRIGGER notifications_mark_tally_change ON notifications_deliveryevent;
DROP FUNCTION notifications_mark_tally_change();
"""


class Migration(migrations.Migration):
    dependencies = (("notifications", "0012_register"),)
    operations = (migrations.RunSQL(CREATE, DROP),)
