"""How long a waiting address is kept, and how often a mailbox is asked to confirm."""

from datetime import datetime, timedelta
from uuid import UUID

from insurers.throttle import Limit
from lookup.models import SentConfirmation

# Of one network (a mobile carrier has many subscribers behind one): this spares the database. What
# protects mailboxes is in rows, below.
REQUESTS = Limit("waiting-requests", at_most=30, seconds=3600)

UNCONFIRMED_FOR = timedelta(hours=48)  # lookup/migrations/0001_waiting.py says it to PostgreSQL
CONFIRMED_FOR = timedelta(days=730)
COUNTED_FOR = timedelta(days=30)

A_DAY = timedelta(days=1)
A_DAY_FOR_ONE_INSURER, A_DAY_IN_ALL, IN_THIRTY_DAYS = 1, 3, 6


def may_be_asked(*, mailbox: UUID, insurer_id: UUID, now: datetime) -> bool:
    """Whether a mailbox may get one more message that asks for confirmation."""
    sent = list(
        SentConfirmation.objects.filter(mailbox=mailbox, sent_at__gt=now - COUNTED_FOR).values_list(
            "insurer_id", "sent_at"
        )
    )
    of_the_day = [insurer for insurer, sent_at in sent if sent_at > now - A_DAY]
    return (
        of_the_day.count(insurer_id) < A_DAY_FOR_ONE_INSURER
        and len(of_the_day) < A_DAY_IN_ALL
        and len(sent) < IN_THIRTY_DAYS
    )
