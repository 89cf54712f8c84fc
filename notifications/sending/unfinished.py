"""Which campaigns have messages in progress (`notifications.states.IN_PROGRESS`)."""

from django.db.models import Exists, OuterRef, QuerySet

from notifications.models import Campaign, Notification, State


def unfinished(campaigns: QuerySet[Campaign]) -> QuerySet[Campaign]:
    """Return those whose messages wait, or are in a worker's hands.

    One statement, since messages go from one to the other meanwhile; each half of it has an index,
    for whatever is being sent belongs to an open batch.
    """
    waiting = Notification.objects.filter(
        campaign=OuterRef("pk"), state__in=(State.PENDING, State.DEFERRED)
    )
    being_sent = Notification.objects.filter(
        state=State.SENDING, batch__campaign=OuterRef("pk"), batch__closed_at=None
    )
    return campaigns.filter(Exists(waiting) | Exists(being_sent))
