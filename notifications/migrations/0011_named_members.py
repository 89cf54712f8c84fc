"""Let a message cover the member it names without a row that says so.

Rows of `notifications_notificationmember` are only for the others of a family: five messages in six
have none. `notifications_covered` says whom a message covers, named or not.

Also: a claim of a batch no longer locks the batch's row for each message, and an outcome makes no
entry in the index of messages of a batch, which is asked for those being sent, and for letters.
"""

import django.db.models.deletion
from django.db import migrations, models

VIEW = """
CREATE VIEW notifications_covered WITH (security_invoker = true) AS
SELECT id AS notification_id, list_id, ordinal FROM notifications_notification WHERE people > 0
UNION ALL
SELECT notification_id, list_id, ordinal FROM notifications_notificationmember
"""

# One that names somebody who went on to the next channel names the first who stayed.
NAME = """
UPDATE notifications_notification n SET ordinal = (
    SELECT min(l.ordinal) FROM notifications_notificationmember l WHERE l.notification_id = n.id
)
WHERE people > 0 AND NOT EXISTS (
    SELECT FROM notifications_notificationmember l
    WHERE l.notification_id = n.id AND l.list_id = n.list_id AND l.ordinal = n.ordinal
);
DELETE FROM notifications_notificationmember l USING notifications_notification n
WHERE l.notification_id = n.id AND l.list_id = n.list_id AND l.ordinal = n.ordinal;
"""
UNNAME = """
INSERT INTO notifications_notificationmember (notification_id, list_id, ordinal)
SELECT id, list_id, ordinal FROM notifications_notification WHERE people > 0
"""


class Migration(migrations.Migration):
    dependencies = (("notifications", "0010_acceptances"),)
    operations = (
        migrations.RunSQL(NAME, UNNAME),
        migrations.RunSQL(VIEW, "DROP VIEW notifications_covered"),
        migrations.CreateModel(
            name="CoveredMember",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "notification_id",
                        "list_id",
                        "ordinal",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("notification_id", models.BigIntegerField()),
                ("list_id", models.IntegerField()),
                ("ordinal", models.IntegerField()),
            ],
            options={"db_table": "notifications_covered", "managed": False},
        ),
        migrations.RemoveIndex(model_name="notification", name="messages_of_a_batch"),
        migrations.AlterField(
            model_name="notification",
            name="batch",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="notifications.dispatchbatch",
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["list_id", "ordinal"], name="messages_that_name_a_member"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(
                    ("state", "sending"),
                    models.Q(("batch__isnull", False), ("channel", "letter")),
                    _connector="OR",
                ),
                fields=["batch"],
                name="messages_of_a_batch",
            ),
        ),
    )
