"""Have the database refuse an event whose state may not follow the one before it.

One array, not a comparison for each move: PostgreSQL reads the expression anew for each event.
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

CONSTRAIN = """
ALTER TABLE notifications_deliveryevent ADD CONSTRAINT only_allowed_moves CHECK (
    previous_state = '' OR (previous_state || '>' || state) = ANY (CAST('{%s}' AS text[]))
)
"""
FREE = "ALTER TABLE notifications_deliveryevent DROP CONSTRAINT only_allowed_moves"


class Migration(migrations.Migration):
    dependencies = (("notifications", "0002_tallies"),)
    operations = (migrations.RunSQL(CONSTRAIN % ",".join(MOVES), FREE),)
