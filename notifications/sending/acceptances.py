"""Make events of what servers took: all acceptances of a batch in one transaction.

An acceptance is one small row, on disk before its connection's next message leaves
(`recorder.py`). Here those of a batch become states, events and tallies: about once a second
while it is being sent, at its end, or when it is recovered. Until then a message is `sending`.
"""

from datetime import datetime

from notifications.deadlocks import done_again_after_deadlock
from notifications.prepared import first_row
from notifications.receipts.applying import apply_waiting

# Messages are locked in the order in which everybody else locks them. PostgreSQL thinks of a row
# or two, whatever there is: steps that were joined to each other were two thirds of the time.
APPLY = """
WITH taken AS (
    DELETE FROM notifications_acceptance WHERE batch_id = %(batch)s
    RETURNING notification_id, reason, reference, reference_fingerprint, at
), locked AS MATERIALIZED (
    SELECT n.id, taken.reason, taken.reference, taken.reference_fingerprint, taken.at
    FROM taken JOIN notifications_notification n ON n.id = taken.notification_id
    ORDER BY n.id FOR UPDATE OF n
), moved AS (
    UPDATE notifications_notification n SET state = 'accepted', reason = locked.reason,
        attempts = attempts + 1, due_at = locked.at,
        reference_fingerprint = locked.reference_fingerprint
    FROM locked WHERE n.id = locked.id
    RETURNING n.id, n.campaign_id, n.channel, n.people, n.uncounted, n.receipts_wait,
        locked.reason, locked.reference, locked.at
), named AS (
    INSERT INTO notifications_providerreference (sender, reference, notification_id)
    SELECT b.sender, moved.reference, moved.id
    FROM moved JOIN notifications_dispatchbatch b ON b.id = %(batch)s
    WHERE moved.reference <> '' ON CONFLICT DO NOTHING
), told AS (
    INSERT INTO notifications_deliveryevent (campaign_id, notification_id, channel, state, reason,
        previous_state, previous_reason, people, messages, uncounted, at)
    SELECT campaign_id, id, channel, 'accepted', reason, 'sending', '', people, 1, uncounted, at
    FROM moved
)
SELECT coalesce(array_agg(id), '{}') AS waiting FROM moved WHERE receipts_wait
"""


@done_again_after_deadlock
def apply_acceptances(*, batch_id: int, now: datetime) -> None:
    """Turn a batch's acceptances into states and events, then apply receipts that wait for them.

    Whatever comes meanwhile waits for the next time; two that do it at once share the work.
    """
    found = first_row(APPLY, {"batch": batch_id})
    for notification_id in found["waiting"] if found else ():
        apply_waiting(notification_id=notification_id, now=now)
