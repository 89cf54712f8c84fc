"""Count each person once in the register; tell again only by a complement or correction."""

from django.conf import settings
from django.db import migrations, models

TALLY_UNCOUNTED = """
CREATE OR REPLACE FUNCTION notifications_tally_events() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""

TALLY_WITHOUT = """
CREATE OR REPLACE FUNCTION notifications_tally_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notifications_tally AS tally
        (campaign_id, insurer_id, channel, state, reason, hour_at, shard, people, messages)
    SELECT change.campaign_id, campaign.insurer_id, change.channel, change.state, change.reason,
        date_trunc('hour', change.at, 'UTC'), pg_backend_pid() % 8,
        sum(change.people), sum(change.messages)
    FROM (
        SELECT campaign_id, channel, state, reason, at, people, messages FROM new_events
        UNION ALL
        SELECT campaign_id, channel, previous_state, previous_reason, at, -people, -messages
        FROM new_events WHERE previous_state <> ''
    ) AS change
    JOIN notifications_campaign AS campaign ON campaign.id = change.campaign_id
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ORDER BY 1, 3, 4, 5, 6, 7
    ON CONFLICT (campaign_id, channel, state, reason, hour_at, shard)
    DO UPDATE SET people = tally.people + EXCLUDED.people,
        messages = tally.messages + EXCLUDED.messages;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = (
        ("insurers", "0008_effects"),
        ("notifications", "0002_tallies"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    )

    operations = (
        migrations.RemoveConstraint(
            model_name="campaign",
            name="one_running_campaign_per_list",
        ),
        migrations.RemoveConstraint(
            model_name="notification",
            name="one_message_per_address",
        ),
        migrations.AddField(
            model_name="campaign",
            name="kind",
            field=models.CharField(
                choices=[
                    ("notice", "avis"),
                    ("complement", "complément"),
                    ("correction", "correction"),
                ],
                default="notice",
                max_length=10,
                verbose_name="nature",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="kind_reason",
            field=models.TextField(blank=True, verbose_name="motif du nouvel envoi"),
        ),
        migrations.AddField(
            model_name="deliveryevent",
            name="uncounted",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="notification",
            name="uncounted",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="tally",
            name="uncounted",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="notificationmember",
            index=models.Index(fields=["list_id", "ordinal"], name="messages_of_a_member"),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("kind", "notice"),
                    models.Q(("state__in", ("returned", "cancelled")), _negated=True),
                ),
                fields=("affected_list",),
                name="one_running_campaign_per_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind", "notice"),
                    models.Q(("kind_reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="telling_again_has_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "cancelled"), _negated=True),
                fields=("campaign", "channel", "address_fingerprint"),
                name="one_message_per_address",
            ),
        ),
        migrations.RunSQL(TALLY_UNCOUNTED, TALLY_WITHOUT),
    )
