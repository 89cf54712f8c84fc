"""Let a message cover the member it names without a row that says so.

Rows of `notifications_notificationmember` are only for the others of a family: five messages in six
have none. `notifications_covered` says whom a message covers, named or not.
"""

from django.db import migrations

VIEW = """
CREATE VIEW notifications_covered WITH (security_invoker = true) AS
SELECT id AS notification_id, list_id, ordinal FROM notifications_notification WHERE people > 0
UNION ALL
SELECT notification_id, list_id, ordinal FROM notifications_notificationmember
"""


class Migration(migrations.Migration):
    dependencies = (("notifications", "0003_allowed_moves"),)
    operations = (migrations.RunSQL(VIEW, "DROP VIEW notifications_covered"),)
