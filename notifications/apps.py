from typing import Any

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from insurers.signals import leaving_foreseen, list_accepted, listings_changed

        list_accepted.connect(count_reach_later, dispatch_uid="notifications.count_reach")
        listings_changed.connect(settle_now, dispatch_uid="notifications.settle")
        leaving_foreseen.connect(foresee_leaving, dispatch_uid="notifications.foresee_leaving")


def count_reach_later(*, affected_list: Any, **kwargs: Any) -> None:
    """Have a worker count how a list that was just accepted can be reached."""
    from insurers.queueing import enqueue
    from notifications.tasks import reach

    enqueue(reach, list_id=affected_list.pk)


def settle_now(*, breach_id: int, insurer_id: Any, **kwargs: Any) -> None:
    """Cancel what must not leave and count each person once, in the announcing transaction."""
    from django.utils import timezone

    from notifications.settling import settle

    settle(breach_id=breach_id, insurer_id=insurer_id, now=timezone.now())


def foresee_leaving(*, report: Any, **kwargs: Any) -> None:
    """Count the messages and people told of a list that is to be decided."""
    from notifications.foresight import count_leaving

    count_leaving(report=report)
