"""Letters that an insurer prints from its own records: a file of rows and references."""

import io
from collections.abc import Iterator
from datetime import datetime

from django.db import connection, transaction

from insurers.lists.contacts import HAS_POSTAL_ADDRESS
from notifications.channels.base import Outgoing
from notifications.channels.letter import LetterChannel
from notifications.letters.exports import (
    claim_letters,
    encrypted,
    export_letters,
    keep_file,
    unmade,
)
from notifications.models import LetterExport, LetterKind
from notifications.notices.rendering import Message
from notifications.references import derive, message_id

AT_MOST = 100_000  # letters in a file: some 10 MB, held whole while it is encrypted

# Each letter with the rows of the source files that it covers.
ROWS = """
SELECT n.id, string_agg(encode(a.sha256, 'hex') || ':' || l.ordinal, ' '
    ORDER BY l.list_id, l.ordinal)
FROM notifications_notification n
JOIN notifications_covered l ON l.notification_id = n.id
JOIN insurers_affectedlist a ON a.id = l.list_id
WHERE n.batch_id = %(batch)s AND n.channel = 'letter' GROUP BY n.id ORDER BY n.id
"""

WITHOUT_ADDRESS = f"""NOT EXISTS (
    SELECT FROM affected_member m WHERE m.list_id = notifications_notification.list_id
        AND m.ordinal = notifications_notification.ordinal
        AND m.contact_flags & {HAS_POSTAL_ADDRESS} <> 0
)"""


@transaction.atomic
def make_rows(*, export_id: int, now: datetime) -> bool:
    """Make the file that was asked for (worker only); return whether it was to be made."""
    export = unmade(export_id)
    if export is None:
        return False
    if export.repeats is not None:
        export.batch = export.repeats.batch
    else:
        which = WITHOUT_ADDRESS if export.kind == LetterKind.ROWS_WITHOUT_ADDRESS else "true"
        export.batch = claim_letters(export, which=which, limit=AT_MOST, now=now)
    file = io.StringIO()
    outcomes = list(LetterChannel(file).send(_letters(export)))
    if export.repeats is None:
        export_letters([outcome.notification_id for outcome in outcomes], now=now)
    text = file.getvalue()
    content = encrypted(text.encode(), recipient=export.recipient)
    rows = text.count("\n") - 1
    keep_file(export, content=content, letters=len(outcomes), rows=rows, now=now)
    return True


def _letters(export: LetterExport) -> Iterator[Outgoing]:
    with connection.cursor() as cursor:
        cursor.execute(ROWS, {"batch": export.batch_id})
        rows = cursor.fetchall()
    for notification_id, places in rows:
        yield Outgoing(
            notification_id=notification_id,
            address=places,
            sender_name="",
            reply_to="",
            message=Message(subject="", text=derive(notification_id)),
            message_id=message_id(notification_id),
        )
